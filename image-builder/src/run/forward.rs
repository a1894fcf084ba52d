//! Ports of this machine that lead to ports of the device.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::str::FromStr;

use nacre_manifest::device::Protocol;

/// A port of this machine and the port of the device that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Where this machine listens. Port 0 is any that is free, until [`choose_ports`].
    pub host: SocketAddrV4,
    /// The device's port.
    pub guest: u16,
}

/// Why a forward's text is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseForwardError {
    /// Not two ports.
    #[error(
        "write it like 8080:80: a port of this machine, then one of the device; 0.0.0.0:8080:80 listens on \
        every address, udp:5353:53 is for UDP"
    )]
    Form,
    /// What stands before the port is not an IPv4 address.
    #[error("`{0}` is not an IPv4 address")]
    Address(String),
    /// The port of this machine is none.
    #[error("`{0}` is not a port of this machine: it is from 1 to 65535, or 0 for any that is free")]
    HostPort(String),
    /// The port of the device is none.
    #[error("`{0}` is not a port of the device: it is from 1 to 65535")]
    GuestPort(String),
}

impl FromStr for Forward {
    type Err = ParseForwardError;

    /// `8080:80`, `127.0.0.1:8080:80`, `udp:5353:53`.
    fn from_str(text: &str) -> Result<Self, ParseForwardError> {
        let (protocol, rest) = match text.split_once(':') {
            Some(("tcp", rest)) => (Protocol::Tcp, rest),
            Some(("udp", rest)) => (Protocol::Udp, rest),
            _ => (Protocol::Tcp, text),
        };
        let words: Vec<&str> = rest.split(':').collect();
        let (address, host, guest) = match words.as_slice() {
            [host, guest] => (Ipv4Addr::LOCALHOST, host, guest),
            [address, host, guest] => {
                let parsed = address.parse();
                (parsed.map_err(|_| ParseForwardError::Address((*address).to_owned()))?, host, guest)
            }
            _ => return Err(ParseForwardError::Form),
        };
        let host_port = port(host).ok_or_else(|| ParseForwardError::HostPort((*host).to_owned()))?;
        let guest_port = port(guest).filter(|port| *port != 0);
        Ok(Self {
            protocol,
            host: SocketAddrV4::new(address, host_port),
            guest: guest_port.ok_or_else(|| ParseForwardError::GuestPort((*guest).to_owned()))?,
        })
    }
}

/// Digits only: `+80` is none.
fn port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl Forward {
    /// QEMU's word for it (`-netdev user,hostfwd=`).
    pub(crate) fn rule(&self) -> String {
        format!("{}:{}-:{}", self.protocol, self.host, self.guest)
    }

    /// Where a program on this machine reaches it.
    pub fn address(&self) -> SocketAddrV4 {
        match self.host.ip().is_unspecified() {
            true => SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.host.port()),
            false => self.host,
        }
    }
}

impl fmt::Display for Forward {
    /// As an argument.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.protocol == Protocol::Udp {
            f.write_str("udp:")?;
        }
        if *self.host.ip() != Ipv4Addr::LOCALHOST {
            write!(f, "{}:", self.host.ip())?;
        }
        write!(f, "{}:{}", self.host.port(), self.guest)
    }
}

/// Why this machine does not listen for a forward.
#[derive(Debug, thiserror::Error)]
pub enum ChoosePortsError {
    /// Two forwards want one port.
    #[error("two forwards begin at port {} of {}", .0.host.port(), .0.host.ip())]
    Twice(Forward),
    /// Another program has the port.
    #[error("port {} of {} is in use", .0.host.port(), .0.host.ip())]
    InUse(Forward),
    /// The port is one of those that only root opens.
    #[error("port {} of this machine needs privileges", .0.host.port())]
    Privileged(Forward),
    /// The address is another machine's.
    #[error("{} is not an address of this machine", .0.host.ip())]
    NotOurs(Forward),
    /// Something else.
    #[error("listening on {}", .forward.host)]
    Io {
        /// For which forward.
        forward: Forward,
        /// The system's reason.
        source: io::Error,
    },
}

/// Tries each port, and replaces port 0 by a free one. They are free again afterwards: QEMU opens them itself.
///
/// # Errors
/// The first that this machine cannot listen on.
pub fn choose_ports(forwards: &[Forward]) -> Result<Vec<Forward>, ChoosePortsError> {
    // Each is held until all are found.
    let mut held = Vec::new();
    let mut chosen: Vec<Forward> = Vec::new();
    for &forward in forwards {
        let same = |other: &&Forward| (other.protocol, other.host) == (forward.protocol, forward.host);
        if chosen.iter().any(|other| same(&other)) {
            return Err(ChoosePortsError::Twice(forward));
        }
        let (listener, host) = listen(forward).map_err(|source| match source.kind() {
            ErrorKind::AddrInUse => ChoosePortsError::InUse(forward),
            ErrorKind::PermissionDenied => ChoosePortsError::Privileged(forward),
            ErrorKind::AddrNotAvailable => ChoosePortsError::NotOurs(forward),
            _ => ChoosePortsError::Io { forward, source },
        })?;
        held.push(listener);
        chosen.push(Forward { host, ..forward });
    }
    Ok(chosen)
}

fn listen(forward: Forward) -> io::Result<(OwnedFd, SocketAddrV4)> {
    let (held, address) = match forward.protocol {
        Protocol::Tcp => {
            let socket = TcpListener::bind(forward.host)?;
            let address = socket.local_addr()?;
            (OwnedFd::from(socket), address)
        }
        Protocol::Udp => {
            let socket = UdpSocket::bind(forward.host)?;
            let address = socket.local_addr()?;
            (OwnedFd::from(socket), address)
        }
    };
    Ok((held, SocketAddrV4::new(*forward.host.ip(), address.port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_is_read_and_shown_as_an_argument() {
        for (text, shown, rule) in [
            ("8080:80", "8080:80", "tcp:127.0.0.1:8080-:80"),
            ("tcp:8080:80", "8080:80", "tcp:127.0.0.1:8080-:80"),
            ("127.0.0.1:0:80", "0:80", "tcp:127.0.0.1:0-:80"),
            ("0.0.0.0:8080:80", "0.0.0.0:8080:80", "tcp:0.0.0.0:8080-:80"),
            ("udp:5353:53", "udp:5353:53", "udp:127.0.0.1:5353-:53"),
            ("udp:192.0.2.1:1:65535", "udp:192.0.2.1:1:65535", "udp:192.0.2.1:1-:65535"),
        ] {
            let forward: Forward = text.parse().unwrap();
            assert_eq!((forward.to_string().as_str(), forward.rule().as_str()), (shown, rule), "{text}");
        }
    }

    #[test]
    fn forward_that_is_none_is_refused_with_what_is_wrong() {
        let word = |text: &str| text.to_owned();
        for (text, expected) in [
            ("", ParseForwardError::Form),
            ("8080", ParseForwardError::Form),
            ("tcp:8080", ParseForwardError::Form),
            ("1:2:3:4", ParseForwardError::Form),
            ("udp:tcp:1:2", ParseForwardError::Address(word("tcp"))),
            ("localhost:8080:80", ParseForwardError::Address(word("localhost"))),
            ("127.1:8080:80", ParseForwardError::Address(word("127.1"))),
            ("::1:80", ParseForwardError::Form),
            (":8080:80", ParseForwardError::Address(word(""))),
            ("65536:80", ParseForwardError::HostPort(word("65536"))),
            ("+80:80", ParseForwardError::HostPort(word("+80"))),
            (":80", ParseForwardError::HostPort(word(""))),
            ("8080:", ParseForwardError::GuestPort(word(""))),
            ("8080:0", ParseForwardError::GuestPort(word("0"))),
            ("8080:-1", ParseForwardError::GuestPort(word("-1"))),
            ("8080:80,hostfwd=tcp", ParseForwardError::GuestPort(word("80,hostfwd=tcp"))),
        ] {
            assert_eq!(text.parse::<Forward>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn forward_of_every_address_is_reached_by_the_loopback() {
        let address = |text: &str| text.parse::<Forward>().unwrap().address().to_string();
        assert_eq!(address("0.0.0.0:8080:80"), "127.0.0.1:8080");
        assert_eq!(address("127.0.0.2:8080:80"), "127.0.0.2:8080");
    }

    #[test]
    fn ports_that_are_free_are_chosen_and_differ() {
        let any: Forward = "0:80".parse().unwrap();
        let udp: Forward = "udp:0:80".parse().unwrap();
        let chosen = choose_ports(&[any, any, udp]).unwrap();
        assert!(chosen.iter().all(|forward| forward.host.port() != 0 && forward.guest == 80), "{chosen:?}");
        assert_ne!(chosen[0].host, chosen[1].host);
        // Nothing holds them any more.
        TcpListener::bind(chosen[0].host).unwrap();
    }

    #[test]
    fn port_in_use_twice_or_elsewhere_is_told() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let forward = |text: String| text.parse::<Forward>().unwrap();
        let in_use = forward(format!("{port}:80"));
        assert!(matches!(choose_ports(&[in_use]), Err(ChoosePortsError::InUse(f)) if f == in_use));
        // The same number of another protocol is another port.
        choose_ports(&[forward(format!("udp:{port}:80"))]).unwrap();
        drop(taken);
        let twice = forward(format!("{port}:81"));
        assert!(matches!(choose_ports(&[in_use, twice]), Err(ChoosePortsError::Twice(f)) if f == twice));
        // TEST-NET-1 (RFC 5737) is nobody's.
        let elsewhere = forward("192.0.2.1:0:80".into());
        assert!(matches!(choose_ports(&[elsewhere]), Err(ChoosePortsError::NotOurs(_))));
    }
}
