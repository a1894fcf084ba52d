//! What a rule looks at and does: the instructions of the kernel's packet filter (linux/netfilter/nf_tables.h).
//! A rule ends at the first comparison that fails.

use super::change::Name;

/// Number of a register of 4 bytes, from 0 to 15.
pub(crate) type Register = u8;

/// Register that all comparisons use.
pub(crate) const FIRST: Register = 0;

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    /// Load something about the packet.
    Meta(Meta, Register),
    /// Load bytes of the packet.
    Payload(Payload, Register),
    /// Load something about the connection, 4 bytes.
    Connection(Connection, Register),
    /// Keep some bits of the first register.
    Mask(u32),
    /// Compare the first register.
    Compare(Operator, Vec<u8>),
    /// Go on if a set lacks the key in the registers from the first on.
    Lacks(Name),
    /// Do what the set says about the key, if it has it: go on in a chain.
    Follow(Name),
    /// Load what the set says about the key into the first register, if it has it.
    Find(Name),
    /// The end.
    Decide(Verdict),
    /// Tell the sender that it is forbidden, and drop (ICMP type 3, code 13).
    Reject,
    /// Change the destination of the connection to the address in the first register.
    DestinationNat,
    /// Change the source of the connection to the address of the link it goes out on.
    Masquerade,
    /// Go on if there are more packets than so many in a second.
    RateOver {
        /// How many.
        per_second: u32,
        /// How many more at once.
        burst: u32,
    },
    /// Go on if there are no more packets than so many in a second.
    RateWithin {
        /// How many.
        per_second: u32,
        /// How many more at once.
        burst: u32,
    },
    /// Go on if this rule has seen more connections that are still open.
    OpenOver(u32),
}

/// Something about the packet (`enum nft_meta_keys`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meta {
    /// Name of the interface that it came in by, 16 bytes.
    InputName = 6,
    /// Name of the interface that it goes out by, 16 bytes.
    OutputName = 7,
    /// The user whose socket sent it, 4 bytes.
    SocketUser = 10,
    /// Its protocol, 1 byte.
    Protocol = 16,
}

/// Bytes of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Source address.
    Source,
    /// First three bytes of the source address.
    SourceNetwork,
    /// Destination address.
    Destination,
    /// Type of an ICMP message.
    IcmpType,
    /// Source port, then destination port.
    Ports,
    /// Destination port.
    DestinationPort,
}

/// In which header bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// IPv4.
    Network = 1,
    /// What it carries.
    Transport = 2,
}

impl Payload {
    /// Header, offset in it, length.
    pub(crate) const fn place(self) -> (Header, u32, u32) {
        match self {
            Self::Source => (Header::Network, 12, 4),
            Self::SourceNetwork => (Header::Network, 12, 3),
            Self::Destination => (Header::Network, 16, 4),
            Self::IcmpType => (Header::Transport, 0, 1),
            Self::Ports => (Header::Transport, 0, 4),
            Self::DestinationPort => (Header::Transport, 2, 2),
        }
    }
}

/// Something about the connection (`enum nft_ct_keys`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connection {
    /// Where the packet is in it: one of the bits of [`KNOWN`] if it is no new one.
    State = 0,
    /// What was done with it: among others the bit [`DESTINATION_CHANGED`].
    Status = 2,
}

/// Bits of [`Connection::State`]: established, or an ICMP error about such a connection.
pub(crate) const KNOWN: u32 = 2 | 4;
/// Bit of [`Connection::Status`] (`IPS_DST_NAT`).
pub(crate) const DESTINATION_CHANGED: u32 = 1 << 5;

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// They are the same.
    Equal = 0,
    /// They are not.
    Different = 1,
}

/// What becomes of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes no further.
    Drop = 0,
    /// It goes on.
    Accept = 1,
}

/// Number of TCP.
pub(crate) const TCP: u8 = 6;
/// Number of UDP.
pub(crate) const UDP: u8 = 17;
/// Number of ICMP.
pub(crate) const ICMP: u8 = 1;

/// It came in by this interface; by one whose name begins so, if `name` ends with `*`.
pub(crate) fn from_link(name: &str) -> Vec<Expression> {
    vec![Expression::Meta(Meta::InputName, FIRST), link(Operator::Equal, name)]
}

/// It goes out by this interface; by one whose name begins so, if `name` ends with `*`.
pub(crate) fn to_link(name: &str) -> Vec<Expression> {
    vec![Expression::Meta(Meta::OutputName, FIRST), link(Operator::Equal, name)]
}

/// It goes out by another interface.
pub(crate) fn not_to_link(name: &str) -> Vec<Expression> {
    vec![Expression::Meta(Meta::OutputName, FIRST), link(Operator::Different, name)]
}

fn link(operator: Operator, name: &str) -> Expression {
    let value = match name.strip_suffix('*') {
        Some(beginning) => beginning.as_bytes().to_vec(),
        None => super::change::interface_key(name).to_vec(),
    };
    Expression::Compare(operator, value)
}

/// It is of this protocol.
pub(crate) fn protocol(number: u8) -> Vec<Expression> {
    vec![Expression::Meta(Meta::Protocol, FIRST), Expression::Compare(Operator::Equal, vec![number])]
}

/// These bytes of it are so.
pub(crate) fn bytes(payload: Payload, value: &[u8]) -> Vec<Expression> {
    vec![Expression::Payload(payload, FIRST), Expression::Compare(Operator::Equal, value.to_vec())]
}

/// Its connection has one of these bits.
pub(crate) fn connection(key: Connection, bits: u32) -> Vec<Expression> {
    vec![
        Expression::Connection(key, FIRST),
        Expression::Mask(bits),
        Expression::Compare(Operator::Different, vec![0; 4]),
    ]
}

/// It is for this address, protocol and port, as a set has them.
pub(crate) fn remote() -> Vec<Expression> {
    vec![
        Expression::Payload(Payload::Destination, FIRST),
        Expression::Meta(Meta::Protocol, FIRST + 1),
        Expression::Payload(Payload::DestinationPort, FIRST + 2),
    ]
}

/// It is for this protocol and port, as a set has them.
pub(crate) fn port() -> Vec<Expression> {
    vec![Expression::Meta(Meta::Protocol, FIRST), Expression::Payload(Payload::DestinationPort, FIRST + 1)]
}
