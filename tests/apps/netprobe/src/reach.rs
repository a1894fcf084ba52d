//! Addresses and ports, with TCP and UDP.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::socket::sockopt::{Broadcast, IpTransparent, ReceiveTimeout};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, bind, recv, sendto, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::{Attempt, Failure, Outcome, Targets};

/// How long an answer may take, on a slow machine that is busy.
const PATIENCE: Duration = Duration::from_secs(6);

/// UDP says it again as often.
const AGAIN: Duration = Duration::from_secs(1);

/// The machine that QEMU runs on, as the guest sees it, and who else is in that network.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
const DEVICE: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const NETWORK: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 255);
/// The device, as apps see it.
const ROUTER: Ipv4Addr = Ipv4Addr::new(100, 115, 92, 1);
/// An address that an app could have, and none has.
const NOBODY: Ipv4Addr = Ipv4Addr::new(100, 115, 92, 200);
/// Of documentation: nobody's (RFC 5737).
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// All on this link; a group of somebody's own.
const EVERYBODY: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

/// MSG_FASTOPEN of linux/socket.h: connects and sends in one call, past what looks at connect(2).
const FAST_OPEN: i32 = 0x2000_0000;

pub(crate) fn attempts(targets: Targets) -> Vec<(&'static str, Attempt)> {
    let Targets { open, other, app, beyond } = targets;
    let mut attempts = vec![
        ("tcp-open", connect(HOST, open)),
        ("tcp-other-port", connect(HOST, other)),
        ("tcp-fast-open", fast_open(HOST, open)),
        ("tcp-fast-open-other-port", fast_open(HOST, other)),
        ("tcp-other-host", connect(NAME_SERVER, open)),
        ("tcp-device", connect(DEVICE, open)),
        ("tcp-router", connect(ROUTER, open)),
        ("tcp-other-app", connect(app, open)),
        ("tcp-bind", listen(other)),
        ("udp-open", send(HOST, open)),
        ("udp-other-port", send(HOST, other)),
        ("udp-device", send(DEVICE, open)),
        ("udp-router", send(ROUTER, open)),
        ("udp-other-app", send(app, open)),
        ("udp-broadcast", shout(Ipv4Addr::BROADCAST, open)),
        ("udp-network-broadcast", send(NETWORK, open)),
        ("udp-multicast", send(EVERYBODY, open)),
        ("udp-multicast-group", send(GROUP, open)),
        ("udp-foreign-source", from_foreign(HOST, open)),
        ("udp-forced-foreign-source", from_forced_foreign(HOST, open)),
    ];
    if beyond {
        attempts.extend([
            ("tcp-outside", connect(OUTSIDE, open)),
            ("udp-outside", send(OUTSIDE, open)),
            ("udp-name-server", send(NAME_SERVER, 53)),
            ("tcp-name-server", connect(NAME_SERVER, 53)),
        ]);
    }
    attempts
}

fn connect(to: Ipv4Addr, port: u16) -> Attempt {
    Box::new(move |name| {
        let mut stream = TcpStream::connect_timeout(&SocketAddrV4::new(to, port).into(), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(name.as_bytes())?;
        let mut answer = vec![0; name.len()];
        stream.read_exact(&mut answer)?;
        same(name, &answer)
    })
}

/// TCP without connect(2).
fn fast_open(to: Ipv4Addr, port: u16) -> Attempt {
    Box::new(move |name| {
        let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None)?;
        let patience = TimeVal::milliseconds(i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX));
        setsockopt(&socket, ReceiveTimeout, &patience)?;
        setsockopt(&socket, nix::sys::socket::sockopt::SendTimeout, &patience)?;
        let flags = MsgFlags::from_bits_retain(FAST_OPEN);
        let to = SockaddrIn::from(SocketAddrV4::new(to, port));
        sendto(socket.as_raw_fd(), name.as_bytes(), &to, flags).map_err(|errno| match errno {
            // What SO_SNDTIMEO ends.
            nix::errno::Errno::EINPROGRESS => Failure::NoAnswer,
            other => other.into(),
        })?;
        let mut answer = [0; 64];
        let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        same(name, answer.get(..length).unwrap_or_default())
    })
}

fn listen(port: u16) -> Attempt {
    Box::new(move |_| Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).map(drop)?))
}

fn send(to: Ipv4Addr, port: u16) -> Attempt {
    Box::new(move |name| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        // So that what others say about it comes back.
        socket.connect((to, port))?;
        ask(name, &socket, || socket.send(name.as_bytes()))
    })
}

fn shout(to: Ipv4Addr, port: u16) -> Attempt {
    Box::new(move |name| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        setsockopt(&socket, Broadcast, &true)?;
        ask(name, &socket, || socket.send_to(name.as_bytes(), (to, port)))
    })
}

/// An ordinary socket with an address that is not its own.
fn from_foreign(to: Ipv4Addr, port: u16) -> Attempt {
    Box::new(move |name| {
        let socket = UdpSocket::bind((NOBODY, 0))?;
        ask(name, &socket, || socket.send_to(name.as_bytes(), (to, port)))
    })
}

/// One that is allowed any address, as a proxy's is (ip(7), IP_TRANSPARENT).
fn from_forced_foreign(to: Ipv4Addr, port: u16) -> Attempt {
    Box::new(move |name| {
        let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::empty(), None)?;
        setsockopt(&socket, IpTransparent, &true)?;
        bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(NOBODY, 0)))?;
        let socket = UdpSocket::from(socket);
        ask(name, &socket, || socket.send_to(name.as_bytes(), (to, port)))
    })
}

/// Sends until an answer comes, an error, or nothing for long enough.
fn ask(name: &str, socket: &UdpSocket, send: impl Fn() -> std::io::Result<usize>) -> Outcome {
    socket.set_read_timeout(Some(AGAIN))?;
    let until = Instant::now() + PATIENCE;
    let mut answer = [0; 64];
    while Instant::now() < until {
        send()?;
        match socket.recv(&mut answer) {
            Ok(length) => return same(name, answer.get(..length).unwrap_or_default()),
            Err(error) => match Failure::from(error) {
                Failure::NoAnswer => {}
                refused => return Err(refused),
            },
        }
    }
    Err(Failure::NoAnswer)
}

fn same(name: &str, answer: &[u8]) -> Outcome {
    if answer == name.as_bytes() { Ok(()) } else { Err(Failure::NoAnswer) }
}
