//! The kernel's table of connections: how much of it an app can take, and what belongs to none of them.

use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nacre_wire::net::Order;
use nix::libc::IPPROTO_TCP;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto, socket,
};

use crate::appmgr::network;
use crate::attempts::{accept, address_of, connect};
use crate::dhcp::{self, Grant, Manners};
use crate::dns;
use crate::lab::{FAR, Lab, PEER, Place};

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

/// Sends bytes over a connection and has them back, often enough that its packets go past most rules where the
/// kernel has a table of flows.
fn talk(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(Duration::from_secs(8))).expect("a time");
    for _ in 0..20 {
        let mut back = [0];
        stream.write_all(b"x").expect("it is sent");
        stream.read_exact(&mut back).expect("it comes back");
    }
}

/// A TCP segment of a connection, with these as its source and destination and one byte.
fn segment(from: SocketAddrV4, to: SocketAddrV4) -> [u8; 41] {
    let mut packet = [0; 41];
    // Version and length, lifetime, protocol; the kernel adds identification and checksum (raw(7)).
    (packet[0], packet[3], packet[8], packet[9]) = (0x45, 41, 64, 6);
    packet[12..16].copy_from_slice(&from.ip().octets());
    packet[16..20].copy_from_slice(&to.ip().octets());
    packet[20..22].copy_from_slice(&from.port().to_be_bytes());
    packet[22..24].copy_from_slice(&to.port().to_be_bytes());
    // Length of its header, ACK and PSH, and a byte that nobody else sends.
    (packet[32], packet[33], packet[40]) = (0x50, 0x18, FORGED);
    packet
}

const FORGED: u8 = 0xf0;

/// Whether a forged segment arrives on the street if it is sent from this app's namespace.
fn arrives(lab: &Lab, app: &Place, from: SocketAddrV4, to: SocketAddrV4) -> bool {
    let raw = |protocol| {
        move || socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_NONBLOCK, protocol).expect("raw")
    };
    let outside = lab.street.inside(raw(SockProtocol::Tcp));
    let inside = app.inside(raw(SockProtocol::Raw));
    sendto(inside.as_raw_fd(), &segment(from, to), &SockaddrIn::from(to), MsgFlags::empty())
        .expect("it is sent");
    std::thread::sleep(Duration::from_millis(300));
    let mut packet = [0; 256];
    std::iter::from_fn(|| {
        recv(outside.as_raw_fd(), &mut packet, MsgFlags::empty()).ok().map(|n| packet[n - 1])
    })
    .any(|last| last == FORGED)
}

/// The same with a table of flows in the kernel and without.
#[test]
fn established_connection_is_nobody_elses_and_its_place_is_free_when_it_ends() {
    let mut lab = Lab::new();
    let appmgr = lab.start();
    dhcp::serve(&lab.street, Manners::Honest, Grant::default());
    accept(&lab.street, 9_000);
    // A table of flows doesn't look at sequence numbers and checksums; where there is none, nobody else does.
    lab.device.inside(|| {
        for (setting, value) in [("nf_conntrack_tcp_be_liberal", "1"), ("nf_conntrack_checksum", "0")] {
            std::fs::write(format!("/proc/sys/net/netfilter/{setting}"), value).expect("a setting");
        }
    });
    appmgr.begin();
    appmgr.wait_until_online();
    let (app, other) = (lab.app(), lab.app());
    appmgr.join(4, &app, &network(&["tcp:10.0.2.2:9000"], &[]));
    appmgr.join(5, &other, &network(&["tcp:10.0.2.2:9000"], &[]));
    let to = SocketAddrV4::new(PEER, 9_000);
    let mut stream = app.inside(|| connect(PEER, 9_000)).expect("it is listed");
    let Ok(SocketAddr::V4(own)) = stream.local_addr() else { panic!("{stream:?}") };
    talk(&mut stream);
    assert!(arrives(&lab, &app, own, to), "its own, or the others prove nothing");
    assert!(!arrives(&lab, &other, own, to), "from another link");
    let foreign = SocketAddrV4::new(address_of(5), own.port());
    assert!(!arrives(&lab, &app, foreign, to), "with another address");
    talk(&mut stream);
    drop(stream);
    // More than an app has open at a time, one after the other: each FIN was seen.
    for _ in 0..80 {
        let mut stream = app.inside(|| connect(PEER, 9_000)).expect("the last one has ended");
        talk(&mut stream);
        drop(stream);
        std::thread::sleep(Duration::from_millis(60));
    }
    // What is still open ends with the app's network.
    let mut stream = app.inside(|| connect(PEER, 9_000)).expect("it is listed");
    talk(&mut stream);
    appmgr.send(&Order::Leave { app: 4 }, &[]);
    std::thread::sleep(Duration::from_millis(300));
    stream.set_read_timeout(Some(Duration::from_millis(700))).expect("a time");
    let answered = stream.write_all(b"x").and_then(|()| stream.read_exact(&mut [0]));
    assert!(answered.is_err(), "its link is gone");
}
