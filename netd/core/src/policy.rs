//! What an app may reach and where it may be reached: the manifest's `network`, checked once more.

use std::net::Ipv4Addr;

use nacre_manifest::device::{self, Host, Network, Port, Protocol};

use crate::address;
use crate::dhcp::CLIENT_PORT;

/// Most entries of `connect`.
pub const MAX_CONNECT: usize = 32;

/// Most entries of `listen`.
pub const MAX_LISTEN: usize = 8;

/// Longest name (RFC 1035, section 2.3.4, as text).
pub const MAX_NAME: usize = 253;

/// The port of name servers, which an app may reach only by address: with a name it could ask others for names that
/// its manifest doesn't list.
const DNS_PORT: u16 = 53;

/// What an app may reach and where it may be reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    names: Vec<(String, Vec<Port>)>,
    addresses: Vec<(Ipv4Addr, Port)>,
    listen: Vec<Port>,
}

/// Why bytes are not an app's network.
#[derive(Debug, thiserror::Error)]
pub enum DecodePolicyError {
    /// Not the CBOR of it.
    #[error("the app's network")]
    Cbor(#[from] device::DecodeError),
    /// More than allowed.
    #[error("the app's network has {count} entries under {list}, more than {most}")]
    TooMany {
        /// Which list.
        list: &'static str,
        /// How many it has.
        count: usize,
        /// How many it may have.
        most: usize,
    },
    /// Not sorted, or an entry twice.
    #[error("the app's network is not in order under {list}")]
    Order {
        /// Which list.
        list: &'static str,
    },
    /// An entry that no app may have.
    #[error("the app's network has {entry}: {reason}")]
    Entry {
        /// The entry, as the manifest would have it.
        entry: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Policy {
    /// From the deterministic CBOR of the manifest's `network`.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodePolicyError> {
        Self::of(&device::decode(bytes)?)
    }

    /// From the manifest's `network`.
    pub fn of(network: &Network) -> Result<Self, DecodePolicyError> {
        check_list("connect", &network.connect, MAX_CONNECT)?;
        check_list("listen", &network.listen, MAX_LISTEN)?;
        let mut policy = Self { listen: network.listen.clone(), ..Self::default() };
        for remote in &network.connect {
            let refuse = |host: &str, reason| {
                Err(DecodePolicyError::Entry { entry: format!("{host}:{}", remote.port.number), reason })
            };
            match &remote.host {
                Host::Address(address) => {
                    let address = Ipv4Addr::from(*address);
                    if !address::is_unicast(address) {
                        return refuse(&address.to_string(), "not the address of another machine");
                    }
                    if remote.port.number == 0 {
                        return refuse(&address.to_string(), "there is no port 0");
                    }
                    policy.addresses.push((address, remote.port));
                }
                Host::Name(name) => {
                    if !is_host_name(name) {
                        return refuse(&name.escape_default().to_string(), "not the name of a host");
                    }
                    match remote.port.number {
                        0 => return refuse(name, "there is no port 0"),
                        DNS_PORT => return refuse(name, "a name server must be listed by its address"),
                        _ => policy.add_name(name, remote.port),
                    }
                }
            }
        }
        let refused = policy.listen.iter().find_map(|port| match (port.protocol, port.number) {
            (_, 0) => Some((port, "there is no port 0")),
            // What came for it would go to the app, and the device would get no address.
            (Protocol::Udp, CLIENT_PORT) => Some((port, "it is the OS's own")),
            _ => None,
        });
        match refused {
            Some((port, reason)) => Err(DecodePolicyError::Entry { entry: format!("listen:{port}"), reason }),
            None => Ok(policy),
        }
    }

    /// Whether the app lists any name, and so has a use for a resolver.
    pub fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// The names that it may resolve, each with the ports that open on what it resolves to.
    pub fn names(&self) -> &[(String, Vec<Port>)] {
        &self.names
    }

    /// The ports of a name, in lower case and without the dot at the end; `None` if it isn't listed.
    pub fn ports_of(&self, name: &str) -> Option<&[Port]> {
        self.names.iter().find(|(listed, _)| listed == name).map(|(_, ports)| ports.as_slice())
    }

    /// The addresses that it may reach from the start.
    pub fn addresses(&self) -> &[(Ipv4Addr, Port)] {
        &self.addresses
    }

    /// The device's ports that lead to it.
    pub fn listen(&self) -> &[Port] {
        &self.listen
    }

    fn add_name(&mut self, name: &str, port: Port) {
        match self.names.iter_mut().find(|(listed, _)| listed == name) {
            Some((_, ports)) => ports.push(port),
            None => self.names.push((name.to_owned(), vec![port])),
        }
    }
}

fn check_list<T: Ord>(list: &'static str, entries: &[T], most: usize) -> Result<(), DecodePolicyError> {
    if entries.len() > most {
        return Err(DecodePolicyError::TooMany { list, count: entries.len(), most });
    }
    match entries.is_sorted_by(|one, next| one < next) {
        true => Ok(()),
        false => Err(DecodePolicyError::Order { list }),
    }
}

/// Whether a text is a host name in lower case without the dot at the end (RFC 1123, section 2.1), and not the text
/// of an address.
pub fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    let last_is_number = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    text.len() <= MAX_NAME && text.split('.').all(label) && !last_is_number
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
