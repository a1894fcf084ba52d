//! Sockets that are neither TCP nor UDP.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::{Attempt, Failure, Outcome};

/// "Are you there" (RFC 792): type, code, checksum, identifier, sequence number.
const ECHO: [u8; 8] = [8, 0, 0xf7, 0xfd, 0, 1, 0, 1];

/// Seconds for the answer.
const PATIENCE: i64 = 6;

pub(crate) fn attempts() -> Vec<(&'static str, Attempt)> {
    use AddressFamily::{
        Alg, Bluetooth, Can, Ieee802154, Inet, Inet6, Key, Llc, Netlink, Nfc, Packet, Rds, Tipc, Vsock, X25,
    };
    use SockType::{Datagram, Raw, SeqPacket, Stream};
    vec![
        ("icmp-raw", Box::new(|_: &str| echo(&make(Inet, Raw, SockProtocol::Icmp)?)) as Attempt),
        ("icmp-datagram", Box::new(|_: &str| echo(&make(Inet, Datagram, SockProtocol::Icmp)?))),
        ("raw", open(Inet, Raw, SockProtocol::Raw)),
        ("raw-udp", open(Inet, Raw, SockProtocol::Udp)),
        ("sctp", open(Inet, SeqPacket, SockProtocol::Sctp)),
        ("inet6-tcp", open(Inet6, Stream, None)),
        ("inet6-udp", open(Inet6, Datagram, None)),
        ("netlink-route", open(Netlink, Raw, SockProtocol::NetlinkRoute)),
        ("netlink-filter", open(Netlink, Raw, SockProtocol::NetlinkNetFilter)),
        ("packet", open(Packet, Raw, SockProtocol::EthAll)),
        ("packet-datagram", open(Packet, Datagram, SockProtocol::EthAll)),
        ("vsock", open(Vsock, Stream, None)),
        ("alg", open(Alg, SeqPacket, None)),
        ("bluetooth", open(Bluetooth, Raw, None)),
        ("can", open(Can, Raw, None)),
        ("ieee802154", open(Ieee802154, Datagram, None)),
        ("key", open(Key, Raw, None)),
        ("llc", open(Llc, Datagram, None)),
        ("nfc", open(Nfc, SeqPacket, None)),
        ("rds", open(Rds, SeqPacket, None)),
        ("tipc", open(Tipc, SeqPacket, None)),
        ("x25", open(X25, SeqPacket, None)),
    ]
}

fn make(
    family: AddressFamily,
    kind: SockType,
    protocol: impl Into<Option<SockProtocol>>,
) -> nix::Result<OwnedFd> {
    socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol)
}

fn open(
    family: AddressFamily,
    kind: SockType,
    protocol: impl Into<Option<SockProtocol>> + Send + 'static,
) -> Attempt {
    Box::new(move |_| Ok(make(family, kind, protocol).map(drop)?))
}

/// Asks 10.0.2.2, which answers itself.
fn echo(socket: &OwnedFd) -> Outcome {
    setsockopt(socket, ReceiveTimeout, &TimeVal::seconds(PATIENCE))?;
    sendto(socket.as_raw_fd(), &ECHO, &SockaddrIn::new(10, 0, 2, 2, 0), MsgFlags::empty())?;
    let mut answer = [0; 64];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // An answer has type 0; a raw socket gives the header of 20 bytes with it.
    let at = length.saturating_sub(ECHO.len());
    if answer.get(at) == Some(&0) { Ok(()) } else { Err(Failure::NoAnswer) }
}
