//! The kernel's table of connections: how much of it an app can take, and what belongs to none of them.

use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::libc::IPPROTO_TCP;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto, socket,
};

use crate::appmgr::network;
use crate::attempts::address_of;
use crate::dhcp::{self, Grant, Manners};
use crate::dns;
use crate::lab::{FAR, Lab, PEER};

/// Connections that the device's kernel knows.
fn known(lab: &Lab) -> u32 {
    let count =
        || std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count").expect("their count");
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

/// The kernel gives no other address to what belongs to no connection.
#[test]
fn packet_of_no_connection_does_not_leave_with_the_address_of_an_app() {
    let mut lab = Lab::new();
    let appmgr = lab.start();
    dhcp::serve(&lab.street, Manners::Honest, Grant::default());
    appmgr.begin();
    appmgr.wait_until_online();
    let app = lab.app();
    appmgr.join(4, &app, &network(&["tcp:10.0.2.2:9000"], &[]));
    let raw = || {
        socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_NONBLOCK, SockProtocol::Tcp).expect("raw")
    };
    let outside = lab.street.inside(raw);
    // Only the flag RST is set, for a connection that never was.
    let mut reset = [0; 20];
    (reset[1], reset[12], reset[13]) = (77, 0x50, 4);
    reset[2..4].copy_from_slice(&9_000_u16.to_be_bytes());
    app.inside(|| {
        let to = SockaddrIn::from(SocketAddrV4::new(PEER, 9_000));
        sendto(raw().as_raw_fd(), &reset, &to, MsgFlags::empty()).expect("it is sent");
    });
    std::thread::sleep(Duration::from_millis(300));
    let mut packet = [0; 256];
    let mut sources = Vec::new();
    while let Ok(20..) = recv(outside.as_raw_fd(), &mut packet, MsgFlags::empty()) {
        assert_eq!(i32::from(packet[9]), IPPROTO_TCP);
        sources.push([packet[12], packet[13], packet[14], packet[15]].into());
    }
    assert!(!sources.contains(&address_of(4)), "{sources:?}");
}
