use proptest::prelude::*;

use super::*;

const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 4);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 5);

/// 2026-06-01T00:00:00Z.
const NOW_UNIX_S: u64 = 1_780_272_000;

struct Bench {
    client: Client,
    calls: u32,
}

impl Bench {
    fn new(names: &[&str]) -> Self {
        Self { client: Client::new(&names.iter().map(|name| name.to_string()).collect::<Vec<_>>()), calls: 0 }
    }

    fn step(&mut self, event: Event<'_>, now: Millis) -> Vec<Action> {
        let calls = &mut self.calls;
        self.client.step(event, now, &mut || {
            *calls += 1;
            *calls
        })
    }

    fn deadline(&self) -> Millis {
        self.client.deadline().expect("a deadline")
    }

    fn receives(&mut self, from: Ipv4Addr, bytes: &[u8], now: Millis) -> Vec<Action> {
        self.step(Event::Datagram { from: SocketAddrV4::new(from, PORT), bytes }, now)
    }
}

/// The one question among the actions: to whom, and its nonce.
fn question(actions: &[Action]) -> (Ipv4Addr, [u8; 8]) {
    let mut sent = actions.iter().filter_map(|action| match action {
        Action::Send { to, bytes } => Some((*to.ip(), bytes[40..48].try_into().expect("8 bytes"))),
        _ => None,
    });
    let first = sent.next().unwrap_or_else(|| panic!("no question in {actions:?}"));
    assert_eq!(sent.next(), None);
    first
}

/// A good answer; the server took 0.25 s.
fn answer(nonce: [u8; 8]) -> Vec<u8> {
    let mut bytes = vec![0; packet::LEN];
    bytes[0] = 0x24;
    bytes[1] = 2;
    bytes[24..32].copy_from_slice(&nonce);
    let seconds = NOW_UNIX_S + 2_208_988_800;
    bytes[32..40].copy_from_slice(&(seconds << 32).to_be_bytes());
    bytes[40..48].copy_from_slice(&(seconds << 32 | 0x4000_0000).to_be_bytes());
    bytes
}

fn with(nonce: [u8; 8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut changed = answer(nonce);
    changed[at..at + bytes.len()].copy_from_slice(bytes);
    changed
}

fn is_log(action: &Action) -> bool {
    matches!(action, Action::Log(_))
}

#[test]
fn time_of_a_good_answer_is_corrected_for_half_of_the_way() {
    let mut bench = Bench::new(&[]);
    let (to, nonce) = question(&bench.step(Event::Online { servers: &[FIRST] }, 1000));
    assert_eq!(to, FIRST);
    let expected = NOW_UNIX_S * 1000 + 250 + (450 - 250) / 2;
    assert_eq!(
        bench.receives(FIRST, &answer(nonce), 1450),
        [Action::Time { unix_ms: expected, server: "10.0.2.4".into() }]
    );
    let next = bench.deadline();
    assert!((61_000..=70_000).contains(&next), "{next}");
}

#[test]
fn client_with_good_answers_asks_ever_more_rarely_up_to_an_hour() {
    let mut bench = Bench::new(&[]);
    let mut actions = bench.step(Event::Online { servers: &[FIRST] }, 0);
    let (mut now, mut pauses) = (0, vec![]);
    for _ in 0..9 {
        let (_, nonce) = question(&actions);
        assert!(matches!(bench.receives(FIRST, &answer(nonce), now).as_slice(), [Action::Time { .. }]));
        pauses.push((bench.deadline() - now) / 60_000);
        now = bench.deadline();
        actions = bench.step(Event::Timer, now);
    }
    assert_eq!(
        pauses,
        [1, 2, 4, 8, 16, 32, 56, 56, 56],
        "an hour less a sixteenth, as the random numbers are small"
    );
}

#[test]
fn datagram_that_is_not_the_answer_is_ignored() {
    let mut bench = Bench::new(&[]);
    let (_, nonce) = question(&bench.step(Event::Online { servers: &[FIRST] }, 0));
    let good = answer(nonce);
    for (from, bytes, what) in [
        (SocketAddrV4::new(SECOND, PORT), good.clone(), "another server"),
        (SocketAddrV4::new(FIRST, 124), good.clone(), "another port"),
        (SocketAddrV4::new(FIRST, PORT), with(nonce, 31, &[nonce[7] ^ 1]), "another question's"),
        (SocketAddrV4::new(FIRST, PORT), with(nonce, 24, &[0; 8]), "nobody's"),
        (SocketAddrV4::new(FIRST, PORT), with(nonce, 0, &[0x23]), "a question"),
        (SocketAddrV4::new(FIRST, PORT), good[..47].to_vec(), "a part"),
    ] {
        for _ in 0..1000 {
            assert_eq!(bench.step(Event::Datagram { from, bytes: &bytes }, 5), [], "{what}");
        }
    }
    assert!(matches!(bench.receives(FIRST, &good, 10).as_slice(), [Action::Time { .. }]));
    assert_eq!(bench.receives(FIRST, &good, 11), [], "an echo");
}

#[test]
fn answer_that_is_not_believed_leads_to_the_next_server() {
    let stamp = |unix_s: u64| ((unix_s + 2_208_988_800) << 32).to_be_bytes();
    for (at, bytes, words) in [
        (0, &[0xe4][..], "its clock is not set"),
        (1, &[16][..], "its clock is not set"),
        (1, &[0][..], "its clock is not set"),
        (40, &[0; 8][..], "its clock is not set"),
        (40, &stamp(1_767_225_599)[..], "its time is before 2026 or after 2035"),
        (40, &stamp(2_082_758_400)[..], "its time is before 2026 or after 2035"),
        (40, &0x8000_0000_0000_0000u64.to_be_bytes()[..], "its time is before 2026 or after 2035"),
    ] {
        let mut bench = Bench::new(&[]);
        let (_, nonce) = question(&bench.step(Event::Online { servers: &[FIRST, SECOND] }, 0));
        let actions = bench.receives(FIRST, &with(nonce, at, bytes), 10);
        assert_eq!(actions[0], Action::Log(format!("the time server 10.0.2.4 is not believed: {words}")));
        let (to, nonce) = question(&actions);
        assert_eq!(to, SECOND);
        assert!(matches!(bench.receives(SECOND, &answer(nonce), 20).as_slice(), [Action::Time { .. }]));
    }
}

#[test]
fn server_that_wants_to_be_left_alone_is() {
    for (code, rest) in [(*b"RATE", REST_RATE), (*b"DENY", REST_DENIED), (*b"RSTR", REST_DENIED)] {
        let mut bench = Bench::new(&[]);
        let (_, nonce) = question(&bench.step(Event::Online { servers: &[FIRST] }, 0));
        let mut kiss = with(nonce, 1, &[0]);
        kiss[12..16].copy_from_slice(&code);
        assert!(bench.receives(FIRST, &kiss, 10).iter().all(is_log));
        assert_eq!(
            bench.step(Event::Online { servers: &[FIRST] }, 20),
            [],
            "nor after a change of the network"
        );
        let mut now = 20;
        while now < rest + 10 {
            assert!(bench.step(Event::Timer, now).iter().all(is_log));
            let next = bench.deadline();
            assert!(next > now);
            now = next;
        }
        question(&bench.step(Event::Timer, now));
    }
}

#[test]
fn client_without_answers_goes_round_ever_more_slowly_and_says_so_once() {
    let mut bench = Bench::new(&[]);
    let mut actions = bench.step(Event::Online { servers: &[FIRST, SECOND] }, 0);
    let (mut logs, mut pauses, mut now) = (0, vec![], 0);
    for _ in 0..12 {
        assert_eq!(question(&actions).0, FIRST);
        now += PATIENCE;
        assert_eq!(bench.deadline(), now);
        assert_eq!(question(&bench.step(Event::Timer, now)).0, SECOND);
        now += PATIENCE;
        logs += bench.step(Event::Timer, now).iter().filter(|action| is_log(action)).count();
        pauses.push((bench.deadline() - now) / 1000);
        now = bench.deadline();
        actions = bench.step(Event::Timer, now);
    }
    assert_eq!(logs, 1);
    assert_eq!(pauses, [3, 7, 15, 30, 60, 120, 240, 480, 960, 960, 960, 960]);
}

#[test]
fn server_with_a_name_is_resolved_and_asked() {
    let mut bench = Bench::new(&["time.example", "other.example"]);
    let resolve = |name: &str| vec![Action::Resolve { name: name.into() }];
    assert_eq!(bench.step(Event::Online { servers: &[] }, 0), resolve("time.example"));
    let event = Event::Resolved { name: "other.example", addresses: &[FIRST] };
    assert_eq!(bench.step(event, 1), [], "not the name that it waits for");
    let event = Event::Resolved { name: "time.example", addresses: &[] };
    assert_eq!(bench.step(event, 2), resolve("other.example"));
    let event = Event::Resolved { name: "other.example", addresses: &[FIRST, SECOND] };
    let (to, nonce) = question(&bench.step(event, 3));
    match bench.receives(to, &answer(nonce), 10).as_slice() {
        [Action::Time { server, .. }] => assert_eq!(server, "other.example"),
        other => panic!("{other:?}"),
    }
    let later = bench.deadline();
    assert_eq!(bench.step(Event::Timer, later), resolve("time.example"));
    assert_eq!(bench.step(Event::Timer, later + RESOLVING), resolve("other.example"), "nobody resolves it");
}

#[test]
fn client_offline_or_without_servers_is_silent() {
    let mut bench = Bench::new(&[]);
    assert_eq!((bench.step(Event::Online { servers: &[] }, 0), bench.client.deadline()), (vec![], None));
    let (_, nonce) = question(&bench.step(Event::Online { servers: &[FIRST] }, 10));
    assert_eq!((bench.step(Event::Offline, 20), bench.client.deadline()), (vec![], None));
    assert_eq!(bench.receives(FIRST, &answer(nonce), 30), []);
    assert_eq!(bench.step(Event::Timer, 40), []);
}

#[derive(Debug, Clone)]
enum Happening {
    Online(u8),
    Offline,
    Resolved(bool),
    Bytes(Vec<u8>),
    Answer { change: Option<(usize, u8)>, cut: usize },
    Deadline,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0u8..6).prop_map(Happening::Online),
        Just(Happening::Offline),
        any::<bool>().prop_map(Happening::Resolved),
        prop::collection::vec(any::<u8>(), 0..80).prop_map(Happening::Bytes),
        (prop::option::of((0usize..48, any::<u8>())), 40usize..120)
            .prop_map(|(change, cut)| Happening::Answer { change, cut }),
        Just(Happening::Deadline),
        Just(Happening::Deadline),
    ]
}

proptest! {
    #[test]
    fn client_under_any_events_gives_only_believable_times_and_never_spins(
        events in prop::collection::vec(happening(), 1..150),
        seed in any::<u32>(),
    ) {
        let mut client = Client::new(&["time.example".into()]);
        let (mut now, mut random, mut last) = (0u64, seed, (FIRST, [0u8; 8]));
        for event in events {
            let bytes;
            let servers = [FIRST, SECOND, FIRST, SECOND, FIRST];
            let datagram = |from| SocketAddrV4::new(from, PORT);
            let event = match event {
                Happening::Online(count) => Event::Online { servers: &servers[..count.into()] },
                Happening::Offline => Event::Offline,
                Happening::Resolved(any) => Event::Resolved {
                    name: "time.example",
                    addresses: if any { &[SECOND] } else { &[] },
                },
                Happening::Bytes(other) => { bytes = other; Event::Datagram { from: datagram(last.0), bytes: &bytes } }
                Happening::Answer { change, cut } => {
                    let mut good = answer(last.1);
                    if let Some((at, value)) = change { good[at] = value; }
                    good.truncate(cut);
                    bytes = good;
                    now += 3;
                    Event::Datagram { from: datagram(last.0), bytes: &bytes }
                }
                Happening::Deadline => { now = client.deadline().unwrap_or(now).max(now); Event::Timer }
            };
            let timer = event == Event::Timer;
            let actions = client.step(event, now, &mut || {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                random
            });
            prop_assert!(actions.len() <= 2);
            for action in &actions {
                match action {
                    Action::Send { to, bytes } => {
                        prop_assert_eq!(bytes.len(), packet::LEN);
                        last = (*to.ip(), bytes[40..48].try_into().expect("8 bytes"));
                    }
                    Action::Time { unix_ms, .. } => prop_assert!(BELIEVABLE.contains(unix_ms)),
                    Action::Resolve { .. } | Action::Log(_) => {}
                }
            }
            if timer && let Some(next) = client.deadline() {
                prop_assert!(next > now);
            }
        }
    }
}
