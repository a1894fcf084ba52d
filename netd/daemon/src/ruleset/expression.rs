//! What a rule looks at and does: the instructions of the kernel's packet filter (linux/netfilter/nf_tables.h).
//! A rule ends at the first comparison that fails.

use std::borrow::Cow;

use nacre_netd_core::dropped::Mark;

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
    Compare(Operator, Cow<'static, [u8]>),
    /// Go on if a set lacks the key in the registers from the first on.
    Lacks(Name),
    /// Do what the set says about the key, if it has it: go on in a chain.
    Follow(Name),
    /// Load what the set says about the key into the first register, if it has it.
    Find(Name),
    /// The end.
    Decide(Verdict),
    /// Go on in a chain and do not come back.
    Go(Name),
    /// Hand the packet's headers to netd, and go on.
    Log(Mark),
    /// Tell the sender that it is forbidden, and drop (ICMP type 3, code 13).
    Reject,
    /// Keep the packet out of the kernel's table of connections.
    Untracked,
    /// Put the connection into a table of flows, if TCP has it established, and go on; else the rule ends.
    KeepFlow(Name),
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
    /// For whom it is on its link, 1 byte: [`FOR_THIS_MACHINE`], or all on it.
    PacketType = 19,
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
    /// First byte of the destination address.
    DestinationStart,
    /// Type of an ICMP message.
    IcmpType,
    /// Source port, then destination port.
    Ports,
    /// Source port.
    SourcePort,
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
            Self::DestinationStart => (Header::Network, 16, 1),
            Self::IcmpType => (Header::Transport, 0, 1),
            Self::Ports => (Header::Transport, 0, 4),
            Self::SourcePort => (Header::Transport, 0, 2),
            Self::DestinationPort => (Header::Transport, 2, 2),
        }
    }
}

/// Something about the connection (`enum nft_ct_keys`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connection {
    /// Where the packet is in it: one of the bits of [`KNOWN`] if it is no new one, or [`OF_NONE`].
    State = 0,
    /// What was done with it: among others the bit [`DESTINATION_CHANGED`].
    Status = 2,
}

/// Bit of [`Connection::State`]: established, and no ICMP error about it.
pub(crate) const ESTABLISHED: u32 = 2;
/// Bits of [`Connection::State`]: established, or an ICMP error about such a connection.
pub(crate) const KNOWN: u32 = 2 | 4;
/// Bit of [`Connection::State`]: of no connection, and beginning none.
pub(crate) const OF_NONE: u32 = 1;
/// Bit of [`Connection::Status`] (`IPS_DST_NAT`).
pub(crate) const DESTINATION_CHANGED: u32 = 1 << 5;

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// They are the same.
    Equal = 0,
    /// They are not.
    Different = 1,
    /// What was loaded is the same or greater.
    AtLeast = 5,
}

/// What becomes of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes no further.
    Drop = 0,
    /// It goes on.
    Accept = 1,
}

/// Value of [`Meta::PacketType`] (`PACKET_HOST`).
pub(crate) const FOR_THIS_MACHINE: u8 = 0;

/// Number of TCP.
pub(crate) const TCP: u8 = 6;
/// Number of UDP.
pub(crate) const UDP: u8 = 17;
/// Number of ICMP.
pub(crate) const ICMP: u8 = 1;

/// The link that it came in by; [`is`] follows.
pub(crate) const INPUT: Expression = Expression::Meta(Meta::InputName, FIRST);
/// The link that it goes out by.
pub(crate) const OUTPUT: Expression = Expression::Meta(Meta::OutputName, FIRST);
/// Its protocol.
pub(crate) const PROTOCOL: Expression = Expression::Meta(Meta::Protocol, FIRST);
/// The first three bytes of its source address.
pub(crate) const SOURCE_NETWORK: Expression = Expression::Payload(Payload::SourceNetwork, FIRST);
/// Its destination address.
pub(crate) const DESTINATION: Expression = Expression::Payload(Payload::Destination, FIRST);
/// Its destination port.
pub(crate) const PORT: Expression = Expression::Payload(Payload::DestinationPort, FIRST);
/// It goes on.
pub(crate) const ACCEPT: Expression = Expression::Decide(Verdict::Accept);
/// It goes no further.
pub(crate) const DROP: Expression = Expression::Decide(Verdict::Drop);

/// What was loaded is this; of a link's name, this is how it begins.
pub(crate) const fn is(value: &'static [u8]) -> Expression {
    Expression::Compare(Operator::Equal, Cow::Borrowed(value))
}

/// What was loaded is not this.
pub(crate) const fn is_not(value: &'static [u8]) -> Expression {
    Expression::Compare(Operator::Different, Cow::Borrowed(value))
}

/// What was loaded is this or greater.
pub(crate) const fn at_least(value: &'static [u8]) -> Expression {
    Expression::Compare(Operator::AtLeast, Cow::Borrowed(value))
}
