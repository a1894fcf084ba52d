//! Any events in any order.

use proptest::prelude::*;

use super::super::super::answer::tests::mutated;
use super::*;

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
                    Action::Denied { tried, .. } => prop_assert!(tried.len() <= 1200),
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
