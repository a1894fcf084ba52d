//! Changes of the table.

use std::borrow::Cow;

use super::expression::Expression;

/// Name of a chain, a set or an interface.
pub(crate) type Name = Cow<'static, str>;

/// One change; each becomes one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Remove the whole table if it is there.
    DestroyTable,
    /// Make the table.
    AddTable,
    /// Make a chain: one that the kernel hands packets to, or one that others jump to.
    AddChain {
        /// Its name.
        name: Name,
        /// Where the kernel hands packets to it.
        hook: Option<Hook>,
    },
    /// Remove a chain with its rules, if it is there.
    DestroyChain(Name),
    /// Add a rule to the end of a chain.
    AddRule {
        /// The chain.
        chain: Name,
        /// What it looks at and does.
        expressions: Cow<'static, [Expression]>,
    },
    /// Add a rule before the others of a chain.
    AddFirstRule {
        /// The chain.
        chain: Name,
        /// What it looks at and does.
        expressions: Cow<'static, [Expression]>,
    },
    /// Make the table of flows if it is not there, and let it see what comes in by a link.
    AddFlows {
        /// Its name.
        name: Name,
        /// The link; it leaves the table when it goes.
        link: Option<Name>,
    },
    /// Make a set.
    AddSet(Set),
    /// Remove a set if it is there.
    DestroySet(Name),
    /// Add an element to a set, or set the time anew that it has left.
    AddElement {
        /// The set.
        set: Name,
        /// The element.
        element: Element,
    },
    /// Remove an element if it is there.
    DestroyElement {
        /// The set.
        set: Name,
        /// Its key.
        key: Vec<u8>,
    },
}

/// Where the kernel hands packets to a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hook {
    /// What the chain does.
    pub(crate) kind: ChainKind,
    /// Where.
    pub(crate) place: Place,
    /// Smaller is earlier.
    pub(crate) priority: i32,
    /// What becomes of a packet that no rule decided on.
    pub(crate) policy: Policy,
}

/// What a chain does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChainKind {
    /// It lets packets pass or not.
    Filter,
    /// It changes addresses; it sees only the first packet of a connection.
    Nat,
}

/// Where packets are on their way (`enum nf_inet_hooks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// They have come in.
    Prerouting = 0,
    /// They are for this machine.
    Input = 1,
    /// They are for another one.
    Forward = 2,
    /// They come from this machine.
    Output = 3,
    /// They are about to go out.
    Postrouting = 4,
}

/// What becomes of a packet that no rule decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// It goes no further.
    Drop = 0,
    /// It goes on.
    Accept = 1,
}

/// A set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    /// Its name.
    pub(crate) name: Name,
    /// What its keys consist of, in this order.
    pub(crate) key: &'static [Field],
    /// What an element says beside that it is there.
    pub(crate) value: Value,
    /// Whether elements can end by themselves.
    pub(crate) lifetime: Lifetime,
    /// Most elements.
    pub(crate) size: u32,
}

/// A part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// Name of an interface, 16 bytes.
    Interface,
    /// IPv4 address, 4 bytes.
    Address,
    /// Number of a protocol, 1 byte and 3 of zero.
    Protocol,
    /// Number of a port, 2 bytes and 2 of zero.
    Port,
}

impl Field {
    /// Its length in a key, in bytes.
    pub(crate) const fn length(self) -> u32 {
        match self {
            Self::Interface => 16,
            Self::Address | Self::Protocol | Self::Port => 4,
        }
    }
}

/// What an element says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// That it is there.
    None,
    /// An IPv4 address.
    Address,
    /// The chain that goes on with the packet.
    Chain,
}

/// Whether elements end by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// They stay.
    Lasting,
    /// Those that were given a time end with it.
    Ending,
}

/// An element of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    /// Its key.
    pub(crate) key: Vec<u8>,
    /// What it says.
    pub(crate) value: ElementValue,
    /// After how many milliseconds it ends.
    pub(crate) timeout_ms: Option<u64>,
}

/// What an element says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ElementValue {
    /// That it is there.
    None,
    /// An IPv4 address.
    Address([u8; 4]),
    /// The chain that goes on with the packet.
    Chain(Name),
}

impl Element {
    /// One that says that it is there, for good.
    pub(crate) const fn lasting(key: Vec<u8>) -> Self {
        Self { key, value: ElementValue::None, timeout_ms: None }
    }
}

/// The name of an interface as a key has it.
pub(crate) const fn interface_key(name: &str) -> [u8; 16] {
    let mut key = [0; 16];
    let (mut rest_of_key, mut rest_of_name) = (key.as_mut_slice(), name.as_bytes());
    while let ([to, next_of_key @ ..], [from, next_of_name @ ..]) = (rest_of_key, rest_of_name) {
        *to = *from;
        (rest_of_key, rest_of_name) = (next_of_key, next_of_name);
    }
    key
}
