//! The device's address: a DHCP client (RFC 2131, options of RFC 2132).
//!
//! ```text
//!        Up            offer            ACK            T1             T2
//! Init ─────▶ Selecting ───▶ Requesting ───▶ Bound ──────▶ Renewing ──────▶ Rebinding
//!   ▲           NAK, no answer │               ▲────── ACK ──┘ │               │
//!   └──────────────────────────┴──────────────────────── NAK ──┴─ NAK, expiry ─┘
//! ```
//!
//! Every message asks for a broadcast answer as long as the device has no address: it is read from an ordinary UDP
//! socket.

mod client;
mod lease;
mod message;
mod timing;

use std::net::Ipv4Addr;

pub use client::Client;

/// The port that answers come to.
pub const CLIENT_PORT: u16 = 68;

/// The port of a server.
pub const SERVER_PORT: u16 = 67;

/// Longest datagram that is looked at: what the client tells servers that it takes (option 57), without the IP and
/// UDP headers of 28 bytes. Longer ones may be cut.
pub const MAX_DATAGRAM: usize = 1472;

/// Most name servers of a lease: what a resolver asks (`MAXNS` of resolv.h), and more only add waiting.
pub const MAX_NAME_SERVERS: usize = 3;

/// Most time servers of a lease: one is asked at a time.
pub const MAX_TIME_SERVERS: usize = 4;

/// What happened to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// The interface has a carrier.
    Up,
    /// It has none any more.
    Down,
    /// A datagram came to [`CLIENT_PORT`] on the interface.
    Datagram(&'a [u8]),
    /// [`Client::deadline`] is reached.
    Timer,
}

/// What to do for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a datagram from [`CLIENT_PORT`] to [`SERVER_PORT`].
    Send {
        /// To whom.
        to: Destination,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// The device has this lease, in place of any other.
    Bound(Lease),
    /// The device has no lease any more: take the address away. The reason is for people.
    Lost(String),
    /// Write a line to the log.
    Log(String),
}

/// To whom a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// 255.255.255.255, from 0.0.0.0 while the device has no address.
    Broadcast,
    /// A server, from the device's address.
    Server(Ipv4Addr),
}

/// What a server granted, checked: every address of it may be a machine's ([`crate::address::is_believable`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The device's address.
    pub address: Ipv4Addr,
    /// Bits of its network's prefix, 8 to 32.
    pub prefix: u8,
    /// The router, a machine of that network.
    pub router: Option<Ipv4Addr>,
    /// Name servers, at most [`MAX_NAME_SERVERS`].
    pub name_servers: Vec<Ipv4Addr>,
    /// Time servers, at most [`MAX_TIME_SERVERS`].
    pub time_servers: Vec<Ipv4Addr>,
    /// The server that granted it.
    pub server: Ipv4Addr,
}
