//! The apps' resolver: it asks only for names that an app's manifest lists, opens what they resolve to, and only then
//! answers (RFC 1034, RFC 1035). The answer is made anew, never passed on.
//!
//! The OS asks for the names of its own time servers in the same way ([`Event::Resolve`]).

mod answer;
mod flight;
mod limits;
mod message;
mod name;
mod proxy;
mod query;

use std::net::{Ipv4Addr, SocketAddrV4};

use nacre_manifest::device::Port;

pub use flight::{MAX_IN_FLIGHT, MAX_WRONG};
pub use limits::MAX_ELEMENTS;
pub use message::Rcode;
pub use proxy::{MAX_PER_APP, MAX_PER_SECOND, Proxy, UNLISTED};

use crate::policy::Policy;

/// The port of every name server.
pub const PORT: u16 = 53;

/// Longest datagram that is read, from apps and servers: without EDNS none is longer (RFC 1035, section 4.2.1).
/// A longer one may be cut.
pub const MAX_DATAGRAM: usize = 512;

/// One question to one server; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);

/// What happened to the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// An app has its network, with this policy; it may have had one before.
    Join {
        /// Number of the app.
        app: u8,
        /// What it may reach.
        policy: Policy,
    },
    /// An app has no network any more.
    Leave {
        /// Number of the app.
        app: u8,
    },
    /// The device has an address.
    Online {
        /// The servers to ask, in this order; the first [`crate::dhcp::MAX_NAME_SERVERS`] count.
        servers: &'a [Ipv4Addr],
        /// The device's own address.
        own: Ipv4Addr,
        /// Bits of its network's prefix.
        prefix: u8,
    },
    /// It has none any more.
    Offline,
    /// A datagram of an app.
    Question {
        /// Number of the app, from the datagram's source address.
        app: u8,
        /// Its source port.
        port: u16,
        /// The datagram.
        bytes: &'a [u8],
    },
    /// A datagram came to the socket of a question.
    Answer {
        /// The question.
        query: QueryId,
        /// Who sent it.
        from: SocketAddrV4,
        /// The datagram.
        bytes: &'a [u8],
    },
    /// The server of a question can't be reached: the socket gave an error.
    Unreachable {
        /// The question.
        query: QueryId,
    },
    /// The OS itself wants to know the addresses of a name; answered by [`Action::Resolved`].
    Resolve {
        /// The name.
        name: &'a str,
    },
    /// [`Proxy::deadline`] is reached.
    Timer,
}

/// What to do for the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a question from a new socket with a random port of its own; what comes to it is [`Event::Answer`].
    Ask {
        /// The question.
        query: QueryId,
        /// The server.
        server: SocketAddrV4,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Close the socket of a question. Every [`Action::Ask`] is followed by one, sooner or later.
    Close {
        /// The question.
        query: QueryId,
    },
    /// Let an app reach an address. An element that is there already gets the new time. If it fails, the
    /// [`Action::Answer`] that follows must not be sent.
    Open {
        /// Number of the app.
        app: u8,
        /// The name that it is an address of.
        name: String,
        /// The address.
        address: Ipv4Addr,
        /// The ports of it.
        ports: Vec<Port>,
        /// For how long, in seconds.
        ttl_s: u32,
    },
    /// Send a datagram to an app, from [`PORT`] of the router.
    Answer {
        /// Number of the app.
        app: u8,
        /// Its port.
        port: u16,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Report that an app tried what its manifest doesn't allow.
    Denied {
        /// Number of the app.
        app: u8,
        /// What was tried.
        tried: String,
        /// The entry of `network.connect` that would allow it, or why none would.
        entry: Result<String, &'static str>,
    },
    /// The answer to [`Event::Resolve`].
    Resolved {
        /// The name.
        name: String,
        /// Its addresses; none if it has none or nobody answered.
        addresses: Vec<Ipv4Addr>,
    },
    /// Write a line to the log.
    Log(String),
}
