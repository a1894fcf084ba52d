//! The device's address and its time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use nacre_wire::net::Report;

use crate::appmgr::network;
use crate::attempts::{accept, connect};
use crate::dhcp::{self, Grant, Manners};
use crate::lab::{DEVICE, Lab, PEER};
use crate::ntp;

#[test]
fn device_gets_an_address_and_an_app_reaches_what_it_lists() {
    let mut lab = Lab::new();
    dhcp::serve(&lab.street, Manners::Honest, Grant::default());
    let appmgr = lab.start();
    appmgr.begin();
    assert_eq!(appmgr.wait_until_online(), Report::Online { address: DEVICE.octets(), prefix: 24 });
    let app = lab.app();
    appmgr.join(0, &app, &network(&["tcp:10.0.2.2:9000"], &[]));
    accept(&lab.street, 9_000);
    app.inside(|| connect(PEER, 9_000)).unwrap();
}

/// All that the device's kernel has in its routes, its own addresses among it.
fn own_addresses(lab: &Lab) -> String {
    lab.device.inside(|| std::fs::read_to_string("/proc/thread-self/net/fib_trie").unwrap())
}

#[test]
fn server_that_sends_garbage_and_lies_first_does_no_harm() {
    let mut lab = Lab::new();
    dhcp::serve(&lab.street, Manners::Hostile, Grant::default());
    let appmgr = lab.start();
    appmgr.begin();
    assert_eq!(appmgr.wait_until_online(), Report::Online { address: DEVICE.octets(), prefix: 24 });
    let addresses = own_addresses(&lab);
    assert!(addresses.contains(&DEVICE.to_string()) && !addresses.contains("169.254"), "{addresses}");
}

#[test]
fn cable_that_is_pulled_takes_the_address_and_brings_it_back() {
    let mut lab = Lab::new();
    dhcp::serve(&lab.street, Manners::Honest, Grant::default());
    let appmgr = lab.start();
    appmgr.begin();
    appmgr.wait_until_online();
    lab.street.ip("link set wan down");
    appmgr.wait_for(|report| matches!(report, Report::Offline { .. }));
    assert!(!own_addresses(&lab).contains(&DEVICE.to_string()));
    lab.street.ip("link set wan up");
    appmgr.wait_until_online();
}

#[test]
fn device_whose_interface_comes_late_gets_its_address_then() {
    let mut lab = Lab::new();
    lab.device.ip("link set eth0 name later");
    dhcp::serve(&lab.street, Manners::Honest, Grant::default());
    let appmgr = lab.start();
    appmgr.begin();
    let app = lab.app();
    appmgr.join(0, &app, &network(&["tcp:10.0.2.2:9000"], &[]));
    lab.device.ip("link set later name eth0");
    appmgr.wait_until_online();
}

#[test]
fn time_is_reported_once_the_server_says_it_and_lies_are_not() {
    let mut lab = Lab::new();
    dhcp::serve(&lab.street, Manners::Honest, Grant::default());
    let honest = ntp::serve(&lab.street);
    let appmgr = lab.start();
    appmgr.begin();
    appmgr.wait_until_online();
    let lies = appmgr.listen(Duration::from_secs(3));
    assert!(!lies.iter().any(|report| matches!(report, Report::Time { .. })), "{lies:?}");
    honest.store(true, Ordering::Relaxed);
    let report = appmgr.wait_for(|report| matches!(report, Report::Time { .. }));
    let Report::Time { unix_ms, server } = report else { panic!("{report:?}") };
    assert!((ntp::UNIX_S * 1_000..ntp::UNIX_S * 1_000 + 20_000).contains(&unix_ms), "{unix_ms}");
    assert!(server.contains("10.0.2.1"), "{server}");
}
