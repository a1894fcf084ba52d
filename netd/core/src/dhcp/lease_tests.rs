use super::super::message::parse;
use super::super::message::tests::{MAC, Sent};
use super::*;

const MASK: u8 = 1;
const ROUTER: u8 = 3;
const NAME_SERVERS: u8 = 6;
const TIME_SERVERS: u8 = 42;
const LEASE: u8 = 51;
const SERVER: u8 = 54;
const T1: u8 = 58;
const T2: u8 = 59;

fn grant(sent: &Sent) -> Result<Grant, GrantError> {
    Grant::of(&parse(&sent.bytes(), &MAC).expect("a reply"))
}

fn sound() -> Sent {
    Sent::new(5, 7)
}

fn seconds(s: u32) -> [u8; 4] {
    s.to_be_bytes()
}

#[test]
fn grant_of_a_sound_network_has_its_values() {
    let found = grant(&sound()).expect("a grant");
    assert_eq!(
        found.lease,
        Lease {
            address: Ipv4Addr::new(10, 0, 2, 15),
            prefix: 24,
            router: Some(Ipv4Addr::new(10, 0, 2, 2)),
            name_servers: vec![Ipv4Addr::new(10, 0, 2, 3)],
            time_servers: vec![],
            server: Ipv4Addr::new(10, 0, 2, 2),
        }
    );
    assert_eq!(
        (found.renew_after, found.rebind_after, found.expires_after),
        (1_800_000, 3_150_000, 3_600_000)
    );
}

#[test]
fn grant_that_can_not_be_used_is_refused() {
    let address = |octets| Sent { address: octets, ..sound() };
    let no_machine = |octets: [u8; 4]| GrantError::Address(octets.into());
    for (sent, error) in [
        (sound().with(SERVER, &[]), GrantError::NoServer),
        (sound().with(SERVER, &[255; 4]), GrantError::Server(Ipv4Addr::BROADCAST)),
        (sound().with(LEASE, &[]), GrantError::NoTime),
        (sound().with(LEASE, &seconds(0)), GrantError::ShortTime(0)),
        (sound().with(LEASE, &seconds(9)), GrantError::ShortTime(9)),
        (sound().with(MASK, &[255, 0, 255, 0]), GrantError::Mask([255, 0, 255, 0].into())),
        (sound().with(MASK, &[0; 4]), GrantError::Mask([0; 4].into())),
        (sound().with(MASK, &[254, 0, 0, 0]), GrantError::Mask([254, 0, 0, 0].into())),
        (address([0, 0, 0, 0]), no_machine([0, 0, 0, 0])),
        (address([127, 0, 0, 1]), no_machine([127, 0, 0, 1])),
        (address([224, 0, 0, 1]), no_machine([224, 0, 0, 1])),
        (address([255; 4]), no_machine([255; 4])),
        (address([169, 254, 1, 1]), no_machine([169, 254, 1, 1])),
        (address([100, 115, 92, 7]), no_machine([100, 115, 92, 7])),
        (address([10, 0, 2, 0]), no_machine([10, 0, 2, 0])),
        (address([10, 0, 2, 255]), no_machine([10, 0, 2, 255])),
    ] {
        assert_eq!(grant(&sent), Err(error), "{sent:?}");
    }
}

#[test]
fn grant_with_bogus_addresses_in_its_lists_has_only_the_others() {
    let list: Vec<u8> = [
        [0, 0, 0, 0],
        [127, 0, 0, 53],
        [255, 255, 255, 255],
        [100, 115, 92, 1],
        [10, 0, 2, 15],
        [10, 0, 2, 255],
        [10, 0, 3, 1],
        [10, 0, 2, 1],
        [10, 0, 2, 1],
        [10, 0, 2, 3],
        [10, 0, 2, 4],
        [10, 0, 2, 5],
        [10, 0, 2, 6],
    ]
    .concat();
    let found = grant(&sound().with(ROUTER, &list).with(NAME_SERVERS, &list).with(TIME_SERVERS, &list));
    let lease = found.expect("a grant").lease;
    let expected = [[10, 0, 3, 1], [10, 0, 2, 1], [10, 0, 2, 3], [10, 0, 2, 4]].map(Ipv4Addr::from);
    assert_eq!(lease.router, Some(Ipv4Addr::new(10, 0, 2, 1)), "the first in the device's network");
    assert_eq!(lease.name_servers, expected[..3]);
    assert_eq!(lease.time_servers, expected);
}

#[test]
fn grant_without_a_mask_has_the_prefix_of_its_class() {
    for (address, prefix) in [([10, 0, 2, 15], 8), ([172, 16, 0, 9], 16), ([192, 168, 1, 9], 24)] {
        let found = grant(&Sent { address, ..sound().with(MASK, &[]) }).expect("a grant");
        assert_eq!(found.lease.prefix, prefix);
    }
    assert_eq!(grant(&sound().with(MASK, &[255; 4])).expect("a grant").lease.prefix, 32);
}

#[test]
fn grant_with_its_own_times_has_them_only_in_order() {
    for (t1, t2, expected) in [
        (600, 900, (600_000, 900_000)),
        (900, 600, (1_800_000, 3_150_000)),
        (600, 3600, (1_800_000, 3_150_000)),
        (0, 1, (1_800_000, 3_150_000)),
        (4, 900, (1_800_000, 3_150_000)),
        (u32::MAX, u32::MAX, (1_800_000, 3_150_000)),
    ] {
        let found = grant(&sound().with(T1, &seconds(t1)).with(T2, &seconds(t2))).expect("a grant");
        assert_eq!((found.renew_after, found.rebind_after), expected, "{t1} {t2}");
    }
    let infinite = grant(&sound().with(LEASE, &[255; 4])).expect("a grant");
    assert_eq!(infinite.expires_after, 4_294_967_295_000);
}
