//! What time it is: a client of simple NTP (RFC 4330, packet of RFC 5905).
//!
//! One server is asked at a time, those of the network first; the first good answer counts. Our questions carry a
//! random number in place of a time, which the answer must bring back.

mod client;
mod packet;

use std::net::{Ipv4Addr, SocketAddrV4};

pub use client::Client;

/// The port of every time server.
pub const PORT: u16 = 123;

/// Most names of time servers.
pub const MAX_NAMES: usize = 4;

/// Longest datagram that is looked at: what follows the 48 bytes (extensions, signatures) is of no use. A longer one
/// may be cut.
pub const MAX_DATAGRAM: usize = 128;

/// What happened to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// The device has an address; these are the network's time servers.
    Online {
        /// The first [`crate::dhcp::MAX_TIME_SERVERS`] count.
        servers: &'a [Ipv4Addr],
    },
    /// It has none any more.
    Offline,
    /// The answer to [`Action::Resolve`].
    Resolved {
        /// The name.
        name: &'a str,
        /// Its addresses.
        addresses: &'a [Ipv4Addr],
    },
    /// A datagram came.
    Datagram {
        /// Who sent it.
        from: SocketAddrV4,
        /// The datagram.
        bytes: &'a [u8],
    },
    /// [`Client::deadline`] is reached.
    Timer,
}

/// What to do for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask for the addresses of a name ([`crate::dns::Event::Resolve`]).
    Resolve {
        /// The name.
        name: String,
    },
    /// Send a datagram, best from a new socket with a random port of its own; it replaces the one before.
    Send {
        /// To whom.
        to: SocketAddrV4,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// It is this late now.
    Time {
        /// Milliseconds since 1970.
        unix_ms: u64,
        /// Who said so: an address, or the name of [`Client::new`].
        server: String,
    },
    /// Write a line to the log.
    Log(String),
}
