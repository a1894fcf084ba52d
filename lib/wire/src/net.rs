//! Between appmgr and netd, over a socket pair (`SOCK_SEQPACKET`) that netd is born with: one message per packet.
//!
//! appmgr begins with [`Order::Begin`], once. netd parses what comes from the network; appmgr believes nothing of
//! it but what [`Report`] can say.

use minicbor::{Decode, Encode};

use crate::denial::Remedy;
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
        /// What was tried: `resolve x.example`.
        #[n(1)]
        tried: String,
        /// What would allow it. Whose manifest, appmgr knows.
        #[n(2)]
        remedy: Remedy,
    },
    /// The packet filter stopped what an app sent.
    #[n(7)]
    Dropped {
        /// Number of the app.
        #[n(0)]
        app: u8,
        /// Where it was to go.
        #[n(1)]
        to: Target,
        /// Why it was stopped.
        #[n(2)]
        why: Why,
    },
    /// The packet filter stopped what came from outside for a port of the device that no app's manifest lists.
    #[n(8)]
    Knocked {
        /// Number of the protocol (IANA): TCP 6, UDP 17.
        #[n(0)]
        protocol: u8,
        /// The port.
        #[n(1)]
        port: u16,
    },
}

/// Where a packet was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Target {
    /// Number of the protocol (IANA): ICMP 1, TCP 6, UDP 17.
    #[n(0)]
    pub protocol: u8,
    /// The address.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub address: [u8; 4],
    /// The port; 0 where the protocol has none.
    #[n(2)]
    pub port: u16,
}

/// Why a packet of an app was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Why {
    /// The app's manifest doesn't list where it was to go, or no app may send to there.
    #[n(0)]
    Unlisted,
    /// The same, and a name that the manifest lists with other ports has been resolved to this address.
    #[n(1)]
    OtherPort(#[n(0)] String),
    /// A listed name has been resolved to this address, but too long ago.
    #[n(2)]
    Expired(#[n(0)] String),
    /// Too many new connections, or too many open ones.
    #[n(3)]
    TooMany,
    /// It was sent with this address, which isn't the app's.
    #[n(4)]
    ForeignSource(#[cbor(n(0), with = "minicbor::bytes")] [u8; 4]),
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
            Self::Joined { .. } | Self::Online { .. } | Self::Knocked { .. } => Ok(()),
            Self::Dropped { why: Why::OtherPort(name) | Why::Expired(name), .. } => {
                bound("the name of a host", name.len(), 253)
            }
            Self::Dropped { .. } => Ok(()),
            Self::NotJoined { why: text, .. } | Self::Offline { why: text } | Self::Log { text } => {
                bound("a text", text.len(), MAX_TEXT)
            }
            Self::Denied { tried, remedy, .. } => {
                bound("a text", tried.len(), MAX_TEXT).and_then(|()| remedy.check())
            }
            Self::Time { server, .. } => bound("the name of a time server", server.len(), 253),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{MAX_MESSAGE, decode, encode};

    fn dropped(why: Why) -> Report {
        Report::Dropped { app: 255, to: Target { protocol: 255, address: [255; 4], port: u16::MAX }, why }
    }

    #[test]
    fn reports_of_the_packet_filter_come_back_and_fit_a_message() {
        let name = || "n".repeat(253);
        let remedy = Remedy::manifest("", "network.connect", &"l".repeat(300));
        for report in [
            dropped(Why::Unlisted),
            dropped(Why::OtherPort(name())),
            dropped(Why::Expired(name())),
            dropped(Why::TooMany),
            dropped(Why::ForeignSource([10, 0, 2, 2])),
            Report::Knocked { protocol: 17, port: 5000 },
            Report::Denied { app: 255, tried: "t".repeat(MAX_TEXT), remedy },
        ] {
            let bytes = encode(&report).unwrap();
            assert!(bytes.len() <= MAX_MESSAGE);
            assert_eq!(decode::<Report>(&bytes).unwrap(), report);
        }
    }

    #[test]
    fn report_over_its_bounds_is_refused() {
        let long = || "n".repeat(254);
        for report in [dropped(Why::OtherPort(long())), dropped(Why::Expired(long()))] {
            assert!(matches!(encode(&report), Err(MessageError::TooLong(_))));
        }
    }
}
