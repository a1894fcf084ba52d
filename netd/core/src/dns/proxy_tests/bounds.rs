//! What one app, or one server, can use up.

use super::*;

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
