//! What the packet filter stops, as netd tells it.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nacre_wire::net::{Report, Target, Why};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
};

use crate::appmgr::{Appmgr, network};
use crate::attempts::{accept, address_of, connect};
use crate::dhcp::{self, Grant, Manners};
use crate::dns::{self, ask};
use crate::lab::{DEVICE, FAR, Lab, PEER, Place};

const TCP: u8 = 6;
const UDP: u8 = 17;
const ROUTER_OF_APPS: Ipv4Addr = Ipv4Addr::new(100, 115, 92, 1);

fn online(lab: &mut Lab) -> Appmgr {
    let appmgr = lab.start();
    dhcp::serve(&lab.street, Manners::Honest, Grant::default());
    appmgr.begin();
    appmgr.wait_until_online();
    appmgr
}

fn send(app: &Place, from: Ipv4Addr, to: Ipv4Addr, port: u16) {
    app.inside(|| {
        let socket = UdpSocket::bind((from, 0)).expect("a socket");
        socket.set_broadcast(true).expect("a setting");
        let _ = socket.send_to(b"x", (to, port));
    });
}

/// The report of what is just tried.
fn told(appmgr: &Appmgr, attempt: impl FnOnce()) -> Report {
    attempt();
    appmgr.wait_for(|report| matches!(report, Report::Dropped { .. } | Report::Knocked { .. }))
}

fn dropped(protocol: u8, address: Ipv4Addr, port: u16, why: Why) -> Report {
    let to = Target { protocol, address: address.octets(), port };
    Report::Dropped { app: 3, to, why }
}

#[test]
fn what_an_app_sends_and_may_not_is_told_with_where_it_was_to_go() {
    let mut lab = Lab::new();
    let appmgr = online(&mut lab);
    accept(&lab.street, 9_000);
    let (app, other) = (lab.app(), lab.app());
    appmgr.join(3, &app, &network(&["tcp:10.0.2.2:9000"], &[]));
    appmgr.join(1, &other, &network(&[], &[]));
    app.ip("address add 100.115.92.77/32 dev eth0");
    // What is allowed is nothing to tell.
    app.inside(|| connect(PEER, 9_000)).unwrap();
    assert_eq!(appmgr.listen(Duration::from_millis(200)), []);
    let own = address_of(3);
    for (address, port) in
        [(PEER, 9_001), (FAR, 9_000), (address_of(1), 7_000), (ROUTER_OF_APPS, 22), (DEVICE, 22)]
    {
        let report = told(&appmgr, || drop(app.inside(|| connect(address, port))));
        assert_eq!(report, dropped(TCP, address, port, Why::Unlisted));
    }
    for (address, port) in [
        (PEER, 9_000),
        (ROUTER_OF_APPS, 53),
        ([255; 4].into(), 5_353),
        ([10, 0, 2, 255].into(), 5_353),
        ([224, 0, 0, 1].into(), 5_353),
        ([239, 1, 2, 3].into(), 5_353),
    ] {
        let report = told(&appmgr, || send(&app, own, address, port));
        assert_eq!(report, dropped(UDP, address, port, Why::Unlisted), "{address}");
    }
    let foreign = Ipv4Addr::new(100, 115, 92, 77);
    let report = told(&appmgr, || send(&app, foreign, PEER, 9_000));
    assert_eq!(report, dropped(UDP, PEER, 9_000, Why::ForeignSource(foreign.octets())));
    for (protocol, body) in [(1, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0][..]), (47, &[0; 8])] {
        let report = told(&appmgr, || raw(&app, protocol, body));
        assert_eq!(report, dropped(protocol, PEER, 0, Why::Unlisted));
    }
}

/// Sends a packet of a protocol to the peer.
fn raw(app: &Place, protocol: u8, body: &[u8]) {
    app.inside(|| {
        let icmp = SockProtocol::Icmp;
        let socket = match protocol {
            1 => socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), icmp).expect("a raw socket"),
            _ => socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), SockProtocol::Raw)
                .expect("a raw socket"),
        };
        let mut packet = Vec::new();
        if protocol != 1 {
            packet.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, protocol, 0, 0]);
            packet.extend(address_of(3).octets());
            packet.extend(PEER.octets());
        }
        packet.extend(body);
        let to = SockaddrIn::from(std::net::SocketAddrV4::new(PEER, 0));
        sendto(socket.as_raw_fd(), &packet, &to, MsgFlags::empty()).expect("it is sent");
    });
}

#[test]
fn address_of_a_listed_name_is_told_with_the_name() {
    let mut lab = Lab::new();
    let appmgr = online(&mut lab);
    dns::serve(&lab.street);
    let app = lab.app();
    appmgr.join(3, &app, &network(&["tcp:good.example:9000"], &[]));
    let try_port = |port| told(&appmgr, || drop(app.inside(|| connect(FAR, port))));
    assert_eq!(try_port(9_000), dropped(TCP, FAR, 9_000, Why::Unlisted), "nobody has asked yet");
    assert_eq!(ask(&app, "good.example"), Some((0, vec![FAR])));
    assert_eq!(try_port(80), dropped(TCP, FAR, 80, Why::OtherPort("good.example".into())));
    // The server's second is lengthened to ten.
    std::thread::sleep(Duration::from_millis(11_500));
    assert_eq!(try_port(9_000), dropped(TCP, FAR, 9_000, Why::Expired("good.example".into())));
}

#[test]
fn connections_above_the_bound_are_told_as_such() {
    let mut lab = Lab::new();
    let appmgr = online(&mut lab);
    accept(&lab.street, 9_000);
    let app = lab.app();
    appmgr.join(3, &app, &network(&["tcp:10.0.2.2:9000"], &[]));
    let report = told(&appmgr, || {
        app.inside(|| (0..80).filter_map(|_| connect(PEER, 9_000).ok()).count());
    });
    assert_eq!(report, dropped(TCP, PEER, 9_000, Why::TooMany));
}

#[test]
fn knock_at_a_port_that_no_app_lists_is_told_and_at_one_that_an_app_lists_is_not() {
    let mut lab = Lab::new();
    let appmgr = online(&mut lab);
    let app = lab.app();
    appmgr.join(3, &app, &network(&[], &["tcp:8080"]));
    let _listener = app.inside(|| TcpListener::bind("0.0.0.0:8080").expect("the port"));
    lab.street.inside(|| connect(DEVICE, 8_080)).unwrap();
    send(&lab.street, PEER, [255; 4].into(), 5_353);
    send(&lab.street, PEER, [10, 0, 2, 255].into(), 5_353);
    assert_eq!(appmgr.listen(Duration::from_millis(300)), [], "nor what is for everybody");
    let report = told(&appmgr, || send(&lab.street, PEER, DEVICE, 5_000));
    assert_eq!(report, Report::Knocked { protocol: UDP, port: 5_000 });
    let report = told(&appmgr, || drop(lab.street.inside(|| connect(DEVICE, 8_081))));
    assert_eq!(report, Report::Knocked { protocol: TCP, port: 8_081 });
}

/// However much is stopped, netd is told little, tells less, and goes on.
#[test]
fn flood_of_stopped_packets_is_told_within_the_bounds() {
    let mut lab = Lab::new();
    let appmgr = online(&mut lab);
    accept(&lab.street, 9_000);
    let (app, quiet) = (lab.app(), lab.app());
    appmgr.join(3, &app, &network(&[], &[]));
    appmgr.join(4, &quiet, &network(&["tcp:10.0.2.2:9000"], &[]));
    let begun = std::time::Instant::now();
    app.inside(|| {
        let socket = UdpSocket::bind((address_of(3), 0)).expect("a socket");
        for number in 0..40_000_u32 {
            let port = u16::try_from(number % 30_000).expect("a port") + 1;
            let _ = socket.send_to(b"x", (PEER, port));
        }
    });
    let reports = appmgr.listen(Duration::from_millis(500));
    let all = reports.iter().filter(|report| matches!(report, Report::Dropped { app: 3, .. })).count();
    assert_eq!(all, reports.len(), "nothing else: {reports:?}");
    let seconds = usize::try_from(begun.elapsed().as_secs()).expect("short") + 1;
    assert!((5..=10 + 2 * seconds).contains(&all), "{all} in {seconds} s");
    // Another app has its own share.
    let report = told(&appmgr, || drop(quiet.inside(|| connect(PEER, 9_001))));
    assert!(matches!(report, Report::Dropped { app: 4, .. }), "{report:?}");
    assert!(quiet.inside(|| connect(PEER, 9_000)).is_ok());
}

/// The next netd takes the log over: the kernel hands a group to one socket.
#[test]
fn log_goes_to_the_next_netd() {
    let mut lab = Lab::new();
    for _ in 0..2 {
        let appmgr = lab.start();
        appmgr.begin();
        let app = lab.app();
        appmgr.join(3, &app, &network(&[], &[]));
        let report = told(&appmgr, || drop(app.inside(|| connect(ROUTER_OF_APPS, 22))));
        assert_eq!(report, dropped(TCP, ROUTER_OF_APPS, 22, Why::Unlisted));
        lab.kill_netd();
    }
}
