use nacre_wire::denial::Remedy;
use nacre_wire::net::{Target, Why};
use proptest::prelude::*;

use super::*;

const A: AppIndex = AppIndex(1);
const B: AppIndex = AppIndex(3);
const ONLINE: Report = Report::Online { address: [10, 0, 2, 15], prefix: 24 };

fn at(millis: u64) -> Uptime {
    Uptime::from_millis(millis)
}

fn log(text: &str) -> Action {
    Action::Log(text.into())
}

fn said(network: &mut Network, report: Report, millis: u64) -> Vec<Action> {
    network.step(Event::Report(report), at(millis))
}

fn dropped(app: u8) -> Report {
    let to = Target { protocol: 6, address: [10, 0, 2, 2], port: 8883 };
    Report::Dropped { app, to, why: Why::Unlisted }
}

fn denied(app: u8) -> Report {
    Report::Denied { app, tried: "resolve x".into(), remedy: Remedy::never("x") }
}

/// netd runs and has joined both apps.
fn joined() -> Network {
    let mut network = Network::new([A, B], at(0));
    assert_eq!(network.step(Event::Timer, at(0)), [Action::Start]);
    assert_eq!(network.step(Event::Started, at(1)), [Action::Begin, Action::Join(A)]);
    assert_eq!(said(&mut network, Report::Joined { app: 1 }, 2), [Action::Join(B)]);
    assert_eq!(said(&mut network, Report::Joined { app: 3 }, 3), []);
    assert_eq!(network.deadline(), None);
    network
}

fn online() -> Network {
    let mut network = joined();
    assert_eq!(
        said(&mut network, ONLINE, 10),
        [log("online: 10.0.2.15/24"), Action::Open(A), Action::Open(B)]
    );
    network
}

#[test]
fn network_without_apps_never_starts_netd() {
    let mut network = Network::new([], at(0));
    assert_eq!(network.deadline(), None);
    assert_eq!(network.step(Event::Timer, at(9)), []);
}

#[test]
fn apps_open_when_joined_and_the_device_was_online_once() {
    let mut network = Network::new([A, B], at(0));
    network.step(Event::Timer, at(0));
    network.step(Event::Started, at(1));
    assert_eq!(said(&mut network, ONLINE, 2), [log("online: 10.0.2.15/24")]);
    assert_eq!(said(&mut network, Report::Joined { app: 1 }, 3), [Action::Open(A), Action::Join(B)]);
    let offline = || Report::Offline { why: "no lease".into() };
    assert_eq!(said(&mut network, offline(), 4), [log("offline: no lease")]);
    assert_eq!(network.address(), None);
    assert_eq!(said(&mut network, offline(), 5), [], "told once");
    assert_eq!(said(&mut network, Report::Joined { app: 3 }, 6), [Action::Open(B)]);
    assert_eq!(said(&mut network, ONLINE, 7), [log("online: 10.0.2.15/24")]);
    assert_eq!(said(&mut network, ONLINE, 8), [], "a renewal is no news");
    assert_eq!(network.address(), Some([10, 0, 2, 15]));
}

#[test]
fn netd_ended_closes_the_apps_and_comes_back_later_and_later() {
    let mut network = online();
    let mut now = 20;
    for (pause, text) in [(1_000, "1 s"), (2_000, "2 s"), (4_000, "4 s")] {
        let actions = network.step(Event::Ended(End::Signalled(11)), at(now));
        let closes = actions.iter().filter(|action| matches!(action, Action::Close(_))).count();
        assert_eq!(closes, if pause == 1_000 { 2 } else { 0 }, "{actions:?}");
        let line = format!("ended by signal 11 (SIGSEGV); starts again in {text}");
        assert_eq!(actions.last(), Some(&log(&line)));
        assert_eq!(network.deadline(), Some(at(now + pause)));
        assert_eq!(network.step(Event::Timer, at(now + pause - 1)), []);
        now += pause;
        assert_eq!(network.step(Event::Timer, at(now)), [Action::Start]);
        assert_eq!(network.step(Event::Started, at(now)), [Action::Begin, Action::Join(A)]);
    }
    // The device has been online once: a joined app opens at once.
    let actions = said(&mut network, Report::Joined { app: 1 }, now);
    assert_eq!(actions, [Action::Open(A), Action::Join(B)]);
}

#[test]
fn netd_that_does_not_answer_is_killed() {
    let mut network = Network::new([A], at(0));
    network.step(Event::Timer, at(0));
    network.step(Event::Started, at(0));
    let due = network.deadline().unwrap();
    assert_eq!(due, at(0).after(JOIN_PATIENCE));
    assert_eq!(network.step(Event::Timer, due), [log("does not answer; killed"), Action::Kill]);
    assert_eq!(network.step(Event::Report(Report::Joined { app: 1 }), due), [], "too late");
    assert_eq!(network.deadline(), None);
    let actions = network.step(Event::Ended(End::OutOfMemory), due);
    assert_eq!(actions, [log("killed: out of memory; starts again in 1 s")]);
}

#[test]
fn netd_that_speaks_of_what_it_was_not_asked_is_killed() {
    for report in [
        Report::Joined { app: 1 },
        Report::Joined { app: 0 },
        Report::NotJoined { app: 0, why: String::new() },
        denied(255),
        dropped(255),
    ] {
        let mut network = online();
        let actions = said(&mut network, report, 20);
        assert_eq!(actions.last(), Some(&Action::Kill), "{actions:?}");
        assert_eq!(said(&mut network, Report::Log { text: "x".into() }, 21), []);
    }
    let mut network = online();
    let actions = network.step(Event::Broken("says what is no report".into()), at(20));
    assert_eq!(actions, [log("says what is no report; killed"), Action::Kill]);
}

#[test]
fn app_that_could_not_be_joined_is_tried_again_and_told_once() {
    let mut network = Network::new([A, B], at(0));
    network.step(Event::Timer, at(0));
    network.step(Event::Started, at(0));
    said(&mut network, ONLINE, 0);
    let failed = || Report::NotJoined { app: 1, why: "no memory".into() };
    let told = Action::LogFor(A, "has no network: no memory; tried again".into());
    assert_eq!(said(&mut network, failed(), 10), [told, Action::Join(B)]);
    assert_eq!(said(&mut network, Report::Joined { app: 3 }, 20), [Action::Open(B)]);
    let mut now = 10;
    for pause in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
        assert_eq!(network.deadline(), Some(at(now + pause)));
        now += pause;
        assert_eq!(network.step(Event::Timer, at(now)), [Action::Join(A)]);
        assert_eq!(said(&mut network, failed(), now), []);
    }
    // An app that had joined loses its network: it is closed, and tried again.
    let lost = Report::NotJoined { app: 3, why: "its link is gone".into() };
    let actions = said(&mut network, lost, now);
    assert_eq!(actions.first(), Some(&Action::Close(B)));
}

#[test]
fn what_netd_passes_on_comes_out() {
    let mut network = online();
    for (report, action) in [
        (Report::Log { text: "x".into() }, log("x")),
        (Report::Time { unix_ms: 5, server: "s".into() }, Action::Time { unix_ms: 5, server: "s".into() }),
        (
            denied(3),
            Action::Denied(
                B,
                Layer::Resolver,
                Refusal { tried: "resolve x".into(), remedy: Remedy::never("x") },
            ),
        ),
        (
            dropped(3),
            Action::Denied(
                B,
                Layer::PacketFilter,
                Refusal {
                    tried: "connect tcp 10.0.2.2:8883".into(),
                    remedy: Remedy::manifest("", "network.connect", "tcp:10.0.2.2:8883"),
                },
            ),
        ),
    ] {
        assert_eq!(said(&mut network, report, 20), [action]);
    }
}

#[derive(Debug, Clone)]
enum Move {
    Say(Report),
    /// It answers what it was asked, if it was asked anything.
    Answer(bool),
    Broken,
    /// It ends, if it is there.
    End,
    Wait(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let app = 0u8..5;
    let report = prop_oneof![
        app.clone().prop_map(|app| Report::Joined { app }),
        app.clone().prop_map(|app| Report::NotJoined { app, why: "no".into() }),
        app.clone().prop_map(denied),
        app.prop_map(dropped),
        any::<u16>().prop_map(|port| Report::Knocked { protocol: 6, port }),
        Just(ONLINE),
        Just(Report::Offline { why: "no".into() }),
    ];
    let step = prop_oneof![
        2 => report.prop_map(Move::Say),
        8 => any::<bool>().prop_map(Move::Answer),
        3 => Just(Move::Say(ONLINE)),
        1 => Just(Move::Broken),
        2 => Just(Move::End),
        5 => prop_oneof![0u64..2_000, 0u64..100_000].prop_map(Move::Wait),
    ];
    prop::collection::vec(step, 0..150)
}

/// A world around the state machine: one netd at most, which obeys kills some time later.
#[derive(Debug)]
struct World {
    network: Network,
    now: Uptime,
    running: bool,
    killed: bool,
    begun: bool,
    asked: Option<AppIndex>,
    joined: Vec<AppIndex>,
    open: Vec<AppIndex>,
    was_online: bool,
    starts: Vec<Uptime>,
}

impl World {
    fn new() -> Self {
        Self {
            network: Network::new([A, B], at(0)),
            now: at(0),
            running: false,
            killed: false,
            begun: false,
            asked: None,
            joined: vec![],
            open: vec![],
            was_online: false,
            starts: vec![],
        }
    }

    fn step(&mut self, event: Event) {
        if matches!(event, Event::Ended(_)) {
            assert!(self.running);
            (self.running, self.killed, self.begun, self.asked) = (false, false, false, None);
            self.joined.clear();
        }
        if event == Event::Report(ONLINE) && self.running && !self.killed {
            self.was_online = true;
        }
        for action in self.network.step(event, self.now) {
            match action {
                Action::Start => {
                    assert!(!self.running, "two starts without an end between");
                    self.running = true;
                    if let Some(last) = self.starts.last() {
                        assert!(self.now.since(*last) >= SHORTEST_PAUSE, "no pause between two starts");
                    }
                    self.starts.push(self.now);
                    self.step(Event::Started);
                }
                Action::Begin => {
                    assert!(self.running && !self.begun, "the first order, once");
                    self.begun = true;
                }
                Action::Join(app) => {
                    assert!(self.begun && !self.killed && self.asked.is_none(), "one at a time");
                    assert!(!self.joined.contains(&app));
                    self.asked = Some(app);
                }
                Action::Kill => {
                    assert!(self.running && !self.killed);
                    self.killed = true;
                }
                Action::Open(app) => {
                    assert!(self.was_online && self.joined.contains(&app) && !self.open.contains(&app));
                    self.open.push(app);
                }
                Action::Close(app) => {
                    assert!(self.open.contains(&app));
                    self.open.retain(|open| *open != app);
                }
                Action::Denied(app, ..) | Action::LogFor(app, _) => assert!([A, B].contains(&app)),
                Action::Log(line) => assert!(!line.contains('\n')),
                Action::Leave(app) => panic!("{app:?} was not removed"),
                Action::Time { .. } | Action::Knocked(_) => {}
            }
        }
    }

    fn say(&mut self, report: Report) {
        if !self.running {
            return;
        }
        if !self.killed {
            match report {
                Report::Joined { app } if self.asked == Some(AppIndex(app.into())) => {
                    self.asked = None;
                    self.joined.push(AppIndex(app.into()));
                }
                Report::NotJoined { app, .. } => {
                    let app = AppIndex(app.into());
                    self.joined.retain(|joined| *joined != app);
                    self.asked = self.asked.filter(|asked| *asked != app);
                }
                _ => {}
            }
        }
        self.step(Event::Report(report));
    }

    fn wait(&mut self, millis: u64) {
        let end = self.now.after(Duration::from_millis(millis));
        while let Some(deadline) = self.network.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.step(Event::Timer);
            assert!(self.network.deadline().is_none_or(|next| next > self.now), "the time was dealt with");
        }
        self.now = end;
    }

    fn make(&mut self, next: Move) {
        match next {
            Move::Say(report) => self.say(report),
            Move::Answer(good) => {
                let Some(AppIndex(app)) = self.asked else { return };
                let app = u8::try_from(app).unwrap();
                self.say(if good {
                    Report::Joined { app }
                } else {
                    Report::NotJoined { app, why: "no".into() }
                });
            }
            Move::Broken if self.running => self.step(Event::Broken("x".into())),
            Move::End if self.running => self.step(Event::Ended(End::Exited(1))),
            Move::Broken | Move::End => {}
            Move::Wait(millis) => self.wait(millis),
        }
    }
}

proptest! {
    #[test]
    fn network_any_history_keeps_its_invariants(history in moves()) {
        let mut world = World::new();
        for next in history {
            world.make(next);
            if world.was_online {
                prop_assert_eq!(world.open.len(), world.joined.len());
            }
        }
        // Whatever came before: a netd that does as it is told has both apps open before long.
        if world.running {
            world.step(Event::Ended(End::Exited(1)));
        }
        let within = world.now.after(LONGEST_PAUSE);
        while world.asked.is_none() && world.now < within {
            world.wait(1_000);
        }
        world.say(ONLINE);
        world.make(Move::Answer(true));
        world.make(Move::Answer(true));
        prop_assert_eq!(world.open.len(), 2);
        // And in a shutdown it stays down.
        world.step(Event::Shutdown);
        world.step(Event::Ended(End::Exited(0)));
        world.wait(1_000_000);
        prop_assert!(!world.running);
    }
}

#[test]
fn network_of_an_app_that_is_installed_later_starts_netd_and_joins_it() {
    let mut network = Network::new([], at(0));
    assert_eq!(network.step(Event::Timer, at(5)), []);
    network.admit(AppIndex(2), at(5));
    assert_eq!(network.deadline(), Some(at(5)));
    assert_eq!(network.step(Event::Timer, at(5)), [Action::Start]);
    assert_eq!(network.step(Event::Started, at(5)), [Action::Begin, Action::Join(AppIndex(2))]);
    network.step(Event::Report(Report::Joined { app: 2 }), at(5));
    let online = Report::Online { address: [10, 0, 2, 15], prefix: 24 };
    assert!(network.step(Event::Report(online), at(5)).contains(&Action::Open(AppIndex(2))));
    // Another version of it: joined again, and opened again.
    network.admit(AppIndex(2), at(6));
    assert_eq!(network.step(Event::Timer, at(6)), [Action::Join(AppIndex(2))]);
    // And another one while netd is at it: its answer is to the order before.
    network.admit(AppIndex(2), at(6));
    assert_eq!(network.step(Event::Report(Report::Joined { app: 2 }), at(6)), [Action::Join(AppIndex(2))]);
    assert_eq!(network.step(Event::Report(Report::Joined { app: 2 }), at(6)), [Action::Open(AppIndex(2))]);
}

#[test]
fn network_of_an_app_that_is_removed_is_taken_away_and_what_was_on_its_way_is_no_offence() {
    let mut network = Network::new([AppIndex(0), AppIndex(1)], at(0));
    network.step(Event::Timer, at(0));
    network.step(Event::Started, at(0));
    assert_eq!(network.dismiss(AppIndex(0)), [Action::Leave(AppIndex(0))]);
    assert_eq!(network.dismiss(AppIndex(0)), []);
    assert_eq!(network.step(Event::Report(Report::Joined { app: 0 }), at(0)), [Action::Join(AppIndex(1))]);
    let late = Report::NotJoined { app: 0, why: "gone".into() };
    assert_eq!(network.step(Event::Report(late), at(0)), []);
    let nonsense = Report::NotJoined { app: 9, why: "never was".into() };
    assert!(network.step(Event::Report(nonsense), at(0)).contains(&Action::Kill));
}
