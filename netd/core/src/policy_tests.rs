use nacre_manifest::device::{Protocol, Remote};
use proptest::prelude::*;

use super::*;

fn tcp(number: u16) -> Port {
    Port { protocol: Protocol::Tcp, number }
}

fn udp(number: u16) -> Port {
    Port { protocol: Protocol::Udp, number }
}

fn by_name(name: &str, port: Port) -> Remote {
    Remote { host: Host::Name(name.into()), port }
}

fn by_address(address: [u8; 4], port: Port) -> Remote {
    Remote { host: Host::Address(address), port }
}

#[test]
fn policy_of_a_network_has_its_names_addresses_and_ports() {
    let mut connect = vec![
        by_name("api.example.com", tcp(443)),
        by_name("api.example.com", udp(5683)),
        by_name("b.example", tcp(80)),
        by_address([10, 0, 2, 2], udp(9000)),
        by_address([10, 0, 2, 3], udp(53)),
    ];
    connect.sort();
    let network = Network { connect, listen: vec![tcp(8080)] };
    let policy = Policy::decode(&device::encode(&network)).expect("a policy");
    assert_eq!(policy.ports_of("api.example.com"), Some(&[tcp(443), udp(5683)][..]));
    assert_eq!(policy.ports_of("b.example"), Some(&[tcp(80)][..]));
    for name in ["example.com", "x.b.example", "b.example.", "B.example", ""] {
        assert_eq!(policy.ports_of(name), None, "{name}");
    }
    assert_eq!(
        policy.addresses(),
        [(Ipv4Addr::new(10, 0, 2, 2), udp(9000)), (Ipv4Addr::new(10, 0, 2, 3), udp(53))]
    );
    assert_eq!((policy.listen(), policy.has_names(), policy.names().len()), (&[tcp(8080)][..], true, 2));
}

#[test]
fn policy_of_a_network_that_no_manifest_has_is_refused() {
    let connect = |connect: Vec<Remote>| Network { connect, listen: vec![] };
    let listen = |listen: Vec<Port>| Network { connect: vec![], listen };
    let entry = |host: &str| format!("the app's network has {host}");
    for (network, words) in [
        (
            connect((1..=33).map(|n| by_name("a.b", tcp(n + 1000))).collect()),
            "33 entries under connect".into(),
        ),
        (listen((1..=9).map(tcp).collect()), "9 entries under listen".to_owned()),
        (connect(vec![by_name("b.a", tcp(1)), by_name("a.a", tcp(1))]), "not in order under connect".into()),
        (listen(vec![tcp(2), tcp(2)]), "not in order under listen".into()),
        (listen(vec![tcp(0)]), "no port 0".into()),
        (listen(vec![tcp(68), udp(68)]), entry("listen:udp:68: it is the OS's own")),
        (connect(vec![by_name("a.b", tcp(0))]), "no port 0".into()),
        (connect(vec![by_address([10, 0, 0, 1], tcp(0))]), "no port 0".into()),
        (connect(vec![by_name("a.b", udp(53))]), "must be listed by its address".into()),
        (connect(vec![by_name("a.b", tcp(53))]), "must be listed by its address".into()),
        (connect(vec![by_name("A.b", tcp(1))]), entry("A.b:1: not the name of a host")),
        (connect(vec![by_name("a\n", tcp(1))]), entry("a\\n:1: not the name of a host")),
        (connect(vec![by_name("*.b", tcp(1))]), entry("*.b:1")),
        (connect(vec![by_address([127, 0, 0, 1], tcp(1))]), entry("127.0.0.1:1")),
        (connect(vec![by_address([0, 0, 0, 0], tcp(1))]), entry("0.0.0.0:1")),
        (connect(vec![by_address([224, 0, 0, 1], tcp(1))]), entry("224.0.0.1:1")),
        (connect(vec![by_address([255; 4], tcp(1))]), entry("255.255.255.255:1")),
        (connect(vec![by_address([100, 115, 92, 3], tcp(1))]), entry("100.115.92.3:1")),
    ] {
        let error = Policy::decode(&device::encode(&network)).expect_err("refused").to_string();
        assert!(error.contains(&words), "{error} / {words}");
    }
    assert!(matches!(Policy::decode(&[0xff]), Err(DecodePolicyError::Cbor(_))));
}

#[test]
fn text_that_is_a_host_name_is_told_from_others() {
    let long = format!("{}.a", "a".repeat(63));
    let longer = format!("{}.a", "a".repeat(64));
    for (text, is) in [
        ("localhost", true),
        ("a.b", true),
        ("3com.example", true),
        ("xn--bcher-kva.example", true),
        ("1.2.3.4a", true),
        (&long, true),
        (&longer, false),
        ("1.2.3.4", false),
        ("example.1", false),
        ("a.", false),
        (".a", false),
        ("a..b", false),
        ("-a.b", false),
        ("a-.b", false),
        ("a_b", false),
        ("bücher.example", false),
        (&"a.".repeat(127), false),
        (&format!("{}a", "a.".repeat(126)), true),
        (&format!("{}aa", "a.".repeat(126)), false),
    ] {
        assert_eq!(is_host_name(text), is, "{text}");
    }
}

proptest! {
    #[test]
    fn policy_of_any_bytes_is_decoded_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Policy::decode(&bytes);
    }
}
