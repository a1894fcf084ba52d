//! The table without any app: nothing gets through but what the device itself needs.

use std::borrow::Cow;

use nacre_manifest::apps_network::{self, ROUTER};
use nacre_netd_core::dropped::Mark;
use nacre_netd_core::policy::MAX_LISTEN;
use nacre_wire::message::MAX_APPS;

use super::change::{ChainKind, Change, Field, Hook, Lifetime, Place, Policy, Set, Value, interface_key};
use super::expression::{
    ACCEPT, Connection, DESTINATION, DESTINATION_CHANGED, DROP, Expression, FIRST, FOR_THIS_MACHINE, ICMP,
    INPUT, KNOWN, Meta, OF_NONE, OUTPUT, PORT, PROTOCOL, Payload, SOURCE_NETWORK, UDP, at_least, is, is_not,
};

/// The link to the outside.
pub(crate) const UPLINK: &str = "eth0";
/// netd's own user, whose packets may leave the device.
pub(crate) const USER: u32 = 100;
/// Links of apps.
pub(crate) const APP_LINKS: &str = "app*";
/// Set of links and the addresses that packets from them may have.
pub(super) const SOURCES: &str = "sources";
/// Map from a link to the chain for what its app sends to others.
pub(super) const FROM_APPS: &str = "from-apps";
/// Map from a link to the chain that tells netd of what its app sends, and drops it.
pub(super) const DENIED: &str = "denied";
/// Map from a link to the chain for what its app asks the device.
pub(super) const QUESTIONS: &str = "questions";
/// Map from an app's address to the chain for what is sent to the app.
pub(super) const TO_APPS: &str = "to-apps";
/// Map from a port of the device to the address of the app that listens there.
pub(super) const LISTEN: &str = "listen";

/// Most apps, and most ports that they listen on together. The kernel makes room for all of them at once.
const MANY: u32 = 128;

const _: () = assert!(MAX_APPS * MAX_LISTEN <= MANY as usize);

/// Whether the filter is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Yes.
    On,
    /// Apps may send what and where they want. For tests of the filter's effect only.
    #[cfg(feature = "layer-switches")]
    Off,
}

/// Why a list of layers to switch off is refused.
#[cfg(not(feature = "layer-switches"))]
#[derive(Debug, thiserror::Error)]
#[error("this netd cannot switch the packet filter off")]
pub(crate) struct SwitchOffError;

/// Why a list of layers to switch off is refused: never.
#[cfg(feature = "layer-switches")]
pub(crate) type SwitchOffError = std::convert::Infallible;

impl Filter {
    /// What a list of layers that are off says about it. Only the packet filter is netd's; names of other layers
    /// are other programs'.
    pub(crate) fn with_off(layers: &[String]) -> Result<Self, SwitchOffError> {
        if !layers.iter().any(|layer| layer == "all" || layer == "packet-filter") {
            return Ok(Self::On);
        }
        #[cfg(feature = "layer-switches")]
        return Ok(Self::Off);
        #[cfg(not(feature = "layer-switches"))]
        Err(SwitchOffError)
    }
}

/// A rule as data that is there before the program runs: a chain, and what the rule looks at and does.
macro_rules! rule {
    ($chain:expr, $expressions:expr $(,)?) => {{
        const EXPRESSIONS: &[Expression] = $expressions;
        Change::AddRule { chain: Cow::Borrowed($chain), expressions: Cow::Borrowed(EXPRESSIONS) }
    }};
}

/// The whole table, in place of the one that is there.
pub(crate) fn base(filter: Filter) -> Vec<Change> {
    let parts = match filter {
        Filter::On => {
            [BEGIN, CHECK_SOURCES, INCOMING, FROM_APPS_TO_DEVICE, PASSING, FROM_APPS_OUT, REST, &[]]
        }
        #[cfg(feature = "layer-switches")]
        Filter::Off => {
            [BEGIN, &[], INCOMING, ALL_FROM_APPS_TO_DEVICE, PASSING, ALL_FROM_APPS_OUT, REST, ALL_OUT]
        }
    };
    parts.concat()
}

const LOOPBACK_NAME: &[u8] = &interface_key("lo");
pub(super) const UPLINK_NAME: &[u8] = &interface_key(UPLINK);
const APP_NAMES: &[u8] = b"app";

const BEGIN: &[Change] = &[
    Change::DestroyTable,
    Change::AddTable,
    set(SOURCES, &[Field::Interface, Field::Address], Value::None),
    set(FROM_APPS, &[Field::Interface], Value::Chain),
    set(QUESTIONS, &[Field::Interface], Value::Chain),
    set(DENIED, &[Field::Interface], Value::Chain),
    set(TO_APPS, &[Field::Address], Value::Chain),
    set(LISTEN, &[Field::Protocol, Field::Port], Value::Address),
];

/// Nobody sends with an address that is not his. Before connections are looked up: with a foreign address a packet
/// would belong to a foreign connection.
const CHECK_SOURCES: &[Change] = &[
    chain("check-sources", ChainKind::Filter, Place::Prerouting, -300, Policy::Accept),
    rule!("check-sources", &[INPUT, is(APP_NAMES), NEXT_SOURCE, lacks(SOURCES), follow(DENIED)]),
    rule!("check-sources", &[INPUT, is(APP_NAMES), NEXT_SOURCE, lacks(SOURCES), DROP]),
    // What is for many (224.0.0.0 and above) ends here: further on, the kernel drops it without a word.
    rule!("check-sources", &[DESTINATION_START, at_least(&[224]), INPUT, follow(DENIED)]),
    rule!("check-sources", &[INPUT, is(UPLINK_NAME), SOURCE_NETWORK, is(&apps_network::PREFIX), DROP]),
    // A question for a name needs no memory of it: an app that asks from ever new ports would take the places of
    // all connections, and nobody else could open one.
    rule!(
        "check-sources",
        &[
            INPUT,
            is(APP_NAMES),
            PROTOCOL,
            is(&[UDP]),
            DESTINATION,
            is(&ROUTER),
            PORT,
            is(&DNS_PORT),
            Expression::Untracked
        ],
    ),
    // Nor does the answer.
    chain("answers", ChainKind::Filter, Place::Output, -300, Policy::Accept),
    rule!(
        "answers",
        &[
            OUTPUT,
            is(APP_NAMES),
            PROTOCOL,
            is(&[UDP]),
            SOURCE,
            is(&ROUTER),
            SOURCE_PORT,
            is(&DNS_PORT),
            Expression::Untracked
        ],
    ),
];

/// What is for the device itself.
const INCOMING: &[Change] = &[
    chain("input", ChainKind::Filter, Place::Input, 0, Policy::Drop),
    rule!("input", &[INPUT, is(LOOPBACK_NAME), ACCEPT]),
];

/// Apps may ask for names; what else they send stops here, also within a connection that is known, so that each
/// question counts.
const FROM_APPS_TO_DEVICE: &[Change] = &[
    rule!("input", &[INPUT, follow(QUESTIONS)]),
    rule!("input", &[INPUT, follow(DENIED)]),
    rule!("input", &[INPUT, is(APP_NAMES), DROP]),
    KNOWN_TO_DEVICE,
    DHCP,
    // For a port that no app has, perhaps because its manifest lacks it.
    rule!(
        "input",
        &[
            INPUT,
            is(UPLINK_NAME),
            Expression::Meta(Meta::PacketType, FIRST),
            is(&[FOR_THIS_MACHINE]),
            Expression::RateWithin { per_second: KNOCKS_PER_SECOND, burst: KNOCKS_PER_SECOND },
            Expression::Log(Mark::Outside),
        ],
    ),
];

/// Packets from outside in a second that netd is told of, and as many more at once.
const KNOCKS_PER_SECOND: u32 = 4;

#[cfg(feature = "layer-switches")]
const ALL_FROM_APPS_TO_DEVICE: &[Change] =
    &[rule!("input", &[INPUT, is(APP_NAMES), ACCEPT]), KNOWN_TO_DEVICE, DHCP];

const KNOWN_TO_DEVICE: Change = rule!("input", &[STATE, STATE_KNOWN, is_not(&[0; 4]), ACCEPT]);

/// Answers of DHCP servers, which come to everybody and so belong to no connection: from port 67 to port 68.
const DHCP: Change =
    rule!("input", &[INPUT, is(UPLINK_NAME), PROTOCOL, is(&[UDP]), PORTS, is(&[0, 67, 0, 68]), ACCEPT]);

/// What is sent from an app, or to one.
const PASSING: &[Change] = &[
    chain("forward", ChainKind::Filter, Place::Forward, 0, Policy::Drop),
    rule!("forward", &[STATE, STATE_KNOWN, is_not(&[0; 4]), ACCEPT]),
    // It would leave as it is: with the address of the app.
    rule!("forward", &[STATE, STATE_OF_NONE, is_not(&[0; 4]), DROP]),
];

const FROM_APPS_OUT: &[Change] = &[rule!("forward", &[INPUT, follow(FROM_APPS)])];

#[cfg(feature = "layer-switches")]
const ALL_FROM_APPS_OUT: &[Change] = &[rule!("forward", &[INPUT, is(APP_NAMES), ACCEPT])];

/// Also what an app sends that is in the device's own network.
#[cfg(feature = "layer-switches")]
const ALL_OUT: &[Change] = &[rule!("output", &[ACCEPT])];

const REST: &[Change] = &[
    // Only what came for a port that an app listens on, never what was sent to an app's own address.
    rule!(
        "forward",
        &[INPUT, is(UPLINK_NAME), STATUS, STATUS_CHANGED, is_not(&[0; 4]), DESTINATION, follow(TO_APPS)],
    ),
    // What the device itself sends: answers, and what netd asks.
    chain("output", ChainKind::Filter, Place::Output, 0, Policy::Drop),
    rule!("output", &[OUTPUT, is(LOOPBACK_NAME), ACCEPT]),
    rule!("output", &[STATE, STATE_KNOWN, is_not(&[0; 4]), ACCEPT]),
    rule!("output", &[SOCKET_USER, is(&USER_BYTES), ACCEPT]),
    // "Forbidden", from the rules for apps: it belongs to a connection that never was.
    rule!("output", &[OUTPUT, is(APP_NAMES), PROTOCOL, is(&[ICMP]), ICMP_TYPE, is(&[3]), ACCEPT]),
    // Outside nobody knows the apps' addresses.
    chain("to-listener", ChainKind::Nat, Place::Prerouting, -100, Policy::Accept),
    rule!(
        "to-listener",
        &[INPUT, is(UPLINK_NAME), PROTOCOL, NEXT_PORT, find(LISTEN), Expression::DestinationNat],
    ),
    chain("from-device", ChainKind::Nat, Place::Postrouting, 100, Policy::Accept),
    rule!(
        "from-device",
        &[OUTPUT, is(UPLINK_NAME), SOURCE_NETWORK, is(&apps_network::PREFIX), Expression::Masquerade]
    ),
];

const DNS_PORT: [u8; 2] = [0, 53];
const SOURCE: Expression = Expression::Payload(Payload::Source, FIRST);
const DESTINATION_START: Expression = Expression::Payload(Payload::DestinationStart, FIRST);
const SOURCE_PORT: Expression = Expression::Payload(Payload::SourcePort, FIRST);
/// Source address, behind a link's name.
const NEXT_SOURCE: Expression = Expression::Payload(Payload::Source, FIRST + 4);
/// Destination port, behind a protocol.
const NEXT_PORT: Expression = Expression::Payload(Payload::DestinationPort, FIRST + 1);
const SOCKET_USER: Expression = Expression::Meta(Meta::SocketUser, FIRST);
const USER_BYTES: [u8; 4] = USER.to_ne_bytes();
const PORTS: Expression = Expression::Payload(Payload::Ports, FIRST);
const ICMP_TYPE: Expression = Expression::Payload(Payload::IcmpType, FIRST);
const STATE: Expression = Expression::Connection(Connection::State, FIRST);
const STATE_KNOWN: Expression = Expression::Mask(KNOWN);
const STATE_OF_NONE: Expression = Expression::Mask(OF_NONE);
const STATUS: Expression = Expression::Connection(Connection::Status, FIRST);
const STATUS_CHANGED: Expression = Expression::Mask(DESTINATION_CHANGED);

const fn lacks(set: &'static str) -> Expression {
    Expression::Lacks(Cow::Borrowed(set))
}

const fn follow(map: &'static str) -> Expression {
    Expression::Follow(Cow::Borrowed(map))
}

const fn find(map: &'static str) -> Expression {
    Expression::Find(Cow::Borrowed(map))
}

const fn set(name: &'static str, key: &'static [Field], value: Value) -> Change {
    Change::AddSet(Set { name: Cow::Borrowed(name), key, value, lifetime: Lifetime::Lasting, size: MANY })
}

const fn chain(name: &'static str, kind: ChainKind, place: Place, priority: i32, policy: Policy) -> Change {
    Change::AddChain { name: Cow::Borrowed(name), hook: Some(Hook { kind, place, priority, policy }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ruleset::text::golden;

    #[test]
    fn table_without_apps_is_the_golden_one() {
        golden("base", &base(Filter::On));
    }

    #[cfg(feature = "layer-switches")]
    #[test]
    fn table_that_is_switched_off_is_the_golden_one() {
        golden("base-off", &base(Filter::Off));
    }
}
