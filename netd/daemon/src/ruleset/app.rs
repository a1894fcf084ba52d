//! One app's part of the table.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use nacre_manifest::apps_network::{ROUTER, app_address};
use nacre_manifest::device::{Port, Protocol};
use nacre_netd_core::dns::MAX_ELEMENTS;
use nacre_netd_core::dropped::Mark;
use nacre_netd_core::policy::{MAX_CONNECT, Policy};

use super::base::{DENIED, FROM_APPS, LISTEN, QUESTIONS, SOURCES, TO_APPS, UPLINK_NAME};
use super::change::{Change, Element, ElementValue, Field, Lifetime, Name, Set, Value, interface_key};
use super::expression::{
    ACCEPT, DESTINATION, DROP, Expression, FIRST, Meta, OUTPUT, PORT, PROTOCOL, Payload, TCP, UDP, is, is_not,
};

/// Connections in a second that are made to an app, and as many more at once.
const IN_PER_SECOND: u32 = 50;
const IN_AT_ONCE: u32 = 100;

/// Connections in a second that an app makes, and as many more at once.
const OUT_PER_SECOND: u32 = 20;
const OUT_AT_ONCE: u32 = 40;

/// Connections that are open at the same time, in each direction. The kernel's table has 1,024 places for those of all
/// apps, and for the closed ones that it remembers for seconds (init's sysctl.conf): one app can take half of them.
const OPEN: u32 = 64;

/// Stopped packets in a second that netd is told of, and more at once; of each kind.
const TOLD_PER_SECOND: u32 = 2;
const TOLD_AT_ONCE: u32 = 10;

/// Questions for names in a second, and as many more at once.
const QUESTIONS_PER_SECOND: u32 = 40;

/// Most that is open to an app at the same time: the manifest's addresses, and what its names resolve to, twice: what
/// has ended keeps its place until the kernel sweeps.
const MOST_REMOTES: usize = 2 * MAX_ELEMENTS + MAX_CONNECT;

/// What one app's part is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppRules {
    app: u8,
    /// Addresses of the manifest.
    fixed: Vec<(Ipv4Addr, Port)>,
    listen: Vec<Port>,
    /// Whether the manifest has names, so that the app may ask for them.
    names: bool,
}

impl AppRules {
    /// The part of app number `app`.
    pub(crate) fn new(app: u8, policy: &Policy) -> Self {
        Self {
            app,
            fixed: policy.addresses().to_vec(),
            listen: policy.listen().to_vec(),
            names: policy.has_names(),
        }
    }

    /// The set of what is open to the app.
    fn set(&self) -> Name {
        link_name(self.app).into()
    }

    fn link_key(&self) -> Vec<u8> {
        interface_key(&link_name(self.app)).to_vec()
    }
}

/// The link to an app, on the device's side; its set and the chain for what it sends have the same name.
pub(crate) fn link_name(app: u8) -> String {
    format!("app{app}")
}

fn questions_chain(app: u8) -> Name {
    format!("app{app}-asks").into()
}

/// Tells netd of what the app sends, and drops it.
fn denied_chain(app: u8) -> Name {
    format!("app{app}-denied").into()
}

/// Tells netd of what the app sends, and tells the app.
fn rejected_chain(app: u8) -> Name {
    format!("app{app}-rejected").into()
}

/// The same with what would be too much.
fn crowded_chain(app: u8) -> Name {
    format!("app{app}-crowded").into()
}

fn inward_chain(app: u8) -> Name {
    format!("app{app}-listens").into()
}

fn remote_key(address: Ipv4Addr, port: Port) -> Vec<u8> {
    [&address.octets()[..], &port_key(port)].concat()
}

fn port_key(port: Port) -> [u8; 8] {
    let protocol = match port.protocol {
        Protocol::Tcp => TCP,
        Protocol::Udp => UDP,
    };
    let [high, low] = port.number.to_be_bytes();
    [protocol, 0, 0, 0, high, low, 0, 0]
}

/// Takes an app's part out of the table.
pub(crate) fn leave(rules: &AppRules) -> Vec<Change> {
    let address = app_address(rules.app).to_vec();
    let link = rules.link_key();
    let source = [&link[..], &address].concat();
    let destroy = |set: &'static str, key: Vec<u8>| Change::DestroyElement { set: set.into(), key };
    let mut changes = vec![
        destroy(SOURCES, source),
        destroy(FROM_APPS, link.clone()),
        destroy(DENIED, link.clone()),
        destroy(QUESTIONS, link),
        destroy(TO_APPS, address),
    ];
    changes.extend(rules.listen.iter().map(|port| destroy(LISTEN, port_key(*port).to_vec())));
    changes.extend([
        Change::DestroyChain(rules.set()),
        Change::DestroyChain(questions_chain(rules.app)),
        Change::DestroyChain(inward_chain(rules.app)),
        // Last: the others go on in these.
        Change::DestroyChain(denied_chain(rules.app)),
        Change::DestroyChain(rejected_chain(rules.app)),
        Change::DestroyChain(crowded_chain(rules.app)),
        Change::DestroySet(rules.set()),
    ]);
    changes
}

/// Puts an app's part into a table that has none of it.
pub(crate) fn join(rules: &AppRules) -> Vec<Change> {
    let address = app_address(rules.app);
    let chain: Name = rules.set();
    let mut table = vec![Change::AddSet(Set {
        name: rules.set(),
        key: &[Field::Address, Field::Protocol, Field::Port],
        value: Value::None,
        lifetime: Lifetime::Ending,
        size: u32::try_from(MOST_REMOTES).unwrap_or(u32::MAX),
    })];
    let fixed = rules.fixed.iter().map(|(address, port)| Element::lasting(remote_key(*address, *port)));
    table.extend(fixed.map(|element| Change::AddElement { set: rules.set(), element }));
    told(&mut table, &denied_chain(rules.app), Mark::App(rules.app), DROP);
    told(&mut table, &rejected_chain(rules.app), Mark::App(rules.app), Expression::Reject);
    told(&mut table, &crowded_chain(rules.app), Mark::Crowd(rules.app), Expression::Reject);
    table.push(goes_to(DENIED, rules.link_key(), denied_chain(rules.app)));
    outward(&mut table, &chain, rules.app);
    table.push(goes_to(FROM_APPS, rules.link_key(), chain));
    if rules.names {
        let chain = questions_chain(rules.app);
        questions(&mut table, &chain, denied_chain(rules.app));
        table.push(goes_to(QUESTIONS, rules.link_key(), chain));
    }
    if !rules.listen.is_empty() {
        let chain = inward_chain(rules.app);
        inward(&mut table, &chain);
        table.push(goes_to(TO_APPS, address.to_vec(), chain));
        for port in &rules.listen {
            let value = ElementValue::Address(address);
            let element = Element { key: port_key(*port).to_vec(), value, timeout_ms: None };
            table.push(Change::AddElement { set: LISTEN.into(), element });
        }
    }
    let source = [&rules.link_key()[..], &address].concat();
    table.push(Change::AddElement { set: SOURCES.into(), element: Element::lasting(source) });
    table
}

/// Opens ports of an address for a time. What is open for a time already gets the new one, what the manifest itself
/// opens stays open.
pub(crate) fn open(rules: &AppRules, address: Ipv4Addr, ports: &[Port], timeout_ms: u64) -> Vec<Change> {
    let open = |port: &Port| {
        let element = Element {
            key: remote_key(address, *port),
            value: ElementValue::None,
            timeout_ms: Some(timeout_ms),
        };
        Change::AddElement { set: rules.set(), element }
    };
    ports.iter().filter(|port| !rules.fixed.contains(&(address, **port))).map(open).collect()
}

/// Every packet of a UDP sender is a new connection until an answer comes; TCP's is one.
const TOO_MANY_NEW: [Expression; 3] =
    [PROTOCOL, is(&[TCP]), Expression::RateOver { per_second: OUT_PER_SECOND, burst: OUT_AT_ONCE }];

const THE_REST: &[Expression] = &[ACCEPT];

/// What the app sends to others, beside what belongs to a connection that is known.
fn outward(table: &mut Vec<Change>, chain: &Name, app: u8) {
    let rejected = || Expression::Go(rejected_chain(app));
    let crowded = || Expression::Go(crowded_chain(app));
    let to_other_link = vec![OUTPUT, is_not(UPLINK_NAME), rejected()];
    let not_listed = vec![
        Expression::Payload(Payload::Destination, FIRST),
        Expression::Meta(Meta::Protocol, FIRST + 1),
        Expression::Payload(Payload::DestinationPort, FIRST + 2),
        Expression::Lacks(chain.clone()),
        rejected(),
    ];
    let too_many_new = TOO_MANY_NEW.into_iter().chain([crowded()]).collect::<Vec<_>>();
    let too_many_open = vec![Expression::OpenOver(OPEN), crowded()];
    let rules =
        [to_other_link.into(), not_listed.into(), too_many_new.into(), too_many_open.into(), THE_REST.into()];
    add_chain(table, chain, rules);
}

/// The end of what the app sends: netd is told, within a bound, and then it is over.
fn told(table: &mut Vec<Change>, chain: &Name, mark: Mark, end: Expression) {
    let within = Expression::RateWithin { per_second: TOLD_PER_SECOND, burst: TOLD_AT_ONCE };
    add_chain(table, chain, [vec![within, Expression::Log(mark)].into(), vec![end].into()]);
}

const A_QUESTION: &[Expression] = &[
    PROTOCOL,
    is(&[UDP]),
    DESTINATION,
    is(&ROUTER),
    PORT,
    is(&[0, 53]),
    Expression::RateWithin { per_second: QUESTIONS_PER_SECOND, burst: QUESTIONS_PER_SECOND },
    ACCEPT,
];

/// What the app sends to the device.
fn questions(table: &mut Vec<Change>, chain: &Name, denied: Name) {
    add_chain(table, chain, [A_QUESTION.into(), vec![Expression::Go(denied)].into()]);
}

const TOO_MANY_COME: &[Expression] =
    &[Expression::RateOver { per_second: IN_PER_SECOND, burst: IN_AT_ONCE }, DROP];

const TOO_MANY_ARE_HERE: &[Expression] = &[Expression::OpenOver(OPEN), DROP];

/// What comes for a port that the app listens on.
fn inward(table: &mut Vec<Change>, chain: &Name) {
    add_chain(table, chain, [TOO_MANY_COME.into(), TOO_MANY_ARE_HERE.into(), THE_REST.into()]);
}

fn add_chain<const N: usize>(table: &mut Vec<Change>, chain: &Name, rules: [Cow<'static, [Expression]>; N]) {
    table.push(Change::AddChain { name: chain.clone(), hook: None });
    table.extend(rules.map(|expressions| Change::AddRule { chain: chain.clone(), expressions }));
}

fn goes_to(map: &'static str, key: Vec<u8>, chain: Name) -> Change {
    let element = Element { key, value: ElementValue::Chain(chain), timeout_ms: None };
    Change::AddElement { set: map.into(), element }
}

#[cfg(test)]
mod tests {
    use nacre_manifest::device::{Host, Network, Remote};

    use super::*;
    use crate::ruleset::text::golden;

    const WEB: Port = Port { protocol: Protocol::Tcp, number: 443 };

    fn rules() -> AppRules {
        let network = Network {
            connect: vec![
                Remote { host: Host::Address([10, 0, 2, 2]), port: Port { number: 9000, ..WEB } },
                Remote { host: Host::Name("api.example.com".into()), port: WEB },
            ],
            listen: vec![Port { number: 8080, ..WEB }, Port { protocol: Protocol::Udp, number: 5000 }],
        };
        AppRules::new(3, &Policy::of(&network).unwrap())
    }

    #[test]
    fn app_with_everything_is_the_golden_one() {
        golden("app-join", &join(&rules()));
        golden("app-leave", &leave(&rules()));
    }

    #[test]
    fn app_that_names_nobody_may_not_ask_and_is_not_listened_for() {
        golden("app-nothing", &join(&AppRules::new(0, &Policy::default())));
    }

    #[test]
    fn resolved_address_is_opened_with_its_time_and_one_of_the_manifest_without() {
        golden("app-open", &open(&rules(), [192, 0, 2, 7].into(), &[WEB], 30_000));
        let fixed = Port { number: 9000, ..WEB };
        assert_eq!(open(&rules(), [10, 0, 2, 2].into(), &[fixed], 30_000), []);
        assert_eq!(open(&rules(), [10, 0, 2, 2].into(), &[WEB, fixed], 30_000).len(), 1);
    }
}
