use std::net::SocketAddrV4;

use nacre_manifest::device::{Host, Network, Port, Protocol, Remote};
use proptest::prelude::*;

use super::super::answer::tests::{Told, mutated, wire};
use super::super::flight::{MAX_WRONG, PATIENCE};
use super::super::query::tests::ask;
use super::super::{MAX_ELEMENTS, PORT, QueryId};
use super::*;
use crate::address;

const SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 2, 3), Ipv4Addr::new(10, 0, 2, 4)];
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 34);

const HTTPS: Port = Port { protocol: Protocol::Tcp, number: 443 };
const COAP: Port = Port { protocol: Protocol::Udp, number: 5683 };

fn policy(entries: &[(&str, Port)]) -> Policy {
    let mut connect: Vec<Remote> =
        entries.iter().map(|(name, port)| Remote { host: Host::Name((*name).into()), port: *port }).collect();
    connect.sort();
    Policy::of(&Network { connect, listen: vec![] }).expect("a policy")
}

struct Bench {
    proxy: Proxy,
    random: u32,
}

impl Bench {
    /// Two apps, one of which lists two names.
    fn offline() -> Self {
        let mut bench = Self { proxy: Proxy::new(), random: 7 };
        let names = policy(&[("api.example.com", HTTPS), ("api.example.com", COAP), ("b.example", HTTPS)]);
        bench.step(Event::Join { app: 0, policy: names }, 0);
        bench.step(Event::Join { app: 1, policy: policy(&[("api.example.com", HTTPS)]) }, 0);
        bench
    }

    fn new() -> Self {
        let mut bench = Self::offline();
        bench.step(Event::Online { servers: &SERVERS, own: OWN, prefix: 24 }, 0);
        bench
    }

    fn step(&mut self, event: Event<'_>, now: Millis) -> Vec<Action> {
        let random = &mut self.random;
        self.proxy.step(event, now, &mut || {
            *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *random
        })
    }

    fn asks(&mut self, app: u8, bytes: &[u8], now: Millis) -> Vec<Action> {
        self.step(Event::Question { app, port: 4000, bytes }, now)
    }

    /// An app's question that goes to a server.
    fn starts(&mut self, app: u8, id: u16, name: &str, now: Millis) -> Asked {
        asked(&self.asks(app, &ask(id, name, A), now))
    }

    fn told(&mut self, asked: &Asked, bytes: &[u8], now: Millis) -> Vec<Action> {
        self.step(Event::Answer { query: asked.query, from: asked.server, bytes }, now)
    }
}

#[derive(Debug, Clone)]
struct Asked {
    query: QueryId,
    server: SocketAddrV4,
    bytes: Vec<u8>,
}

/// The one question to a server.
fn asked(actions: &[Action]) -> Asked {
    let mut found = actions.iter().filter_map(|action| match action {
        Action::Ask { query, server, bytes } => {
            Some(Asked { query: *query, server: *server, bytes: bytes.clone() })
        }
        _ => None,
    });
    let first = found.next().unwrap_or_else(|| panic!("no question in {actions:?}"));
    assert!(found.next().is_none());
    first
}

/// The code of the one answer to an app.
fn rcode(actions: &[Action]) -> Option<u8> {
    actions.iter().find_map(|action| match action {
        Action::Answer { bytes, .. } => Some(bytes[3] & 0xf),
        _ => None,
    })
}

#[test]
fn name_that_is_listed_is_opened_and_then_answered() {
    let mut bench = Bench::new();
    let asked = bench.starts(0, 77, "api.example.com", 0);
    assert_eq!(asked.server, SocketAddrV4::new(SERVERS[0], PORT));
    assert_ne!(asked.bytes[..2], 77u16.to_be_bytes(), "a number of its own");
    let actions = bench.told(&asked, &Told::to(&asked.bytes).address(300, ADDRESS.octets()).bytes(), 20);
    let answer = Told::to(&ask(77, "api.example.com", A)).address(300, ADDRESS.octets()).bytes();
    assert_eq!(
        actions,
        [
            Action::Close { query: asked.query },
            Action::Open { app: 0, address: ADDRESS, ports: vec![HTTPS, COAP], ttl_s: 300 },
            Action::Answer { app: 0, port: 4000, bytes: answer },
        ]
    );
    assert_eq!(bench.proxy.deadline(), None);
    assert_eq!(bench.told(&asked, &[], 30), [], "an answer too many");
}

#[test]
fn name_that_is_not_listed_is_refused_and_reported_once() {
    let mut bench = Bench::new();
    let actions = bench.asks(1, &ask(1, "b.example", A), 0);
    assert_eq!(
        actions[0],
        Action::Denied {
            app: 1,
            what: "resolve b.example — add \"tcp:b.example:443\" under network.connect".into()
        }
    );
    assert_eq!((actions.len(), rcode(&actions)), (2, Some(3)));
    let again = bench.asks(1, &ask(2, "b.example", AAAA), 1);
    assert_eq!((again.len(), rcode(&again)), (1, Some(3)), "the other half of the same lookup");
    // A name below, above or beside a listed one isn't listed.
    for name in ["x.api.example.com", "example.com", "api.example.co", "com"] {
        assert_eq!(rcode(&bench.asks(1, &ask(3, name, A), 2)), Some(3), "{name}");
    }
    let mut odd = ask(4, "abc.example", A);
    odd[14] = b'"';
    match bench.asks(1, &odd, 20_000).as_slice() {
        [Action::Denied { what, .. }, Action::Answer { .. }] => {
            assert_eq!(what, "resolve a\\034c.example — not a name that a manifest can list");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn question_of_another_kind_is_answered_without_a_server() {
    let mut bench = Bench::new();
    let changed = |at: usize, value: u8| {
        let mut bytes = ask(1, "api.example.com", A);
        bytes[at] = value;
        bytes
    };
    for (bytes, code, what) in [
        (ask(1, "api.example.com", AAAA), Some(0), "an IPv6 address"),
        (ask(1, "api.example.com", 16), Some(0), "a text"),
        (ask(1, "api.example.com", 255), Some(0), "anything"),
        (changed(32, 3), Some(5), "another class"),
        (changed(2, 0x29), Some(4), "an update"),
        (changed(12, 0x77), Some(1), "no name"),
        (changed(2, 0x81), None, "an answer"),
        (vec![0; 5], None, "rubbish"),
    ] {
        let actions = bench.asks(0, &bytes, 0);
        assert_eq!((rcode(&actions), actions.len()), (code, usize::from(code.is_some())), "{what}");
    }
    assert_eq!(bench.asks(9, &ask(1, "api.example.com", A), 0), [], "an app that nobody knows");
}

#[test]
fn answer_of_somebody_else_is_not_taken_and_ten_of_them_end_the_question() {
    let mut bench = Bench::new();
    let asked = bench.starts(0, 77, "api.example.com", 0);
    let good = Told::to(&asked.bytes).address(300, ADDRESS.octets()).bytes();
    let mut wrong_id = good.clone();
    wrong_id[0] ^= 1;
    let other = |address, port| SocketAddrV4::new(address, port);
    let cases = [
        (other(SERVERS[1], PORT), good.clone()),
        (other(SERVERS[0], 54), good.clone()),
        (asked.server, wrong_id),
        (asked.server, Told::to(&ask(1, "b.example", A)).address(300, [6; 4]).bytes()),
        (asked.server, good[..20].to_vec()),
    ];
    for (from, bytes) in cases.iter().cycle().take(usize::from(MAX_WRONG) - 1) {
        assert_eq!(bench.step(Event::Answer { query: asked.query, from: *from, bytes }, 5), []);
    }
    let mut other = bench.proxy.clone();
    let last = bench.told(&asked, &cases[4].1, 6);
    assert_eq!(
        last[..2],
        [
            Action::Log("10 wrong answers to the question for api.example.com: given up".into()),
            Action::Close { query: asked.query }
        ]
    );
    assert_eq!(rcode(&last), Some(2));
    let event = Event::Answer { query: asked.query, from: asked.server, bytes: &good };
    assert_eq!(rcode(&other.step(event, 6, &mut || 0)), Some(0), "the true one still counts after nine");
}

#[test]
fn server_that_is_silent_or_fails_is_followed_by_the_next_and_by_the_end() {
    let mut bench = Bench::new();
    let first = bench.starts(0, 77, "api.example.com", 0);
    assert_eq!(bench.proxy.deadline(), Some(PATIENCE));
    assert_eq!(bench.step(Event::Timer, PATIENCE - 1), []);
    let actions = bench.step(Event::Timer, PATIENCE);
    assert_eq!(actions[0], Action::Close { query: first.query });
    let second = asked(&actions);
    assert_eq!(*second.server.ip(), SERVERS[1]);
    assert_ne!(second.bytes[..2], first.bytes[..2], "a new number");
    let late = Told::to(&first.bytes).address(300, [6, 6, 6, 6]).bytes();
    assert_eq!(bench.told(&first, &late, PATIENCE + 1), []);
    let third = asked(&bench.told(&second, &Told::to(&second.bytes).rcode(2).bytes(), 1600));
    assert_eq!(*third.server.ip(), SERVERS[0]);
    let actions = bench.step(Event::Unreachable { query: third.query }, 1700);
    assert_eq!((actions.len(), rcode(&actions)), (2, Some(2)));
    assert_eq!(bench.proxy.deadline(), None);
}

#[test]
fn server_that_answered_last_is_asked_first() {
    let mut bench = Bench::new();
    bench.starts(0, 77, "api.example.com", 0);
    let second = asked(&bench.step(Event::Timer, PATIENCE));
    let actions = bench.told(&second, &Told::to(&second.bytes).rcode(3).bytes(), 1600);
    assert_eq!(rcode(&actions), Some(3));
    assert_eq!(*bench.starts(0, 78, "api.example.com", 2000).server.ip(), SERVERS[1]);
}

#[test]
fn address_that_no_other_machine_can_have_is_never_opened() {
    for bogus in [
        [0, 0, 0, 1],
        [127, 0, 0, 1],
        [169, 254, 169, 254],
        [224, 0, 0, 1],
        [250, 0, 0, 1],
        [255, 255, 255, 255],
        [100, 115, 92, 1],
        [100, 115, 92, 3],
        OWN.octets(),
        [10, 0, 2, 0],
        [10, 0, 2, 255],
    ] {
        let mut bench = Bench::new();
        let asked = bench.starts(0, 77, "api.example.com", 0);
        let actions = bench.told(&asked, &Told::to(&asked.bytes).address(300, bogus).bytes(), 5);
        let name = Ipv4Addr::from(bogus);
        let line = format!("api.example.com resolves to {name}, which no other machine can have: left out");
        assert_eq!(actions[..2], [Action::Close { query: asked.query }, Action::Log(line)]);
        assert_eq!((actions.len(), rcode(&actions)), (3, Some(0)));
    }
}

#[test]
fn address_of_another_name_in_the_answer_is_never_opened() {
    let mut bench = Bench::new();
    let asked = bench.starts(1, 77, "api.example.com", 0);
    let bytes = Told::to(&asked.bytes)
        .record(&wire("b.example"), A, 300, &[6, 6, 6, 6])
        .address(0, ADDRESS.octets())
        .bytes();
    let opened: Vec<_> = bench
        .told(&asked, &bytes, 5)
        .into_iter()
        .filter(|action| matches!(action, Action::Open { .. }))
        .collect();
    assert_eq!(opened, [Action::Open { app: 1, address: ADDRESS, ports: vec![HTTPS], ttl_s: 10 }]);
}

#[test]
fn app_that_floods_gets_its_share_and_no_more() {
    let mut bench = Bench::new();
    let mut answers = 0;
    for n in 0..1000u16 {
        answers += bench
            .asks(1, &ask(n, "unlisted.example", A), u64::from(n))
            .iter()
            .filter(|a| matches!(a, Action::Answer { .. }))
            .count();
    }
    assert!((20..=40).contains(&answers), "20 at once and 20 in the second: {answers}");
    let mut bench = Bench::new();
    let sent: usize = (0..1000).map(|n| bench.asks(1, &ask(n, "api.example.com", A), 0).len()).sum();
    assert_eq!(sent, MAX_PER_APP, "as many as may wait");
    assert_eq!(
        *bench.starts(0, 1, "api.example.com", 0).server.ip(),
        SERVERS[0],
        "the other app doesn't notice"
    );
}

#[test]
fn question_asked_once_more_while_it_waits_is_under_way_already() {
    let mut bench = Bench::new();
    bench.starts(0, 77, "api.example.com", 0);
    assert_eq!(bench.asks(0, &ask(77, "api.example.com", A), 1000), []);
    bench.starts(0, 78, "api.example.com", 1000);
}

#[test]
fn questions_of_all_apps_together_are_bounded_and_the_last_is_for_the_os() {
    let mut bench = Bench::new();
    let mut asks = 0;
    for app in 0..12 {
        bench.step(Event::Join { app, policy: policy(&[("api.example.com", HTTPS)]) }, 0);
        for id in 0..10 {
            asks += bench.asks(app, &ask(id, "api.example.com", A), 0).len();
        }
    }
    assert_eq!(asks, MAX_IN_FLIGHT - 1);
    asked(&bench.step(Event::Resolve { name: "time.example" }, 0));
    assert_eq!(
        bench.step(Event::Resolve { name: "other.example" }, 0),
        [Action::Resolved { name: "other.example".into(), addresses: vec![] }]
    );
}

#[test]
fn server_that_names_ever_new_addresses_fills_no_more_than_the_bound() {
    let mut bench = Bench::new();
    let (mut elements, mut refused) = (0, 0);
    for n in 0..300u16 {
        let now = u64::from(n) * 100;
        let asked = bench.starts(0, n, "api.example.com", now);
        let [high, low] = n.to_be_bytes();
        let told = (1..=8).fold(Told::to(&asked.bytes), |told, k| told.address(3600, [20, high, low, k]));
        let actions = bench.told(&asked, &told.bytes(), now);
        for action in &actions {
            if let Action::Open { ports, .. } = action {
                elements += ports.len();
            }
        }
        refused += usize::from(rcode(&actions) == Some(2));
    }
    assert_eq!((elements, refused), (MAX_ELEMENTS, 300 - MAX_ELEMENTS / 16));
}

#[test]
fn device_offline_fails_questions_at_once() {
    let mut bench = Bench::offline();
    assert_eq!(rcode(&bench.asks(0, &ask(1, "api.example.com", A), 0)), Some(2));
    assert_eq!(rcode(&bench.asks(0, &ask(1, "unlisted.example", A), 0)), Some(3));
    bench.step(Event::Online { servers: &[], own: OWN, prefix: 24 }, 0);
    assert_eq!(rcode(&bench.asks(0, &ask(1, "api.example.com", A), 0)), Some(2), "nobody to ask");
    bench.step(Event::Online { servers: &SERVERS, own: OWN, prefix: 24 }, 0);
    let asked = bench.starts(0, 77, "api.example.com", 0);
    let actions = bench.step(Event::Offline, 10);
    assert_eq!((&actions[0], rcode(&actions)), (&Action::Close { query: asked.query }, Some(2)));
    let none = Action::Resolved { name: "time.example".into(), addresses: vec![] };
    assert_eq!(bench.step(Event::Resolve { name: "time.example" }, 20), [none]);
}

#[test]
fn device_whose_servers_are_gone_still_judges_the_answer_that_is_under_way() {
    let mut bench = Bench::new();
    let asked = bench.starts(0, 77, "api.example.com", 0);
    bench.step(Event::Online { servers: &[], own: OWN, prefix: 24 }, 1);
    let told = Told::to(&asked.bytes).address(60, OWN.octets()).address(60, ADDRESS.octets()).bytes();
    let actions = bench.told(&asked, &told, 5);
    assert!(matches!(actions[1], Action::Open { address: ADDRESS, .. }), "{actions:?}");
    assert_eq!(actions.len(), 3);
}

#[test]
fn app_that_leaves_takes_its_questions_along() {
    for again in [false, true] {
        let mut bench = Bench::new();
        let asked = bench.starts(0, 77, "api.example.com", 0);
        let other = bench.starts(1, 78, "api.example.com", 0);
        let event = match again {
            true => Event::Join { app: 0, policy: policy(&[("b.example", HTTPS)]) },
            false => Event::Leave { app: 0 },
        };
        assert_eq!(bench.step(event, 5), [Action::Close { query: asked.query }]);
        let good = Told::to(&asked.bytes).address(300, ADDRESS.octets()).bytes();
        assert_eq!(bench.told(&asked, &good, 6), []);
        let code = rcode(&bench.asks(0, &ask(79, "api.example.com", A), 7));
        assert_eq!(code, again.then_some(3), "it isn't listed any more");
        assert_eq!(rcode(&bench.told(&other, &Told::to(&other.bytes).bytes(), 8)), Some(0));
    }
}

#[test]
fn name_for_the_os_is_resolved_and_opened_for_nobody() {
    let mut bench = Bench::new();
    let asked = asked(&bench.step(Event::Resolve { name: "time.example" }, 0));
    assert_eq!(bench.step(Event::Resolve { name: "time.example" }, 1), [], "it is under way");
    let told = Told::to(&asked.bytes).address(60, [127, 0, 0, 1]).address(60, ADDRESS.octets()).bytes();
    assert_eq!(
        bench.told(&asked, &told, 5),
        [
            Action::Close { query: asked.query },
            Action::Resolved { name: "time.example".into(), addresses: vec![ADDRESS] }
        ]
    );
    let none = Action::Resolved { name: "no name".into(), addresses: vec![] };
    assert_eq!(bench.step(Event::Resolve { name: "no name" }, 0), [none]);
}

#[derive(Debug, Clone)]
enum Happening {
    Join(u8),
    Leave(u8),
    Online(usize),
    Offline,
    Question { app: u8, name: usize, kind: u16, id: u16, bytes: Option<Vec<u8>> },
    Answer { which: usize, address: [u8; 4], ttl_s: u32, alter: Option<(usize, u8)>, from: bool },
    Bytes { which: usize, bytes: Vec<u8> },
    Unreachable(usize),
    Resolve,
    Deadline,
}

const NAMES: [&str; 4] = ["api.example.com", "b.example", "unlisted.example", "other.example"];

fn happening() -> impl Strategy<Value = Happening> {
    let address = prop::sample::select(vec![
        [93, 1, 1, 1],
        [93, 1, 1, 2],
        [127, 0, 0, 1],
        [10, 0, 2, 15],
        [100, 115, 92, 4],
    ]);
    let valid = mutated(ask(9, "api.example.com", A));
    let bytes = prop_oneof![valid, prop::collection::vec(any::<u8>(), 0..100)];
    prop_oneof![
        1 => (0u8..4).prop_map(Happening::Join),
        1 => prop_oneof![(0u8..4).prop_map(Happening::Leave), Just(Happening::Offline)],
        2 => (0usize..4).prop_map(Happening::Online),
        8 => (0u8..4, 0usize..4, prop::sample::select(vec![A, A, A, AAAA, 16]), any::<u16>(), prop::option::weighted(0.2, bytes))
            .prop_map(|(app, name, kind, id, bytes)| Happening::Question { app, name, kind, id, bytes }),
        8 => (0usize..30, address, prop::sample::select(vec![0, 60, u32::MAX]),
              prop::option::weighted(0.3, (0usize..60, any::<u8>())), prop::bool::weighted(0.9))
            .prop_map(|(which, address, ttl_s, alter, from)| Happening::Answer { which, address, ttl_s, alter, from }),
        1 => (0usize..30, prop::collection::vec(any::<u8>(), 0..100)).prop_map(|(which, bytes)| Happening::Bytes { which, bytes }),
        1 => (0usize..30).prop_map(Happening::Unreachable),
        1 => Just(Happening::Resolve),
        2 => Just(Happening::Deadline),
    ]
}

proptest! {
    /// Whatever comes in whatever order: sockets are bounded and every one is closed once, only usable addresses of
    /// listed names are opened, and nothing is answered that isn't open.
    #[test]
    fn proxy_under_any_events_keeps_its_promises(
        events in prop::collection::vec(happening(), 1..200),
        seed in any::<u32>(),
    ) {
        let mut bench = Bench { proxy: Proxy::new(), random: seed };
        let mut sockets: Vec<Asked> = vec![];
        let mut seen = 0;
        let mut now = 0;
        for event in events {
            now += 7;
            let bytes;
            let event = match event {
                Happening::Join(app) => Event::Join { app, policy: policy(&[("api.example.com", HTTPS), ("b.example", COAP)]) },
                Happening::Leave(app) => Event::Leave { app },
                Happening::Online(count) => Event::Online { servers: &SERVERS[..count.min(2)], own: OWN, prefix: 24 },
                Happening::Offline => Event::Offline,
                Happening::Question { app, name, kind, id, bytes: other } => {
                    bytes = other.unwrap_or_else(|| ask(id, NAMES[name], kind));
                    Event::Question { app, port: 4000, bytes: &bytes }
                }
                Happening::Answer { which, address, ttl_s, alter, from } => {
                    let Some(asked) = sockets.get(which) else { continue };
                    let mut told = Told::to(&asked.bytes).address(ttl_s, address).bytes();
                    if let Some((at, value)) = alter && let Some(byte) = told.get_mut(at) { *byte = value; }
                    bytes = told;
                    let from = if from { asked.server } else { SocketAddrV4::new(OWN, PORT) };
                    Event::Answer { query: asked.query, from, bytes: &bytes }
                }
                Happening::Bytes { which, bytes: other } => {
                    let Some(asked) = sockets.get(which) else { continue };
                    bytes = other;
                    Event::Answer { query: asked.query, from: asked.server, bytes: &bytes }
                }
                Happening::Unreachable(which) => Event::Unreachable { query: sockets.get(which).map_or(QueryId(u64::MAX), |s| s.query) },
                Happening::Resolve => Event::Resolve { name: "time.example" },
                Happening::Deadline => { now = bench.proxy.deadline().unwrap_or(now).max(now); Event::Timer }
            };
            let timer = event == Event::Timer;
            let mut open = vec![];
            for action in bench.step(event, now) {
                match action {
                    Action::Ask { query, server, bytes } => {
                        prop_assert!(query.0 >= seen, "never used again");
                        seen = query.0 + 1;
                        sockets.push(Asked { query, server, bytes });
                    }
                    Action::Close { query } => {
                        let index = sockets.iter().position(|asked| asked.query == query);
                        prop_assert!(index.is_some(), "closed but not open");
                        sockets.remove(index.unwrap_or_default());
                    }
                    Action::Open { address, ports, ttl_s, .. } => {
                        let here = address == OWN || [0, 255].map(|n| Ipv4Addr::new(10, 0, 2, n)).contains(&address);
                        prop_assert!(address::is_believable(address) && !here, "{}", address);
                        prop_assert!((10..=3600).contains(&ttl_s), "{}", ttl_s);
                        prop_assert!(ports == [HTTPS] || ports == [COAP]);
                        open.push(address);
                    }
                    Action::Answer { bytes, .. } => {
                        prop_assert!(bytes.len() <= 512);
                        for _ in 0..bytes[7] {
                            let address = open.pop();
                            prop_assert!(address.is_some_and(|a| bytes.windows(4).any(|w| w == a.octets())));
                        }
                    }
                    Action::Denied { what, .. } => prop_assert!(what.len() <= 1200),
                    Action::Resolved { .. } | Action::Log(_) => {}
                }
            }
            prop_assert!(sockets.len() <= MAX_IN_FLIGHT);
            prop_assert_eq!(bench.proxy.deadline().is_some(), !sockets.is_empty());
            if timer && let Some(next) = bench.proxy.deadline() {
                prop_assert!(next > now);
            }
        }
        for asked in &sockets {
            bench.step(Event::Unreachable { query: asked.query }, now);
        }
        let closed = bench.step(Event::Offline, now).into_iter().filter(|a| matches!(a, Action::Close { .. })).count();
        prop_assert!(closed <= sockets.len());
        prop_assert_eq!(bench.proxy.deadline(), None);
    }
}
