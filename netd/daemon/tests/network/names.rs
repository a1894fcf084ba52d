//! The resolver: what names open, and what servers can't.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use nacre_wire::denial::Remedy;
use nacre_wire::net::Report;

use crate::appmgr::{Appmgr, network};
use crate::attempts::{accept, connect};
use crate::dhcp::{self, Grant, Manners};
use crate::dns::{self, ask};
use crate::lab::{FAR, Lab, PEER, Place};

/// An app that lists these names with port 9000, and servers.
fn app_with(lab: &Lab, appmgr: &Appmgr, names: &[&str]) -> Place {
    dhcp::serve(&lab.street, Manners::Honest, Grant::default());
    dns::serve(&lab.street);
    accept(&lab.street, 9_000);
    appmgr.begin();
    appmgr.wait_until_online();
    let connect: Vec<String> = names.iter().map(|name| format!("tcp:{name}:9000")).collect();
    let connect: Vec<&str> = connect.iter().map(String::as_str).collect();
    let app = lab.app();
    appmgr.join(4, &app, &network(&connect, &[]));
    app
}

fn reaches(app: &Place, address: Ipv4Addr) -> bool {
    app.inside(|| connect(address, 9_000).is_ok())
}

#[test]
fn listed_name_opens_what_it_resolves_to_for_its_time_only() {
    let mut lab = Lab::new();
    let appmgr = lab.start();
    let app = app_with(&lab, &appmgr, &["good.example"]);
    assert!(!reaches(&app, FAR), "nobody has asked yet");
    let asked = Instant::now();
    assert_eq!(ask(&app, "good.example"), Some((0, vec![FAR])));
    assert!(reaches(&app, FAR));
    assert!(!reaches(&app, PEER));
    let open = app.inside(|| connect(FAR, 9_000)).unwrap();
    // The server's second is lengthened to ten, and asking again before the end gives new time. What a slow machine
    // tried later than that says nothing.
    let mut answered = asked;
    for _ in 0..3 {
        std::thread::sleep(Duration::from_secs(6).saturating_sub(answered.elapsed()));
        let reached = reaches(&app, FAR);
        let after = answered.elapsed();
        assert!(reached || after > Duration::from_secs(9), "after {after:?}");
        answered = Instant::now();
        assert_eq!(ask(&app, "good.example"), Some((0, vec![FAR])));
    }
    std::thread::sleep(Duration::from_secs(13));
    assert!(!reaches(&app, FAR));
    // A connection that was made in time goes on.
    use std::io::{Read, Write};
    let mut open = open;
    open.write_all(b"z").unwrap();
    open.read_exact(&mut [0]).unwrap();
}

#[test]
fn name_that_is_not_listed_is_refused_and_reported() {
    let mut lab = Lab::new();
    let appmgr = lab.start();
    let app = app_with(&lab, &appmgr, &["good.example"]);
    let (code, addresses) = ask(&app, "peer.example").unwrap();
    assert_ne!(code, 0);
    assert_eq!(addresses, Vec::<Ipv4Addr>::new());
    assert!(!reaches(&app, PEER));
    let denied = appmgr.wait_for(|report| matches!(report, Report::Denied { .. }));
    let Report::Denied { app: 4, tried, remedy } = denied else { panic!("{denied:?}") };
    assert_eq!(tried, "resolve peer.example");
    assert_eq!(remedy, Remedy::manifest("", "network.connect", "tcp:peer.example:443"));
    // Other types of a listed name are empty.
    let answer = dns::ask_bytes(&app, &dns::question("good.example", 28)).unwrap();
    assert_eq!((answer[3] & 15, &answer[6..8]), (0, &[0, 0][..]));
}

#[test]
fn server_that_lies_opens_nothing() {
    let mut lab = Lab::new();
    let appmgr = lab.start();
    let names = ["foreign.example", "garbage.example", "good.example", "liar.example"];
    let app = app_with(&lab, &appmgr, &names);
    let other = lab.app();
    appmgr.join(1, &other, &network(&[], &[]));
    accept(&other, 9_000);
    accept(&lab.device, 9_000);
    for name in &names[..2] {
        let addresses = ask(&app, name).map(|(_, addresses)| addresses).unwrap_or_default();
        assert_eq!(addresses, Vec::<Ipv4Addr>::new(), "{name}");
    }
    let addresses = ask(&app, "liar.example").map(|(_, addresses)| addresses).unwrap_or_default();
    assert_eq!(addresses, Vec::<Ipv4Addr>::new());
    for address in [FAR, crate::lab::DEVICE, crate::attempts::address_of(1)] {
        assert!(!reaches(&app, address), "{address}");
    }
    assert_eq!(ask(&app, "good.example"), Some((0, vec![FAR])), "netd is there and has understood the rest");
}

#[test]
fn flood_of_wrong_answers_wins_nothing_and_others_are_served() {
    let mut lab = Lab::new();
    let appmgr = lab.start();
    let app = app_with(&lab, &appmgr, &["flooded.example", "good.example", "hurried.example"]);
    assert_eq!(ask(&app, "hurried.example"), Some((0, vec![FAR])), "the right one is found among wrong ones");
    let flooded = ask(&app, "flooded.example").unwrap();
    assert_eq!(flooded.1, Vec::<Ipv4Addr>::new());
    assert_ne!(flooded.0, 0);
    assert_eq!(ask(&app, "good.example"), Some((0, vec![FAR])));
    assert!(!reaches(&app, PEER));
}

#[test]
fn app_that_floods_the_resolver_with_garbage_stops_nobody() {
    let mut lab = Lab::new();
    let appmgr = lab.start();
    let app = app_with(&lab, &appmgr, &["good.example"]);
    let noisy = lab.app();
    appmgr.join(5, &noisy, &network(&["tcp:good.example:9000"], &[]));
    noisy.inside(|| {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        for number in 0..20_000_u32 {
            let mut bytes = dns::question("good.example", 1);
            bytes.truncate(usize::try_from(number).unwrap() % 64);
            let _ = socket.send_to(&bytes, "100.115.92.1:53");
        }
    });
    assert_eq!(ask(&app, "good.example"), Some((0, vec![FAR])));
    assert!(reaches(&app, FAR));
}
