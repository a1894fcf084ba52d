//! What the packet filter lets through.

use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nacre_wire::net::Order;

use crate::appmgr::{Appmgr, network};
use crate::attempts::{Servers, accept, address_of, connect, connect_patiently};
use crate::dhcp::{self, Grant, Manners};
use crate::lab::{DEVICE, FAR, Lab, PEER, Place, filter};

/// A device online with two apps: 0 with a manifest of two addresses, 1 that listens within its namespace only.
fn two_apps(lab: &Lab, appmgr: &Appmgr) -> (Place, Place) {
    dhcp::serve(&lab.street, Manners::Honest, Grant::default());
    appmgr.wait_until_online();
    let (app, other) = (lab.app(), lab.app());
    appmgr.join(0, &app, &network(&["tcp:10.0.2.2:9000", "udp:10.0.2.2:9002"], &[]));
    appmgr.join(1, &other, &network(&[], &["tcp:8080"]));
    (app, other)
}

#[test]
fn app_reaches_what_its_manifest_lists_and_nothing_else() {
    let mut lab = Lab::new();
    let appmgr = lab.start();
    appmgr.begin();
    let (app, other) = two_apps(&lab, &appmgr);
    let servers = Servers::start(&lab.street, &lab.device, &other);
    let reached = servers.attempts(&app);
    for (attempt, reached) in &reached {
        assert_eq!(*reached, attempt.ends_with(" listed"), "{attempt}: {reached}");
    }
    assert_eq!(reached.len(), 13);
    // Refused, not lost: the app learns it at once.
    let refused = app.inside(|| connect(PEER, 9_001)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::HostUnreachable);
}

/// The control: the same attempts get through without the filter, so what stops them is the filter.
#[test]
fn app_reaches_everything_where_the_filter_is_off() {
    let mut lab = Lab::new();
    let appmgr = lab.start_program(&netd_with_switches(), Some(&filter()));
    appmgr.send(&Order::Begin { time_servers: vec![], layers_off: vec!["packet-filter".into()] }, &[]);
    let (app, other) = two_apps(&lab, &appmgr);
    let servers = Servers::start(&lab.street, &lab.device, &other);
    for (attempt, reached) in servers.attempts(&app) {
        assert!(reached, "{attempt}");
    }
}

/// Builds the netd that images for tests have.
fn netd_with_switches() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("layer-switches");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--quiet", "--package", "netd", "--features", "layer-switches"])
        // Faster to build, and no less a netd.
        .args(["--config", "profile.dev.package.\"*\".opt-level=0", "--target-dir"])
        .arg(&folder)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo");
    assert!(status.success(), "netd with layer-switches is built");
    folder.join("debug/netd")
}

#[test]
fn port_that_an_app_listens_on_is_reached_from_outside_and_no_other() {
    let mut lab = Lab::new();
    let appmgr = lab.start();
    appmgr.begin();
    let (_, app) = two_apps(&lab, &appmgr);
    for port in [8_080, 8_081] {
        accept(&app, port);
        accept(&lab.device, port + 1_000);
    }
    let mut stream = lab.street.inside(|| connect(DEVICE, 8_080)).unwrap();
    let mut echo = [0];
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"x");
    for port in [8_081, 9_080] {
        assert!(lab.street.inside(|| connect(DEVICE, port)).is_err(), "{port}");
    }
    // Also not for who knows the app's own address.
    lab.street.ip(&format!("route add 100.115.92.0/24 via {DEVICE}"));
    assert!(lab.street.inside(|| connect(address_of(1), 8_080)).is_err());
    // Nor with the address of an app, which comes from inside only.
    lab.street.ip("address add 100.115.92.9/32 dev lo");
    assert!(lab.street.inside(|| from(address_of(7), 8_080)).is_err());
    assert!(lab.street.inside(|| from(PEER, 8_080)).is_ok(), "the control: another address of the street");
}

/// Connects to the device from an address.
fn from(source: std::net::Ipv4Addr, port: u16) -> nix::Result<()> {
    use nix::sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
    };
    use nix::sys::time::TimeVal;
    use std::net::SocketAddrV4;
    use std::os::fd::AsRawFd;
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, sockopt::SendTimeout, &TimeVal::new(1, 0))?;
    bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(source, 0)))?;
    connect(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(DEVICE, port)))
}

#[test]
fn connections_from_outside_are_bounded_and_those_that_are_open_go_on() {
    let mut lab = Lab::new();
    let appmgr = lab.start();
    appmgr.begin();
    let (_, app) = two_apps(&lab, &appmgr);
    accept(&app, 8_080);
    let flood = || {
        std::thread::scope(|scope| {
            let attempts: Vec<_> = (0..90)
                .map(|_| scope.spawn(|| lab.street.inside(|| connect_patiently(DEVICE, 8_080).ok())))
                .collect();
            attempts.into_iter().filter_map(|attempt| attempt.join().unwrap()).collect::<Vec<_>>()
        })
    };
    let mut open = flood();
    assert_eq!(open.len(), 64);
    for stream in &mut open {
        stream.write_all(b"y").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
    // Places become free again.
    drop(open);
    let until = Instant::now() + Duration::from_secs(20);
    while lab.street.inside(|| connect(DEVICE, 8_080)).is_err() {
        assert!(Instant::now() < until, "no place has become free");
    }
}

#[test]
fn app_that_leaves_reaches_nothing_and_one_that_joins_again_gets_its_new_network() {
    let mut lab = Lab::new();
    let appmgr = lab.start();
    appmgr.begin();
    let (app, _) = two_apps(&lab, &appmgr);
    accept(&lab.street, 9_000);
    assert!(app.inside(|| connect(PEER, 9_000)).is_ok());
    appmgr.send(&Order::Leave { app: 0 }, &[]);
    appmgr.send(&Order::Leave { app: 0 }, &[]);
    appmgr.listen(Duration::from_millis(300));
    assert!(app.inside(|| connect(PEER, 9_000)).is_err());
    for _ in 0..3 {
        appmgr.join(0, &app, &network(&["tcp:198.51.100.7:9000"], &["tcp:8081"]));
        assert!(app.inside(|| connect(FAR, 9_000)).is_ok());
        assert!(app.inside(|| connect(PEER, 9_000)).is_err());
    }
}
