//! What servers say, and what of it is believed.

use super::*;

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
    assert_eq!(
        opened,
        [Action::Open {
            app: 1,
            name: "api.example.com".into(),
            address: ADDRESS,
            ports: vec![HTTPS],
            ttl_s: 10
        }]
    );
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
