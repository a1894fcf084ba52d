//! Servers' answers for tests, and the tests of reading them.

use proptest::prelude::*;

use super::*;
use crate::dns::query;

/// A server's answer, put together record by record; the question's name is at offset 12.
#[derive(Debug, Clone)]
pub(in crate::dns) struct Told {
    bytes: Vec<u8>,
}

/// The wire form of a name, uncompressed.
pub(in crate::dns) fn wire(name: &str) -> Vec<u8> {
    Name::of_host(name).expect("a name").wire().to_vec()
}

impl Told {
    /// To this question.
    pub(in crate::dns) fn to(question: &[u8]) -> Self {
        let mut bytes = question.to_vec();
        bytes[2..4].copy_from_slice(&[0x81, 0x80]);
        Self { bytes }
    }

    pub(in crate::dns) fn rcode(mut self, rcode: u8) -> Self {
        self.bytes[3] = 0x80 | rcode;
        self
    }

    pub(in crate::dns) fn cut(mut self) -> Self {
        self.bytes[2] |= 2;
        self
    }

    pub(in crate::dns) fn record(mut self, owner: &[u8], kind: u16, ttl_s: u32, data: &[u8]) -> Self {
        let count = u16::from_be_bytes([self.bytes[6], self.bytes[7]]) + 1;
        self.bytes[6..8].copy_from_slice(&count.to_be_bytes());
        self.bytes.extend(owner);
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend(IN.to_be_bytes());
        self.bytes.extend(ttl_s.to_be_bytes());
        self.bytes.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
        self.bytes.extend(data);
        self
    }

    /// An address of the name that was asked for.
    pub(in crate::dns) fn address(self, ttl_s: u32, address: [u8; 4]) -> Self {
        self.record(&[0xc0, 12], A, ttl_s, &address)
    }

    pub(in crate::dns) fn bytes(self) -> Vec<u8> {
        self.bytes
    }
}

const ID: u16 = 0x1234;

fn name() -> Name {
    Name::of_host("api.example.com").expect("a name")
}

fn told() -> Told {
    Told::to(&query::build(ID, &name()))
}

fn outcome(bytes: &[u8]) -> Option<Outcome> {
    read(bytes, ID, &name(), |address| address.octets()[0] == 10)
}

fn found(addresses: &[[u8; 4]], ttl_s: u32) -> Option<Outcome> {
    let addresses = addresses.iter().copied().map(Ipv4Addr::from).collect();
    Some(Outcome::Found { addresses, ttl_s, bogus: None })
}

#[test]
fn answer_with_addresses_has_them_within_its_bounds() {
    for (ttl_s, expected) in
        [(60, 60), (0, 10), (9, 10), (3600, 3600), (3601, 3600), (0x7fff_ffff, 3600), (u32::MAX, 10)]
    {
        let bytes = told().address(ttl_s, [10, 0, 0, 1]).address(3600, [10, 0, 0, 2]).bytes();
        assert_eq!(outcome(&bytes), found(&[[10, 0, 0, 1], [10, 0, 0, 2]], expected), "{ttl_s}");
    }
    let many = (0..30u8).fold(told(), |told, n| told.address(60, [10, 0, 0, n / 2]));
    let first: Vec<[u8; 4]> = (0..8).map(|n| [10, 0, 0, n]).collect();
    assert_eq!(outcome(&many.bytes()), found(&first, 60), "eight, each once");
    assert_eq!(outcome(&told().bytes()), found(&[], 3600), "none");
}

#[test]
fn answer_with_aliases_leads_to_the_addresses_in_any_order() {
    let (b, c) = (wire("b.example"), wire("c.example"));
    let forwards = told().record(&[0xc0, 12], CNAME, 300, &b).record(&b, CNAME, 40, &c).record(
        &c,
        A,
        500,
        &[10, 0, 0, 1],
    );
    assert_eq!(outcome(&forwards.bytes()), found(&[[10, 0, 0, 1]], 40));
    let backwards = told().record(&c, A, 500, &[10, 0, 0, 1]).record(&b, CNAME, 40, &c).record(
        &wire("api.example.com"),
        CNAME,
        300,
        &b,
    );
    assert_eq!(outcome(&backwards.bytes()), found(&[[10, 0, 0, 1]], 40));
    let upper = told().record(b"\x03API\x07exaMPLE\xc0\x18", A, 60, &[10, 0, 0, 1]);
    assert_eq!(outcome(&upper.bytes()), found(&[[10, 0, 0, 1]], 60), "case doesn't matter");
}

#[test]
fn answer_with_a_circle_of_aliases_ends() {
    let (a, b) = (wire("api.example.com"), wire("b.example"));
    let circle = told().record(&a, CNAME, 300, &b).record(&b, CNAME, 300, &a);
    assert_eq!(outcome(&circle.bytes()), found(&[], 300));
    assert_eq!(outcome(&told().record(&a, CNAME, 300, &a).bytes()), found(&[], 300));
    let chain = |length: usize| {
        let names: Vec<_> = (0..=length).map(|n| wire(&format!("n{n}.example"))).collect();
        let first = told().record(&a, CNAME, 300, &names[0]);
        let linked = (0..length).fold(first, |told, n| told.record(&names[n], CNAME, 300, &names[n + 1]));
        linked.record(&names[length], A, 300, &[10, 0, 0, 1]).bytes()
    };
    assert_eq!(outcome(&chain(MAX_CHAIN - 1)), found(&[[10, 0, 0, 1]], 300));
    assert_eq!(outcome(&chain(MAX_CHAIN)), found(&[], 300));
}

#[test]
fn answer_with_records_of_other_names_is_not_poisoned() {
    let other = wire("bank.example");
    let mut poisoned = told()
        .address(60, [10, 0, 0, 1])
        .record(&other, A, 60, &[10, 6, 6, 6])
        .record(&wire("example.com"), A, 60, &[10, 6, 6, 6])
        .record(&wire("x.api.example.com"), A, 1, &[10, 6, 6, 6])
        .record(&other, CNAME, 1, &wire("api.example.com"))
        // An alias beside addresses is not followed.
        .record(&[0xc0, 12], CNAME, 1, &other)
        .bytes();
    assert_eq!(outcome(&poisoned), found(&[[10, 0, 0, 1]], 60));
    // The same in the sections for servers and for additions, which are not even read.
    let answers = Told::to(&query::build(ID, &name())).address(60, [10, 0, 0, 1]).bytes();
    let record = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 6, 6, 6][..], &[0xff; 40]].concat();
    poisoned = [answers, record].concat();
    poisoned[9] = 1;
    poisoned[11] = 1;
    assert_eq!(outcome(&poisoned), found(&[[10, 0, 0, 1]], 60));
}

#[test]
fn answer_with_addresses_that_no_machine_has_leaves_them_out() {
    let bytes = told().address(60, [127, 0, 0, 1]).address(60, [10, 0, 0, 1]).address(60, [0; 4]).bytes();
    assert_eq!(
        outcome(&bytes),
        Some(Outcome::Found {
            addresses: vec![Ipv4Addr::new(10, 0, 0, 1)],
            ttl_s: 60,
            bogus: Some(Ipv4Addr::UNSPECIFIED)
        })
    );
}

#[test]
fn answer_to_something_else_is_wrong() {
    let good = told().address(60, [10, 0, 0, 1]).bytes();
    let behind = 12 + name().wire().len();
    for (at, value, what) in [
        (0, 0xff, "another number"),
        (2, 0x01, "a question"),
        (2, 0xa9, "another kind of question"),
        (5, 0, "no question"),
        (5, 2, "two questions"),
        (13, b'b', "another name"),
        (behind + 1, 28, "another type"),
        (behind + 3, 3, "another class"),
    ] {
        let mut bytes = good.clone();
        bytes[at] = value;
        assert_eq!(outcome(&bytes), None, "{what}");
    }
}

#[test]
fn answer_that_is_malformed_is_wrong() {
    let good = told().address(60, [10, 0, 0, 1]).record(&[0xc0, 12], CNAME, 1, &wire("b.example")).bytes();
    for cut in 0..good.len() {
        assert_eq!(outcome(&good[..cut]), None, "cut at {cut}");
    }
    for (told, what) in [
        (told().record(&[0xc0, 12], A, 60, &[10, 0, 0]), "an address of three bytes"),
        (told().record(&[0xc0, 12], A, 60, &[10, 0, 0, 1, 0]), "of five"),
        (told().record(&[0xc0, 12], CNAME, 60, b"\x01a\x00\x00"), "an alias with something behind"),
        (told().record(&[0xc0, 12], CNAME, 60, b"\x05a"), "an alias that leaves its record"),
        (told().record(&[0xc0, 0xff], A, 60, &[10, 0, 0, 1]), "a name out of the message"),
    ] {
        assert_eq!(outcome(&told.bytes()), None, "{what}");
    }
}

#[test]
fn answer_of_each_outcome_is_told_apart() {
    for (rcode, expected) in [
        (3, Outcome::NoName),
        (1, Outcome::Failed),
        (2, Outcome::Failed),
        (5, Outcome::Failed),
        (15, Outcome::Failed),
    ] {
        let bytes = told().address(60, [10, 0, 0, 1]).rcode(rcode).bytes();
        assert_eq!(outcome(&bytes), Some(expected), "{rcode}");
    }
}

#[test]
fn answer_that_is_cut_has_what_is_there() {
    let bytes = told().address(60, [10, 0, 0, 1]).address(60, [10, 0, 0, 2]).cut().bytes();
    assert_eq!(outcome(&bytes[..bytes.len() - 3]), found(&[[10, 0, 0, 1]], 60));
    assert_eq!(outcome(&bytes[..bytes.len() - 30]), Some(Outcome::Failed));
}

/// Anything that is not quite an answer.
pub(in crate::dns) fn mutated(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let len = good.len();
    let changes = prop::collection::vec((0..len, any::<u8>()), 0..6);
    (changes, 0..=len, prop::bool::weighted(0.3)).prop_map(move |(changes, at, cut)| {
        let mut bytes = good.clone();
        for (at, value) in changes {
            bytes[at] = value;
        }
        if cut {
            bytes.truncate(at);
        }
        bytes
    })
}

fn rich() -> Vec<u8> {
    let b = wire("b.example");
    told()
        .record(&[0xc0, 12], CNAME, 300, &b)
        .record(&b, CNAME, 1, b"\x01c\xc0\x10")
        .record(b"\x01c\xc0\x10", A, 5, &[10, 0, 0, 1])
        .address(7, [10, 0, 0, 2])
        .record(&b, 46, 5, &[1, 2, 3])
        .bytes()
}

proptest! {
    #[test]
    fn answer_of_any_bytes_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        outcome(&bytes);
    }

    #[test]
    fn answer_with_any_records_has_only_usable_addresses(
        records in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xc0), Just(12), Just(0), Just(1)], 0..400),
        count in any::<u16>(),
    ) {
        let mut bytes = [told().bytes(), records].concat();
        bytes[6..8].copy_from_slice(&count.to_be_bytes());
        if let Some(Outcome::Found { addresses, ttl_s, .. }) = outcome(&bytes) {
            prop_assert!(addresses.len() <= MAX_ADDRESSES && (TTL_S.0..=TTL_S.1).contains(&ttl_s));
            prop_assert!(addresses.iter().all(|address| address.octets()[0] == 10));
        }
    }

    #[test]
    fn answer_with_some_bytes_changed_has_only_usable_addresses(bytes in mutated(rich())) {
        if let Some(Outcome::Found { addresses, ttl_s, .. }) = outcome(&bytes) {
            prop_assert!(addresses.len() <= MAX_ADDRESSES && (TTL_S.0..=TTL_S.1).contains(&ttl_s));
            prop_assert!(addresses.iter().all(|address| address.octets()[0] == 10));
        }
    }
}
