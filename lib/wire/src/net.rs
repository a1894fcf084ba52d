//! Between appmgr and netd, over a socket pair (`SOCK_SEQPACKET`) that netd is born with: one message per packet.
//!
//! appmgr begins with [`Order::Begin`], once. netd parses what comes from the network; appmgr believes nothing of
//! it but what [`Report`] can say.

use minicbor::{Decode, Encode};

use crate::message::{Bounded, MAX_NAME, MAX_TEXT, MessageError, bound};

/// Longest packet, in bytes: a policy of [`MAX_POLICY`] bytes, and its frame.
pub const MAX_PACKET: usize = 16 * 1024;

/// Longest encoding of an app's `network`, in bytes.
pub const MAX_POLICY: usize = 14 * 1024;

/// Most time servers.
pub const MAX_TIME_SERVERS: usize = 4;

/// Descriptor on which netd has its end of the socket pair.
pub const SOCKET_FD: i32 = 3;

/// From appmgr to netd.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Order {
    /// Bring the device's network up.
    #[n(0)]
    Begin {
        /// Time servers beside those that the network offers.
        #[n(0)]
        time_servers: Vec<String>,
        /// Names of sandbox layers that are off; only a netd that was built to honour it accepts any.
        #[n(1)]
        layers_off: Vec<String>,
    },
    /// Give an app its network. With it come two descriptors: the app's network namespace, and a `NETLINK_ROUTE`
    /// socket that was opened in it. An app that has one gets it anew.
    #[n(1)]
    Join {
        /// Number of the app, from 0, which also makes its address (`apps_network` of nacre-manifest).
        #[n(0)]
        app: u8,
        /// Its short name, for messages.
        #[n(1)]
        name: String,
        /// Deterministic CBOR of the manifest's `network`.
        #[cbor(n(2), with = "minicbor::bytes")]
        network: Vec<u8>,
    },
    /// Take an app's network away.
    #[n(2)]
    Leave {
        /// Number of the app.
        #[n(0)]
        app: u8,
    },
}

/// From netd to appmgr.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Report {
    /// The app's network is as its manifest says: it can be started.
    #[n(0)]
    Joined {
        /// Number of the app.
        #[n(0)]
        app: u8,
    },
    /// It could not be made.
    #[n(1)]
    NotJoined {
        /// Number of the app.
        #[n(0)]
        app: u8,
        /// Why.
        #[n(1)]
        why: String,
    },
    /// The device has an address.
    #[n(2)]
    Online {
        /// The address.
        #[cbor(n(0), with = "minicbor::bytes")]
        address: [u8; 4],
        /// Bits of the network's prefix.
        #[n(1)]
        prefix: u8,
    },
    /// It has none (any more).
    #[n(3)]
    Offline {
        /// Why.
        #[n(0)]
        why: String,
    },
    /// A time server's answer, corrected for the way. appmgr decides whether the clock follows.
    #[n(4)]
    Time {
        /// Milliseconds since 1970.
        #[n(0)]
        unix_ms: u64,
        /// Who said so.
        #[n(1)]
        server: String,
    },
    /// A line for the log.
    #[n(5)]
    Log {
        /// The line.
        #[n(0)]
        text: String,
    },
    /// An app tried what its manifest doesn't allow.
    #[n(6)]
    Denied {
        /// Number of the app.
        #[n(0)]
        app: u8,
        /// What was tried, and the manifest line that would allow it: `resolve x.example — add …`.
        #[n(1)]
        what: String,
    },
}

impl Bounded for Order {
    const MAX: usize = MAX_PACKET;

    fn check(&self) -> Result<(), MessageError> {
        match self {
            Self::Begin { time_servers, layers_off } => {
                bound("time servers", time_servers.len(), MAX_TIME_SERVERS)?;
                bound("layers", layers_off.len(), MAX_NAME)?;
                time_servers
                    .iter()
                    .try_for_each(|name| bound("the name of a time server", name.len(), 253))?;
                layers_off.iter().try_for_each(|name| bound("the name of a layer", name.len(), MAX_NAME))
            }
            Self::Join { name, network, .. } => {
                bound("the app's name", name.len(), MAX_NAME)?;
                bound("the app's network", network.len(), MAX_POLICY)
            }
            Self::Leave { .. } => Ok(()),
        }
    }
}

impl Bounded for Report {
    fn check(&self) -> Result<(), MessageError> {
        match self {
            Self::Joined { .. } | Self::Online { .. } => Ok(()),
            Self::NotJoined { why: text, .. }
            | Self::Offline { why: text }
            | Self::Log { text }
            | Self::Denied { what: text, .. } => bound("a text", text.len(), MAX_TEXT),
            Self::Time { server, .. } => bound("the name of a time server", server.len(), 253),
        }
    }
}
