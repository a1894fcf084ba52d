//! What apps ask, and what becomes of it.

use super::*;

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
            Action::Open {
                app: 0,
                name: "api.example.com".into(),
                address: ADDRESS,
                ports: vec![HTTPS, COAP],
                ttl_s: 300
            },
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
        Action::Denied { app: 1, tried: "resolve b.example".into(), entry: Ok("tcp:b.example:443".into()) }
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
        [Action::Denied { tried, entry: Err(_), .. }, Action::Answer { .. }] => {
            assert_eq!(tried, "resolve a\\034c.example");
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
