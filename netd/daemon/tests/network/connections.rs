//! How much of the kernel's table of connections an app can take: what it takes the others can't have.

use std::net::UdpSocket;
use std::time::Duration;

use crate::appmgr::network;
use crate::dhcp::{self, Grant, Manners};
use crate::dns;
use crate::lab::{FAR, Lab};

/// Connections that the device's kernel knows.
fn known(lab: &Lab) -> u32 {
    let count = || std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count").expect("their count");
    lab.device.inside(count).trim().parse().expect("a number")
}

#[test]
fn questions_from_ever_new_ports_take_no_place_among_the_connections() {
    let mut lab = Lab::new();
    let appmgr = lab.start();
    dhcp::serve(&lab.street, Manners::Honest, Grant::default());
    dns::serve(&lab.street);
    appmgr.begin();
    appmgr.wait_until_online();
    let app = lab.app();
    appmgr.join(4, &app, &network(&["tcp:good.example:9000"], &[]));
    assert_eq!(dns::ask(&app, "good.example"), Some((0, vec![FAR])));
    let before = known(&lab);
    let answered = app.inside(|| {
        let sockets = (0..60).map(|_| {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
            socket.set_nonblocking(true).expect("its mode");
            socket.send_to(&dns::question("other.example", 1), "100.115.92.1:53").expect("it is sent");
            std::thread::sleep(Duration::from_millis(60));
            socket
        });
        let sockets: Vec<_> = sockets.collect();
        sockets.iter().filter(|socket| socket.recv_from(&mut [0; 512]).is_ok()).count()
    });
    let after = known(&lab);
    assert!(answered > 50, "they came to netd and back: {answered}");
    assert!(after <= before + 4, "{before} before, {after} after");
}
