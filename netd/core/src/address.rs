//! Which IPv4 addresses may be another machine's.

use std::net::Ipv4Addr;

use nacre_manifest::apps_network;

/// Whether the address is one of the apps' own network.
pub fn is_app(address: Ipv4Addr) -> bool {
    address.octets().starts_with(&apps_network::PREFIX)
}

/// Whether a manifest may name the address: unicast, and not of the apps' own network. That leaves out 0/8, 127/8,
/// 224/4, 240/4 (RFC 6890) and 100.115.92.0/24.
pub fn is_unicast(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first != 0 && first != 127 && first < 224 && !is_app(address)
}

/// Whether another machine may have told us the address: as [`is_unicast`], and not link-local (169.254/16,
/// RFC 3927): no server assigns those, and machines in data centres answer there with their secrets.
pub fn is_believable(address: Ipv4Addr) -> bool {
    is_unicast(address) && !address.is_link_local()
}

/// The address of the network itself and its broadcast address, which no machine has. A prefix of 31 or 32 bits has
/// neither (RFC 3021): then `None`.
pub fn reserved_of(address: Ipv4Addr, prefix: u8) -> Option<[Ipv4Addr; 2]> {
    let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    (prefix < 31).then(|| [(address.to_bits() & !hosts).into(), (address.to_bits() | hosts).into()])
}

/// Whether two addresses are of one network with this prefix.
pub fn same_network(one: Ipv4Addr, other: Ipv4Addr, prefix: u8) -> bool {
    let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    (one.to_bits() ^ other.to_bits()) & !hosts == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_of_each_kind_is_judged() {
        for (address, unicast, believable) in [
            ("10.0.2.2", true, true),
            ("192.168.1.1", true, true),
            ("100.115.91.255", true, true),
            ("100.115.93.0", true, true),
            ("223.255.255.254", true, true),
            ("169.254.169.254", true, false),
            ("100.115.92.0", false, false),
            ("100.115.92.255", false, false),
            ("0.0.0.0", false, false),
            ("0.1.2.3", false, false),
            ("127.0.0.1", false, false),
            ("224.0.0.1", false, false),
            ("240.0.0.1", false, false),
            ("255.255.255.255", false, false),
        ] {
            let parsed: Ipv4Addr = address.parse().expect("an address");
            assert_eq!((is_unicast(parsed), is_believable(parsed)), (unicast, believable), "{address}");
        }
    }

    #[test]
    fn network_of_each_prefix_has_its_reserved_addresses() {
        let address = Ipv4Addr::new(10, 0, 2, 15);
        for (prefix, reserved) in [
            (0, Some([[0, 0, 0, 0], [255, 255, 255, 255]])),
            (8, Some([[10, 0, 0, 0], [10, 255, 255, 255]])),
            (24, Some([[10, 0, 2, 0], [10, 0, 2, 255]])),
            (30, Some([[10, 0, 2, 12], [10, 0, 2, 15]])),
            (31, None),
            (32, None),
            (255, None),
        ] {
            assert_eq!(reserved_of(address, prefix), reserved.map(|r| r.map(Ipv4Addr::from)), "{prefix}");
        }
        assert!(same_network(address, Ipv4Addr::new(10, 0, 2, 2), 24));
        assert!(!same_network(address, Ipv4Addr::new(10, 0, 3, 2), 24));
        assert!(same_network(address, Ipv4Addr::new(9, 0, 3, 2), 0));
        assert!(!same_network(address, Ipv4Addr::new(10, 0, 2, 14), 32));
    }
}
