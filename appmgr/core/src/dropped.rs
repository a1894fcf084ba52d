//! What the packet filter stopped, in words, and the manifest line that would have let it through.
//!
//! netd says where a packet was to go and by which rule it was stopped; what follows from that is decided here.

use nacre_manifest::apps_network::{PREFIX, ROUTER};
use nacre_manifest::device::{Port, Protocol};
use nacre_wire::denial::Remedy;
use nacre_wire::net::{Target, Why};

use crate::denials::Refusal;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The port of name servers. A manifest names them by their address only.
const NAME_SERVER: u16 = 53;

/// First of the ports that the kernel itself gives to sockets (ip(7), `ip_local_port_range`). What comes for one of
/// them is a late answer, mostly.
const FIRST_OF_KERNEL: u16 = 32_768;

/// The protocol with this number (IANA), if apps may speak it.
pub fn protocol(number: u8) -> Option<Protocol> {
    match number {
        TCP => Some(Protocol::Tcp),
        UDP => Some(Protocol::Udp),
        _ => None,
    }
}

/// What an app sent that was stopped; `own` is the device's address and its prefix.
pub fn sent(to: &Target, why: &Why, own: Option<([u8; 4], u8)>) -> Refusal {
    let [a, b, c, d] = to.address;
    let port = to.port;
    let mut tried = match protocol(to.protocol) {
        Some(Protocol::Tcp) => format!("connect tcp {a}.{b}.{c}.{d}:{port}"),
        Some(Protocol::Udp) => format!("send udp {a}.{b}.{c}.{d}:{port}"),
        None if to.protocol == ICMP => format!("ping {a}.{b}.{c}.{d}"),
        None => format!("send a packet of IP protocol {} to {a}.{b}.{c}.{d}", to.protocol),
    };
    match why {
        Why::OtherPort(name) | Why::Expired(name) => tried.push_str(&format!(" ({name})")),
        Why::ForeignSource([a, b, c, d]) => tried.push_str(&format!(" as {a}.{b}.{c}.{d}")),
        Why::Unlisted | Why::TooMany => {}
    }
    Refusal { tried, remedy: remedy(to, why, own) }
}

fn remedy(to: &Target, why: &Why, own: Option<([u8; 4], u8)>) -> Remedy {
    if let Why::ForeignSource(_) = why {
        return Remedy::never("an app sends with its own address only");
    }
    if let Some(reason) = nowhere(to, own) {
        return Remedy::never(reason);
    }
    let Some(protocol) = protocol(to.protocol).filter(|_| to.port != 0) else {
        return Remedy::never("apps speak TCP and UDP only");
    };
    let [a, b, c, d] = to.address;
    let host = match why {
        Why::TooMany => {
            return Remedy::never("an app makes 20 connections in a second and has 64 at the same time");
        }
        Why::Expired(name) => {
            return Remedy::never(&format!("{name} was resolved too long ago: it must be resolved again"));
        }
        Why::OtherPort(name) if to.port != NAME_SERVER => name.clone(),
        _ => format!("{a}.{b}.{c}.{d}"),
    };
    Remedy::manifest("", "network.connect", &format!("{protocol}:{host}:{}", to.port))
}

/// Why no app may send to there, if none may.
fn nowhere(to: &Target, own: Option<([u8; 4], u8)>) -> Option<&'static str> {
    let [first, ..] = to.address;
    let is_for_all = |(own, prefix): ([u8; 4], u8)| {
        let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        let (own, to) = (u32::from_be_bytes(own), u32::from_be_bytes(to.address));
        prefix < 31 && (own ^ to) & !hosts == 0 && [0, hosts].contains(&(to & hosts))
    };
    match to.address {
        ROUTER if to.port == NAME_SERVER => {
            Some("the resolver answers apps whose manifest lists a name, 40 questions in a second")
        }
        ROUTER => Some("the device itself: what an app asks the OS goes over /run/nacre"),
        address if own.is_some_and(|(own, _)| own == address) => {
            Some("the device itself: what an app asks the OS goes over /run/nacre")
        }
        address if address.starts_with(&PREFIX) => Some(
            "apps do not reach each other over the network; `apps` in both manifests lets them call each other",
        ),
        _ if first >= 224 || own.is_some_and(is_for_all) => Some("it goes to more than one machine"),
        _ if first == 0 || first == 127 => Some("it is no address of another machine"),
        _ => None,
    }
}

/// Whether what came from outside for a port, and was stopped, is worth a look who has the port.
pub fn knocked_on(protocol_number: u8, port: u16) -> Option<Port> {
    let protocol = protocol(protocol_number)?;
    (1..FIRST_OF_KERNEL).contains(&port).then_some(Port { protocol, number: port })
}

/// What came for a port that an app has open and its manifest doesn't list.
/// Not who sent it: a stranger with many addresses would use up what is told of the app.
pub fn knock(port: Port) -> Refusal {
    let verb = match port.protocol {
        Protocol::Tcp => "accept",
        Protocol::Udp => "receive",
    };
    let tried = format!("{verb} {} on port {}", port.protocol, port.number);
    Refusal { tried, remedy: Remedy::manifest("", "network.listen", &port.to_string()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OWN: Option<([u8; 4], u8)> = Some(([10, 0, 2, 15], 24));

    fn text(protocol: u8, address: [u8; 4], port: u16, why: &Why) -> String {
        sent(&Target { protocol, address, port }, why, OWN).to_string()
    }

    #[test]
    fn what_a_manifest_can_allow_comes_with_its_line() {
        let name = || "api.example.com".to_owned();
        for (protocol, port, why, expected) in [
            (6, 8883, Why::Unlisted, "connect tcp 10.0.2.2:8883 — add \"tcp:10.0.2.2:8883\" under"),
            (17, 9000, Why::Unlisted, "send udp 10.0.2.2:9000 — add \"udp:10.0.2.2:9000\" under"),
            (
                6,
                80,
                Why::OtherPort(name()),
                "connect tcp 10.0.2.2:80 (api.example.com) — add \"tcp:api.example.com:80\" under",
            ),
            (
                17,
                53,
                Why::OtherPort(name()),
                "send udp 10.0.2.2:53 (api.example.com) — add \"udp:10.0.2.2:53\" under",
            ),
        ] {
            let text = text(protocol, [10, 0, 2, 2], port, &why);
            assert!(text.starts_with(expected) && text.contains(" network.connect in "), "{text}");
        }
    }

    #[test]
    fn what_no_manifest_can_allow_says_why() {
        let name = || "api.example.com".to_owned();
        let (unlisted, peer) = (|| Why::Unlisted, [10, 0, 2, 2]);
        for (protocol, address, port, why, tried, reason) in [
            (6, peer, 443, Why::TooMany, "connect tcp 10.0.2.2:443", "20 connections"),
            (
                6,
                peer,
                443,
                Why::Expired(name()),
                "connect tcp 10.0.2.2:443 (api.example.com)",
                "resolved again",
            ),
            (17, peer, 9, Why::ForeignSource([1, 2, 3, 4]), "send udp 10.0.2.2:9 as 1.2.3.4", "own address"),
            (1, peer, 0, unlisted(), "ping 10.0.2.2", "TCP and UDP"),
            (47, peer, 0, unlisted(), "send a packet of IP protocol 47 to 10.0.2.2", "TCP and UDP"),
            (17, peer, 0, unlisted(), "send udp 10.0.2.2:0", "TCP and UDP"),
            (6, ROUTER, 22, unlisted(), "connect tcp 100.115.92.1:22", "/run/nacre"),
            (17, ROUTER, 53, unlisted(), "send udp 100.115.92.1:53", "resolver"),
            (6, [10, 0, 2, 15], 22, unlisted(), "connect tcp 10.0.2.15:22", "/run/nacre"),
            (6, [100, 115, 92, 4], 80, unlisted(), "connect tcp 100.115.92.4:80", "`apps`"),
            (17, [255; 4], 67, unlisted(), "send udp 255.255.255.255:67", "more than one machine"),
            (17, [10, 0, 2, 255], 67, unlisted(), "send udp 10.0.2.255:67", "more than one machine"),
            (17, [10, 0, 2, 0], 67, unlisted(), "send udp 10.0.2.0:67", "more than one machine"),
            (17, [239, 1, 2, 3], 67, unlisted(), "send udp 239.1.2.3:67", "more than one machine"),
            (6, [0, 1, 2, 3], 67, unlisted(), "connect tcp 0.1.2.3:67", "no address"),
        ] {
            let refusal = sent(&Target { protocol, address, port }, &why, OWN);
            assert_eq!(refusal.tried, tried);
            assert!(
                matches!(&refusal.remedy, Remedy::Never { reason: said } if said.contains(reason)),
                "{refusal}"
            );
        }
        // A network of one or two addresses has none for all, and offline there is no network.
        let to = Target { protocol: 17, address: [10, 0, 2, 255], port: 9 };
        for own in [None, Some(([10, 0, 2, 254], 31)), Some(([10, 0, 2, 255], 32)), Some(([10, 1, 2, 3], 24))]
        {
            let is_own = own.is_some_and(|(address, _)| address == to.address);
            assert_eq!(matches!(sent(&to, &unlisted(), own).remedy, Remedy::Never { .. }), is_own, "{own:?}");
        }
    }

    #[test]
    fn knock_at_a_port_comes_with_the_line_that_opens_it() {
        let port = knocked_on(17, 5000).unwrap();
        assert_eq!(
            knock(port).to_string(),
            "receive udp on port 5000 — add \"udp:5000\" under network.listen in /nacre.yaml"
        );
        assert_eq!(knocked_on(6, 8080).unwrap().to_string(), "tcp:8080");
        for (protocol, port) in [(6, 0), (17, 32_768), (17, 65_535), (1, 8), (47, 80)] {
            assert_eq!(knocked_on(protocol, port), None, "{protocol} {port}");
        }
    }

    proptest! {
        /// A line that is given is one that the manifest takes.
        #[test]
        fn line_of_any_packet_names_where_it_was_to_go(
            protocol in prop::sample::select(vec![1u8, 6, 17, 47]), address: [u8; 4], port: u16,
        ) {
            let refusal = sent(&Target { protocol, address, port }, &Why::Unlisted, OWN);
            if let Remedy::Manifest { line, .. } = refusal.remedy {
                let first = address[0];
                prop_assert!(first != 0 && first != 127 && first < 224 && !address.starts_with(&PREFIX));
                prop_assert!(port != 0);
                let end = format!(":{}:{port}", std::net::Ipv4Addr::from(address));
                prop_assert!(line.ends_with(&end), "{}", line);
            }
        }
    }
}
