//! netd's start, confinement and end.

use std::time::Duration;

use nacre_wire::net::{Order, Report};
use nix::sys::wait::WaitStatus;

use crate::appmgr::network;
use crate::attempts::{accept, connect};
use crate::dhcp::{self, Grant, Manners};
use crate::lab::{Lab, PEER};

fn assert_failed(end: WaitStatus) {
    assert!(matches!(end, WaitStatus::Exited(_, 1)), "{end:?}");
}

#[test]
fn running_netd_has_only_what_it_needs() {
    let mut lab = Lab::new();
    let appmgr = lab.start();
    appmgr.begin();
    let app = lab.app();
    appmgr.join(0, &app, &network(&[], &[]));
    let status = lab.status();
    for line in [
        "Uid:\t100\t100\t100\t100",
        "Gid:\t100\t100\t100\t100",
        "Groups:\t ",
        "Threads:\t1",
        "CapPrm:\t0000000000001400",
        "CapEff:\t0000000000001400",
        "CapBnd:\t0000000000001400",
        "CapInh:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(status.lines().any(|found| found == line), "{line}\n{status}");
    }
}

#[test]
fn netd_without_a_filter_for_itself_does_not_start() {
    for filter in [None, Some(&[][..]), Some(&[6, 0, 0][..]), Some(&[0xff; 16][..])] {
        let mut lab = Lab::new();
        let _appmgr = lab.start_program(env!("CARGO_BIN_EXE_netd").as_ref(), filter);
        assert_failed(lab.wait_for_end());
    }
}

#[cfg(not(feature = "layer-switches"))]
#[test]
fn shipped_netd_does_not_switch_its_filter_off() {
    for layer in ["packet-filter", "all"] {
        let mut lab = Lab::new();
        let appmgr = lab.start();
        appmgr.send(&Order::Begin { time_servers: vec![], layers_off: vec![layer.into()] }, &[]);
        assert_failed(lab.wait_for_end());
    }
}

#[test]
fn layers_of_others_are_no_matter_of_netds() {
    let mut lab = Lab::new();
    let appmgr = lab.start();
    appmgr.send(&Order::Begin { time_servers: vec![], layers_off: vec!["seccomp".into()] }, &[]);
    appmgr.join(0, &lab.app(), &network(&[], &[]));
}

#[test]
fn netd_ends_with_appmgr_and_at_what_is_no_order() {
    let mut lab = Lab::new();
    let appmgr = lab.start();
    appmgr.begin();
    drop(appmgr);
    let end = lab.wait_for_end();
    assert!(matches!(end, WaitStatus::Exited(_, 0)), "{end:?}");
    for bytes in [&b"\xff\xff"[..], &[0; 17_000], &[0x82, 0x02, 0x81, 0x00]] {
        let mut lab = Lab::new();
        let appmgr = lab.start();
        appmgr.send_bytes(bytes, &[]);
        assert_failed(lab.wait_for_end());
    }
}

#[test]
fn network_that_no_app_may_have_is_refused_and_the_rest_goes_on() {
    let mut lab = Lab::new();
    let appmgr = lab.start();
    appmgr.begin();
    let app = lab.app();
    let good = nacre_manifest::device::encode(&network(&["tcp:10.0.2.2:9000"], &["tcp:8080"]));
    let loopback = nacre_manifest::device::encode(&network(&["tcp:127.0.0.1:80"], &[]));
    for (network, fds) in [(&b"\xff"[..], 2), (&loopback, 2), (&good, 1), (&good, 0)] {
        let order = Order::Join { app: 3, name: "x".into(), network: network.to_vec() };
        appmgr.send(&order, &app.descriptors()[..fds]);
        let refused = appmgr.wait_for(|report| matches!(report, Report::NotJoined { app: 3, .. }));
        println!("{refused:?}");
    }
    // A descriptor that is no namespace.
    let order = Order::Join { app: 3, name: "x".into(), network: good.clone() };
    appmgr.send(&order, &[0, app.descriptors()[1]]);
    appmgr.wait_for(|report| matches!(report, Report::NotJoined { app: 3, .. }));
    appmgr.join(3, &app, &network(&[], &["tcp:8080"]));
    // The port is taken; and not any more once its app has left.
    let other = lab.app();
    appmgr.send(&Order::Join { app: 4, name: "y".into(), network: good }, &other.descriptors());
    appmgr.wait_for(|report| matches!(report, Report::NotJoined { app: 4, .. }));
    appmgr.send(&Order::Leave { app: 3 }, &[]);
    appmgr.join(4, &other, &network(&[], &["tcp:8080"]));
}

#[test]
fn rules_outlive_netd_and_the_next_one_takes_over() {
    let mut lab = Lab::new();
    dhcp::serve(&lab.street, Manners::Honest, Grant::default());
    accept(&lab.street, 9_000);
    accept(&lab.street, 9_001);
    let appmgr = lab.start();
    appmgr.begin();
    appmgr.wait_until_online();
    let (app, gone) = (lab.app(), lab.app());
    appmgr.join(0, &app, &network(&["tcp:10.0.2.2:9000"], &[]));
    appmgr.join(7, &gone, &network(&["tcp:10.0.2.2:9000"], &[]));
    lab.kill_netd();
    assert!(app.inside(|| connect(PEER, 9_000)).is_ok());
    assert!(app.inside(|| connect(PEER, 9_001)).is_err());
    let appmgr = lab.start();
    appmgr.begin();
    appmgr.wait_until_online();
    assert!(gone.inside(|| connect(PEER, 9_000)).is_err(), "it has not joined this one");
    appmgr.join(0, &app, &network(&["tcp:10.0.2.2:9000"], &[]));
    assert!(app.inside(|| connect(PEER, 9_000)).is_ok());
    assert!(app.inside(|| connect(PEER, 9_001)).is_err());
    let said = appmgr.listen(Duration::from_millis(300));
    assert!(matches!(said[..], [Report::Dropped { app: 0, .. }]), "the one that is not listed: {said:?}");
}
