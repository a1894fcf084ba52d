use proptest::prelude::*;

use super::super::message::tests::{MAC, Sent, xid_of};
use super::super::timing::{JITTER, LONGEST_PAUSE};
use super::*;

const SERVER_ID: u8 = 54;
const LEASE: u8 = 51;
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

/// A client whose random numbers are 1000, which moves no pause, plus a count of the calls in steps of 2001.
struct Bench {
    client: Client,
    calls: u32,
}

impl Bench {
    fn new() -> Self {
        Self { client: Client::new(MAC), calls: 0 }
    }

    fn step(&mut self, event: Event<'_>, now: Millis) -> Vec<Action> {
        let calls = &mut self.calls;
        self.client.step(event, now, &mut || {
            *calls += 1;
            1000 + 2001 * *calls
        })
    }

    /// The one message that a step sends.
    fn sends(&mut self, event: Event<'_>, now: Millis) -> (Destination, Vec<u8>) {
        match self.step(event, now).as_slice() {
            [Action::Send { to, bytes }] => (*to, bytes.clone()),
            other => panic!("not one message: {other:?}"),
        }
    }

    fn receives(&mut self, sent: &Sent, now: Millis) -> Vec<Action> {
        self.step(Event::Datagram(&sent.bytes()), now)
    }

    /// Up to a lease of `lease_s` seconds asked for at 20 ms.
    fn bound(lease_s: u32) -> Self {
        let mut bench = Self::new();
        let xid = xid_of(&bench.sends(Event::Up, 0).1);
        let times = |sent: Sent| sent.with(LEASE, &lease_s.to_be_bytes());
        let (_, request) = bench.sends(Event::Datagram(&times(Sent::new(2, xid)).bytes()), 20);
        assert_eq!(xid_of(&request), xid, "the request has the offer's number");
        assert!(matches!(bench.receives(&times(Sent::new(5, xid)), 30).as_slice(), [Action::Bound(_)]));
        bench
    }
}

fn kind_of(bytes: &[u8]) -> u8 {
    bytes[242]
}

#[test]
fn client_with_a_sound_server_is_bound_after_four_messages() {
    let mut bench = Bench::new();
    assert_eq!(bench.step(Event::Timer, 0), [], "without a carrier it is silent");
    let (to, discover) = bench.sends(Event::Up, 0);
    assert_eq!((to, kind_of(&discover)), (Destination::Broadcast, 1));
    let xid = xid_of(&discover);
    let (to, request) = bench.sends(Event::Datagram(&Sent::new(2, xid).bytes()), 20);
    assert_eq!((to, kind_of(&request)), (Destination::Broadcast, 3));
    let actions = bench.receives(&Sent::new(5, xid), 30);
    let lease = bench.client.lease().expect("a lease").clone();
    assert_eq!(lease.address, Ipv4Addr::new(10, 0, 2, 15));
    assert_eq!(actions, [Action::Bound(lease)]);
    let t1 = bench.client.deadline().expect("T1");
    assert!(
        (1_743_770..=1_800_020).contains(&t1),
        "half of 3600 s, from the request, up to 1/32 earlier: {t1}"
    );
    assert_eq!(bench.receives(&Sent::new(5, xid), 40), [], "an echo does nothing");
}

#[test]
fn client_without_a_server_asks_ever_slower_for_ever_and_says_so_once() {
    let mut bench = Bench::new();
    bench.sends(Event::Up, 0);
    let mut logs = 0;
    let mut pauses = vec![];
    let mut now = 0;
    for _ in 0..50 {
        let next = bench.client.deadline().expect("a deadline");
        assert_eq!(bench.step(Event::Timer, next - 1), []);
        pauses.push(next - now);
        now = next;
        let actions = bench.step(Event::Timer, now);
        logs += actions.iter().filter(|a| matches!(a, Action::Log(_))).count();
        assert_eq!(actions.iter().filter(|a| matches!(a, Action::Send { .. })).count(), 1);
    }
    assert_eq!(logs, 1);
    assert_eq!(pauses[..7], [2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 64_000]);
}

#[test]
fn client_without_an_address_ignores_what_does_not_belong_to_its_request() {
    let mut bench = Bench::new();
    let xid = xid_of(&bench.sends(Event::Up, 0).1);
    for (sent, what) in [
        (Sent::new(2, xid ^ 1), "an offer with another number"),
        (Sent::new(5, xid), "a grant without a request"),
        (Sent::new(6, xid), "a refusal without a request"),
    ] {
        assert_eq!(bench.receives(&sent, 5), [], "{what}");
    }
    bench.sends(Event::Datagram(&Sent::new(2, xid).bytes()), 20);
    for (sent, what) in [
        (Sent::new(2, xid), "another offer"),
        (Sent::new(5, xid ^ 1), "a grant with another number"),
        (Sent::new(5, xid).with(SERVER_ID, &[10, 0, 2, 9]), "a grant of another server"),
        (Sent::new(6, xid).with(SERVER_ID, &[10, 0, 2, 9]), "a refusal of another server"),
        (Sent::new(6, xid).with(SERVER_ID, &[]), "a refusal of nobody"),
        (Sent { address: [10, 0, 2, 16], ..Sent::new(5, xid) }, "a grant of another address"),
    ] {
        assert_eq!(bench.receives(&sent, 25), [], "{what}");
    }
    assert!(matches!(bench.receives(&Sent::new(5, xid), 30).as_slice(), [Action::Bound(_)]));
}

#[test]
fn client_with_a_useless_offer_goes_on_and_complains_once() {
    let mut bench = Bench::new();
    let xid = xid_of(&bench.sends(Event::Up, 0).1);
    let useless = Sent { address: [127, 0, 0, 1], ..Sent::new(2, xid) };
    assert_eq!(
        bench.receives(&useless, 5),
        [Action::Log(
            "the offer of a DHCP server is of no use: its address 127.0.0.1 is no machine's".into()
        )]
    );
    for _ in 0..1000 {
        assert_eq!(bench.receives(&useless, 6), []);
    }
    bench.sends(Event::Datagram(&Sent::new(2, xid).bytes()), 20);
}

#[test]
fn server_that_offers_and_never_grants_is_left_for_another() {
    let mut bench = Bench::new();
    let xid = xid_of(&bench.sends(Event::Up, 0).1);
    bench.sends(Event::Datagram(&Sent::new(2, xid).bytes()), 20);
    for _ in 0..3 {
        let next = bench.client.deadline().expect("a deadline");
        assert_eq!(kind_of(&bench.sends(Event::Timer, next).1), 3);
    }
    let next = bench.client.deadline().expect("a deadline");
    assert!(matches!(bench.step(Event::Timer, next).as_slice(), [Action::Log(_)]));
    let again = bench.client.deadline().expect("a pause");
    assert!(again >= next + 1_000);
    let (_, discover) = bench.sends(Event::Timer, again);
    assert_eq!(kind_of(&discover), 1);
    let new = xid_of(&discover);
    assert_ne!(new, xid);
    assert_eq!(bench.receives(&Sent::new(2, new), again + 1), [], "its offer is kept in reserve");
    let other = Sent::new(2, new).with(SERVER_ID, &[10, 0, 2, 7]);
    assert_eq!(kind_of(&bench.sends(Event::Datagram(&other.bytes()), again + 2).1), 3);
}

#[test]
fn server_that_was_left_is_taken_again_if_it_is_the_only_one() {
    let mut bench = Bench::new();
    let xid = xid_of(&bench.sends(Event::Up, 0).1);
    bench.sends(Event::Datagram(&Sent::new(2, xid).bytes()), 20);
    assert!(matches!(bench.receives(&Sent::new(6, xid), 30).as_slice(), [Action::Log(_)]));
    let again = bench.client.deadline().expect("a pause");
    assert!((1_030..=3_030).contains(&again));
    let new = xid_of(&bench.sends(Event::Timer, again).1);
    assert_eq!(bench.receives(&Sent::new(2, new), again + 1), []);
    let next = bench.client.deadline().expect("a deadline");
    assert_eq!(kind_of(&bench.sends(Event::Timer, next).1), 3);
    assert!(matches!(bench.receives(&Sent::new(5, new), next + 1).as_slice(), [Action::Bound(_)]));
}

#[test]
fn lease_at_t1_is_renewed_with_its_server_and_in_silence() {
    let mut bench = Bench::bound(3600);
    let t1 = bench.client.deadline().expect("T1");
    let (to, request) = bench.sends(Event::Timer, t1);
    assert_eq!((to, kind_of(&request)), (Destination::Server(SERVER), 3));
    assert_eq!(request[12..16], [10, 0, 2, 15]);
    let xid = xid_of(&request);
    for (sent, what) in [
        (Sent::new(5, xid ^ 1), "another number"),
        (Sent::new(5, xid).with(SERVER_ID, &[10, 0, 2, 9]), "another server"),
        (Sent { address: [10, 0, 2, 16], ..Sent::new(5, xid) }, "another address"),
        (Sent::new(6, xid).with(SERVER_ID, &[10, 0, 2, 9]), "another server's refusal"),
    ] {
        assert_eq!(bench.receives(&sent, t1 + 5), [], "{what}");
    }
    assert_eq!(bench.receives(&Sent::new(5, xid), t1 + 10), [], "nothing has changed");
    let next = bench.client.deadline().expect("T1");
    assert!(next > t1 + 1_740_000, "the lease counts anew");
    let changed = Sent::new(5, xid_of(&bench.sends(Event::Timer, next).1)).with(6, &[10, 0, 2, 8]);
    match bench.receives(&changed, next + 1).as_slice() {
        [Action::Bound(lease)] => assert_eq!(lease.name_servers, [Ipv4Addr::new(10, 0, 2, 8)]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn lease_that_nobody_prolongs_is_asked_for_everywhere_and_ends() {
    let mut bench = Bench::bound(3600);
    let (t2, end) = (3_150_020, 3_600_020);
    let mut numbers = vec![];
    loop {
        let now = bench.client.deadline().expect("a deadline");
        if now >= end {
            break;
        }
        let (to, request) = bench.sends(Event::Timer, now);
        let expected = if now >= t2 { Destination::Broadcast } else { Destination::Server(SERVER) };
        assert_eq!(to, expected, "{now}");
        assert!(!numbers.contains(&xid_of(&request)));
        numbers.push(xid_of(&request));
    }
    assert!((6..20).contains(&numbers.len()), "{}", numbers.len());
    assert_eq!(bench.client.deadline(), Some(end));
    let actions = bench.step(Event::Timer, end);
    assert_eq!(actions[0], Action::Lost("the lease of 10.0.2.15 ran out".into()));
    assert!(
        matches!(&actions[1..], [Action::Send { to: Destination::Broadcast, bytes }] if kind_of(bytes) == 1)
    );
    assert_eq!(bench.client.lease(), None);
}

#[test]
fn lease_in_rebinding_is_prolonged_by_another_server() {
    let mut bench = Bench::bound(3600);
    let (_, request) = bench.sends(Event::Timer, 3_200_000);
    let other = Sent::new(5, xid_of(&request)).with(SERVER_ID, &[10, 0, 2, 7]);
    match bench.receives(&other, 3_200_010).as_slice() {
        [Action::Bound(lease)] => assert_eq!(lease.server, Ipv4Addr::new(10, 0, 2, 7)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn lease_whose_renewal_is_refused_is_lost_and_another_is_sought_after_a_pause() {
    let mut bench = Bench::bound(3600);
    let t1 = bench.client.deadline().expect("T1");
    let xid = xid_of(&bench.sends(Event::Timer, t1).1);
    assert_eq!(
        bench.receives(&Sent::new(6, xid), t1 + 5),
        [Action::Lost("the DHCP server refuses to prolong 10.0.2.15".into())]
    );
    let again = bench.client.deadline().expect("a pause");
    assert!(again >= t1 + 1_005);
    assert_eq!(kind_of(&bench.sends(Event::Timer, again).1), 1);
}

#[test]
fn lease_after_a_long_sleep_is_lost_at_once() {
    let mut bench = Bench::bound(60);
    let actions = bench.step(Event::Timer, 10_000_000);
    assert!(matches!(actions.as_slice(), [Action::Lost(_), Action::Send { .. }]));
}

#[test]
fn carrier_lost_ends_the_lease_and_back_asks_for_the_same_address() {
    let mut bench = Bench::bound(3600);
    assert_eq!(bench.step(Event::Down, 100), [Action::Lost("the interface has no carrier".into())]);
    assert_eq!((bench.step(Event::Down, 101), bench.client.deadline()), (vec![], None));
    let (_, discover) = bench.sends(Event::Up, 200);
    assert_eq!(discover[252..258], [50, 4, 10, 0, 2, 15]);
    assert_eq!(bench.step(Event::Up, 201), [], "it is up already");
}

#[derive(Debug, Clone)]
enum Happening {
    Up,
    Down,
    Bytes(Vec<u8>),
    /// A server's message to the last request, with one byte changed and cut.
    Server {
        kind: u8,
        lease_s: u32,
        address: [u8; 4],
        flip: Option<(usize, u8)>,
        cut: usize,
    },
    Deadline,
    Early,
}

fn happening() -> impl Strategy<Value = Happening> {
    let server = (
        prop::sample::select(vec![2u8, 2, 5, 5, 6, 1]),
        prop::sample::select(vec![10u32, 60, 3600, u32::MAX, 1]),
        prop::sample::select(vec![[10, 0, 2, 15], [10, 0, 2, 15], [10, 0, 2, 16], [127, 0, 0, 1]]),
        prop::option::weighted(0.2, (0usize..300, any::<u8>())),
        prop::sample::select(vec![usize::MAX, usize::MAX, usize::MAX, 250]),
    );
    prop_oneof![
        1 => Just(Happening::Up),
        1 => prop::bool::weighted(0.2).prop_map(|down| if down { Happening::Down } else { Happening::Early }),
        1 => prop::collection::vec(any::<u8>(), 0..400).prop_map(Happening::Bytes),
        8 => server.prop_map(|(kind, lease_s, address, flip, cut)| Happening::Server {
            kind, lease_s, address, flip, cut
        }),
        4 => Just(Happening::Deadline),
    ]
}

proptest! {
    /// Whatever comes in whatever order: the actions tell the truth about the lease, the client always has something
    /// to wait for while it is up, and it never speaks more than once a step nor faster than its pauses allow.
    #[test]
    fn client_under_any_events_keeps_its_promises(
        events in prop::collection::vec(happening(), 1..120),
        seed in any::<u32>(),
    ) {
        let mut client = Client::new(MAC);
        let (mut now, mut random, mut up, mut bound, mut xid) = (0, seed, false, None, 0);
        for event in events {
            let bytes;
            let event = match event {
                Happening::Up => { up = true; Event::Up }
                Happening::Down => { up = false; Event::Down }
                Happening::Bytes(other) => { bytes = other; Event::Datagram(&bytes) }
                Happening::Server { kind, lease_s, address, flip, cut } => {
                    let mut sent = Sent { address, ..Sent::new(kind, xid) }.with(LEASE, &lease_s.to_be_bytes()).bytes();
                    if let Some((at, value)) = flip && let Some(byte) = sent.get_mut(at) { *byte = value; }
                    sent.truncate(cut);
                    bytes = sent;
                    Event::Datagram(&bytes)
                }
                Happening::Deadline => { now = client.deadline().unwrap_or(now).max(now); Event::Timer }
                Happening::Early => { now += 1; Event::Timer }
            };
            let timer = event == Event::Timer;
            let actions = client.step(event, now, &mut || {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                random
            });
            let mut sends = 0;
            for action in actions {
                match action {
                    Action::Send { bytes, .. } => { sends += 1; xid = xid_of(&bytes); }
                    Action::Bound(lease) => bound = Some(lease),
                    Action::Lost(_) => { prop_assert!(bound.is_some(), "lost what it hadn't"); bound = None; }
                    Action::Log(line) => prop_assert!(line.len() < 200),
                }
            }
            prop_assert!(sends <= 1);
            prop_assert_eq!(client.lease(), bound.as_ref());
            prop_assert_eq!(client.deadline().is_some(), up);
            if timer && let Some(next) = client.deadline() {
                prop_assert!(next > now, "a timer that doesn't move on would spin");
            }
            if bound.is_none() && let Some(next) = client.deadline() {
                prop_assert!(next <= now + LONGEST_PAUSE + JITTER);
            }
        }
    }
}
