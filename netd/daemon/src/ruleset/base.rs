//! The table without any app: nothing gets through but what the device itself needs.

use nacre_wire::net::ROUTER;

use super::change::{ChainKind, Change, Field, Hook, Lifetime, Name, Place, Policy, Set, Value};
use super::expression::{
    Connection, DESTINATION_CHANGED, Expression, FIRST, ICMP, KNOWN, Meta, Operator, Payload, UDP, Verdict,
    bytes, connection, from_link, port, protocol, to_link,
};

/// The link to the outside.
pub(crate) const UPLINK: &str = "eth0";
/// netd's own user, whose packets may leave the device.
pub(crate) const USER: u32 = 100;
/// Links of apps.
pub(crate) const APP_LINKS: &str = "app*";
/// Where the apps are: the first three bytes of their addresses.
const APP_NETWORK: [u8; 3] = [ROUTER[0], ROUTER[1], ROUTER[2]];

/// Set of links and the addresses that packets from them may have.
pub(super) const SOURCES: &str = "sources";
/// Map from a link to the chain for what its app sends to others.
pub(super) const FROM_APPS: &str = "from-apps";
/// Map from a link to the chain for what its app asks the device.
pub(super) const QUESTIONS: &str = "questions";
/// Map from an app's address to the chain for what is sent to the app.
pub(super) const TO_APPS: &str = "to-apps";
/// Map from a port of the device to the address of the app that listens there.
pub(super) const LISTEN: &str = "listen";

/// Most apps and most ports they listen on together; more than the rest of the system has room for.
const MANY: u32 = 2048;

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

/// The whole table, in place of the one that is there.
pub(crate) fn base(filter: Filter) -> Vec<Change> {
    let mut table = vec![Change::DestroyTable, Change::AddTable];
    table.extend([
        set(SOURCES, &[Field::Interface, Field::Address], Value::None),
        set(FROM_APPS, &[Field::Interface], Value::Chain),
        set(QUESTIONS, &[Field::Interface], Value::Chain),
        set(TO_APPS, &[Field::Address], Value::Chain),
        set(LISTEN, &[Field::Protocol, Field::Port], Value::Address),
    ]);
    let on = filter == Filter::On;
    if on {
        sources(&mut table);
    }
    incoming(&mut table, on);
    passing(&mut table, on);
    outgoing(&mut table);
    addresses(&mut table);
    table
}

/// Nobody sends with an address that is not his. Before connections are looked up: with a foreign address a
/// packet would belong to a foreign connection.
fn sources(table: &mut Vec<Change>) {
    const CHAIN: &str = "check-sources";
    table.push(chain(CHAIN, ChainKind::Filter, Place::Prerouting, -300, Policy::Accept));
    let pair = [Expression::Payload(Payload::Source, FIRST + 4), Expression::Lacks(SOURCES.into())];
    rule(table, CHAIN, [from_link(APP_LINKS), pair.into(), decide(Verdict::Drop)]);
    let inside = bytes(Payload::SourceNetwork, &APP_NETWORK);
    rule(table, CHAIN, [from_link(UPLINK), inside, decide(Verdict::Drop)]);
}

/// What is for the device itself. Apps may ask for names; what else they send stops here, also within a
/// connection that is known, so that each question counts.
fn incoming(table: &mut Vec<Change>, on: bool) {
    const CHAIN: &str = "input";
    table.push(chain(CHAIN, ChainKind::Filter, Place::Input, 0, Policy::Drop));
    rule(table, CHAIN, [from_link("lo"), decide(Verdict::Accept)]);
    if on {
        let by_link = [Expression::Meta(Meta::InputName, FIRST), Expression::Follow(QUESTIONS.into())];
        rule(table, CHAIN, [by_link.into()]);
        rule(table, CHAIN, [from_link(APP_LINKS), decide(Verdict::Drop)]);
    } else {
        rule(table, CHAIN, [from_link(APP_LINKS), decide(Verdict::Accept)]);
    }
    rule(table, CHAIN, [connection(Connection::State, KNOWN), decide(Verdict::Accept)]);
    let from_server_to_client = bytes(Payload::Ports, &[0, 67, 0, 68]);
    rule(table, CHAIN, [from_link(UPLINK), protocol(UDP), from_server_to_client, decide(Verdict::Accept)]);
}

/// What is sent from an app, or to one.
fn passing(table: &mut Vec<Change>, on: bool) {
    const CHAIN: &str = "forward";
    table.push(chain(CHAIN, ChainKind::Filter, Place::Forward, 0, Policy::Drop));
    rule(table, CHAIN, [connection(Connection::State, KNOWN), decide(Verdict::Accept)]);
    if on {
        let by_link = [Expression::Meta(Meta::InputName, FIRST), Expression::Follow(FROM_APPS.into())];
        rule(table, CHAIN, [by_link.into()]);
    } else {
        rule(table, CHAIN, [from_link(APP_LINKS), decide(Verdict::Accept)]);
    }
    // Only what came for a port that an app listens on, never what was sent to an app's own address.
    let to_listener = connection(Connection::Status, DESTINATION_CHANGED);
    let by_address = [Expression::Payload(Payload::Destination, FIRST), Expression::Follow(TO_APPS.into())];
    rule(table, CHAIN, [from_link(UPLINK), to_listener, by_address.into()]);
}

/// What the device itself sends: answers, and what netd asks.
fn outgoing(table: &mut Vec<Change>) {
    const CHAIN: &str = "output";
    table.push(chain(CHAIN, ChainKind::Filter, Place::Output, 0, Policy::Drop));
    rule(table, CHAIN, [to_link("lo"), decide(Verdict::Accept)]);
    rule(table, CHAIN, [connection(Connection::State, KNOWN), decide(Verdict::Accept)]);
    let user = [
        Expression::Meta(Meta::SocketUser, FIRST),
        Expression::Compare(Operator::Equal, USER.to_ne_bytes().to_vec()),
    ];
    rule(table, CHAIN, [user.into(), decide(Verdict::Accept)]);
    // "Forbidden", from the rules for apps: it belongs to a connection that never was.
    let unreachable = bytes(Payload::IcmpType, &[3]);
    rule(table, CHAIN, [to_link(APP_LINKS), protocol(ICMP), unreachable, decide(Verdict::Accept)]);
}

/// Outside nobody knows the apps' addresses.
fn addresses(table: &mut Vec<Change>) {
    table.push(chain("to-listener", ChainKind::Nat, Place::Prerouting, -100, Policy::Accept));
    let destination = [Expression::Find(LISTEN.into()), Expression::DestinationNat];
    rule(table, "to-listener", [from_link(UPLINK), port(), destination.into()]);
    table.push(chain("from-device", ChainKind::Nat, Place::Postrouting, 100, Policy::Accept));
    let inside = bytes(Payload::SourceNetwork, &APP_NETWORK);
    rule(table, "from-device", [to_link(UPLINK), inside, vec![Expression::Masquerade]]);
}

fn set(name: &'static str, key: &'static [Field], value: Value) -> Change {
    Change::AddSet(Set { name: name.into(), key, value, lifetime: Lifetime::Lasting, size: MANY })
}

fn chain(name: &'static str, kind: ChainKind, place: Place, priority: i32, policy: Policy) -> Change {
    Change::AddChain { name: name.into(), hook: Some(Hook { kind, place, priority, policy }) }
}

/// A rule of these parts.
pub(super) fn rule<const N: usize>(
    table: &mut Vec<Change>,
    chain: impl Into<Name>,
    parts: [Vec<Expression>; N],
) {
    table.push(Change::AddRule { chain: chain.into(), expressions: parts.concat() });
}

pub(super) fn decide(verdict: Verdict) -> Vec<Expression> {
    vec![Expression::Decide(verdict)]
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
