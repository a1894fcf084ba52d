use proptest::prelude::*;

use super::*;

fn rules(policy: RestartPolicy, limit_count: u32) -> Restart {
    Restart { policy, backoff_min_ms: 1_000, backoff_max_ms: 8_000, limit_count, limit_window_ms: 600_000 }
}

fn app(policy: RestartPolicy) -> Lifecycle {
    Lifecycle::new("reporter", &rules(policy, 3), Uptime::default())
}

fn at(millis: u64) -> Uptime {
    Uptime::from_millis(millis)
}

fn running(policy: RestartPolicy) -> Lifecycle {
    let mut app = app(policy);
    assert_eq!(app.step(Event::Start, at(0)), [Action::Start]);
    assert_eq!(app.step(Event::Started { pid: 7 }, at(10)), [Action::Log("started (pid 7)".into())]);
    app
}

fn log(text: &str) -> Vec<Action> {
    vec![Action::Log(text.into())]
}

#[test]
fn crash_backs_off_and_starts_again() {
    let mut app = running(RestartPolicy::OnFailure);
    assert_eq!(
        app.step(Event::Ended(End::Signalled(11)), at(500)),
        log("ended by signal 11 (SIGSEGV); starts again in 1 s (restart 1 of 3 in 10 min)")
    );
    assert_eq!(app.deadline(), Some(at(1_500)));
    assert_eq!(app.step(Event::Timer, at(1_499)), []);
    assert_eq!(app.step(Event::Timer, at(1_500)), [Action::Start]);
    assert_eq!(app.restarts(), 1);
    assert_eq!(app.last_end(), Some("ended by signal 11 (SIGSEGV)"));
}

#[test]
fn end_under_each_policy_leads_to_its_state() {
    use RestartPolicy::{Always, Never, OnFailure};
    for (policy, end, state) in [
        (Always, End::Exited(0), AppState::Backoff),
        (Always, End::OutOfMemory, AppState::Backoff),
        (OnFailure, End::Exited(0), AppState::Done),
        (OnFailure, End::Exited(1), AppState::Backoff),
        (OnFailure, End::NotStarted("x".into()), AppState::Backoff),
        (Never, End::Exited(1), AppState::Done),
        (Never, End::Signalled(9), AppState::Done),
    ] {
        let mut app = running(policy);
        app.step(Event::Ended(end.clone()), at(50));
        assert_eq!(app.app_state(), state, "{policy:?} {end:?}");
    }
}

#[test]
fn limit_reached_fails_and_says_how_to_start_again() {
    let mut app = running(RestartPolicy::Always);
    let mut now = at(100);
    let mut last = vec![];
    for _ in 0..4 {
        last = app.step(Event::Ended(End::Exited(1)), now);
        if let Some(until) = app.deadline() {
            now = until;
            assert_eq!(app.step(Event::Timer, now), [Action::Start]);
            app.step(Event::Started { pid: 8 }, now);
        }
    }
    assert_eq!(
        last,
        log("exited with code 1; stays down: its limit of 3 restarts in 10 min is reached; start it with \
             `nacre device start reporter`")
    );
    assert_eq!(app.app_state(), AppState::Failed);
    assert_eq!(app.step(Event::Timer, at(u64::MAX)), []);
    assert_eq!(app.step(Event::Start, now), [Action::Start]);
    app.step(Event::Started { pid: 9 }, now);
    app.step(Event::Ended(End::Exited(1)), now);
    assert_eq!(app.app_state(), AppState::Backoff, "a person's start begins a new count");
}

#[test]
fn stop_that_is_ignored_kills_the_group_until_it_is_gone() {
    let mut app = running(RestartPolicy::Always);
    assert_eq!(app.step(Event::Stop, at(1_000)), [Action::SignalTerm]);
    assert_eq!(app.step(Event::Timer, at(2_999)), []);
    assert!(app.step(Event::Timer, at(3_000)).contains(&Action::KillGroup));
    assert!(app.step(Event::Timer, at(4_000)).contains(&Action::KillGroup));
    assert_eq!(
        app.step(Event::Ended(End::Signalled(9)), at(4_010)),
        log("stopped (ended by signal 9 (SIGKILL))")
    );
    assert_eq!(app.app_state(), AppState::Stopped);
}

#[test]
fn restart_stops_and_starts_without_a_pause() {
    let mut app = running(RestartPolicy::Never);
    assert_eq!(app.step(Event::Restart, at(1_000)), [Action::SignalTerm]);
    let actions = app.step(Event::Ended(End::Exited(0)), at(1_200));
    assert_eq!(actions.last(), Some(&Action::Start));
}

#[test]
fn stop_while_the_launcher_works_kills_it() {
    let mut app = app(RestartPolicy::Always);
    app.step(Event::Start, at(0));
    assert_eq!(app.step(Event::Stop, at(1)), [Action::KillGroup]);
    assert_eq!(app.step(Event::Started { pid: 3 }, at(2)), [], "too late to count as running");
}

#[test]
fn kill_is_a_crash_for_the_policy() {
    let mut app = running(RestartPolicy::OnFailure);
    assert_eq!(app.step(Event::Kill, at(100)), [Action::KillGroup]);
    app.step(Event::Ended(End::Signalled(9)), at(110));
    assert_eq!(app.app_state(), AppState::Backoff);
}

#[test]
fn shutdown_never_starts_again() {
    let mut app = running(RestartPolicy::Always);
    app.step(Event::Restart, at(100));
    assert_eq!(app.step(Event::Shutdown, at(110)), []);
    assert!(!app.step(Event::Ended(End::Exited(0)), at(120)).contains(&Action::Start));
    assert_eq!(app.step(Event::Start, at(130)), []);
    assert_eq!(app.step(Event::Restart, at(140)), []);
}

#[test]
fn refused_package_is_never_started() {
    let mut app = app(RestartPolicy::Always);
    assert_eq!(app.step(Event::Refused("wrong key".into()), at(0)), log("package refused: wrong key"));
    for event in [Event::Start, Event::Restart, Event::Stop, Event::Timer, Event::Shutdown] {
        assert_eq!(app.step(event, at(10)), []);
    }
    assert_eq!(app.app_state(), AppState::Refused);
}

#[test]
fn app_with_a_network_waits_for_it_before_each_start() {
    let mut app = app(RestartPolicy::Always).with_network();
    assert_eq!(app.step(Event::Start, at(0)), log("waiting for the network"));
    assert_eq!((app.app_state(), app.has_process(), app.deadline()), (AppState::Waiting, false, None));
    assert_eq!(app.step(Event::Start, at(1)), []);
    assert_eq!(app.step(Event::Restart, at(1)), []);
    assert_eq!(app.step(Event::NetworkUp, at(2)), [Action::Start]);
    app.step(Event::Started { pid: 7 }, at(3));
    // A run goes on without it; the next one does not begin.
    assert_eq!(app.step(Event::NetworkDown, at(4)), []);
    assert_eq!(app.app_state(), AppState::Running);
    app.step(Event::Ended(End::Exited(1)), at(5));
    let due = app.deadline().unwrap();
    assert_eq!(app.step(Event::Timer, due), log("waiting for the network"));
    assert_eq!(app.step(Event::Stop, due), []);
    assert_eq!(app.app_state(), AppState::Stopped);
    assert_eq!(app.step(Event::NetworkUp, due), [], "a person has stopped it");
    assert_eq!(app.step(Event::Start, due), [Action::Start]);
}

#[test]
fn shutdown_of_an_app_that_waits_leaves_nothing_to_do() {
    let mut app = app(RestartPolicy::Always).with_network();
    app.step(Event::Start, at(0));
    assert_eq!(app.step(Event::Shutdown, at(1)), []);
    assert_eq!(app.app_state(), AppState::Stopped);
    assert_eq!(app.step(Event::NetworkUp, at(2)), []);
}

fn beating(policy: RestartPolicy) -> Lifecycle {
    let mut app = app(policy).with_health(Some(Health { heartbeat_ms: 5_000 }));
    assert_eq!(app.deadline(), None);
    app.step(Event::Start, at(0));
    assert_eq!(app.deadline(), None, "the launcher has no heart");
    app.step(Event::Started { pid: 7 }, at(10));
    app
}

#[test]
fn heartbeat_that_comes_in_time_keeps_an_app_alive() {
    let mut app = beating(RestartPolicy::OnFailure);
    for beat in [5_009, 10_000, 10_001, 15_000] {
        assert_eq!(app.step(Event::Timer, at(beat)), []);
        assert_eq!(app.step(Event::Heartbeat, at(beat)), []);
        assert_eq!((app.deadline(), app.is_silent(at(beat))), (Some(at(beat + 5_000)), false));
    }
    assert_eq!(app.app_state(), AppState::Running);
}

#[test]
fn heartbeat_missed_kills_the_group_and_counts_as_a_crash() {
    let mut app = beating(RestartPolicy::OnFailure);
    assert!(!app.is_silent(at(5_009)) && app.is_silent(at(5_010)));
    assert_eq!(app.step(Event::Timer, at(5_010)), [Action::KillGroup]);
    assert_eq!(app.step(Event::Heartbeat, at(5_011)), [], "too late");
    assert_eq!(app.step(Event::Timer, at(6_010)), [Action::KillGroup], "until it is gone");
    assert_eq!(
        app.step(Event::Ended(End::Signalled(9)), at(6_020)),
        log(
            "killed: no heartbeat within 5 s (health.heartbeat); starts again in 1 s (restart 1 of 3 in 10 min)"
        )
    );
    let due = app.deadline().unwrap();
    assert_eq!(app.step(Event::Timer, due), [Action::Start]);
    app.step(Event::Started { pid: 8 }, due);
    assert_eq!(app.deadline(), Some(due.after(Duration::from_secs(5))), "the next run has its own time");
    assert_eq!(
        app.step(Event::Ended(End::Signalled(9)), due),
        log("ended by signal 9 (SIGKILL); starts again in 2 s (restart 2 of 3 in 10 min)")
    );
}

#[test]
fn heartbeat_is_not_asked_of_an_app_that_is_stopped_or_has_none() {
    let mut app = beating(RestartPolicy::Always);
    app.step(Event::Stop, at(100));
    assert_eq!(app.deadline(), Some(at(2_100)), "the grace of a stop");
    assert!(!app.is_silent(at(9_000)));
    let mut other = running(RestartPolicy::Always);
    assert_eq!(other.step(Event::Heartbeat, at(100)), []);
    assert_eq!((other.deadline(), other.is_silent(at(u64::MAX))), (None, false));
}

#[test]
fn stop_of_an_app_that_listens_is_announced_before_sigterm() {
    let mut app = running(RestartPolicy::Always);
    app.step(Event::Listens, at(50));
    assert_eq!(app.step(Event::Shutdown, at(1_000)), [Action::Announce]);
    assert_eq!(app.step(Event::Timer, at(1_999)), []);
    assert_eq!(app.step(Event::Timer, at(2_000)), [Action::SignalTerm]);
    assert_eq!(app.step(Event::Timer, at(2_999)), [], "all of it takes no longer than without");
    assert!(app.step(Event::Timer, at(3_000)).contains(&Action::KillGroup));
}

#[test]
fn next_run_of_an_app_that_listened_must_ask_again() {
    let mut app = running(RestartPolicy::Always);
    app.step(Event::Listens, at(50));
    assert_eq!(app.step(Event::Restart, at(60)), [Action::Announce]);
    assert!(app.step(Event::Ended(End::Exited(0)), at(70)).contains(&Action::Start));
    app.step(Event::Started { pid: 9 }, at(80));
    assert_eq!(app.step(Event::Stop, at(90)), [Action::SignalTerm]);
}

#[derive(Debug, Clone)]
enum Move {
    Ask(Event),
    /// The launcher hands over, if it is there.
    HandOver,
    /// The process ends by itself, if it is there.
    End(End),
    /// Time passes, in milliseconds.
    Wait(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let step = prop_oneof![
        4 => Just(Move::HandOver),
        4 => prop_oneof![
            Just(End::Exited(0)),
            Just(End::Exited(2)),
            Just(End::Signalled(11)),
            Just(End::OutOfMemory),
            Just(End::NotStarted("no".into())),
        ].prop_map(Move::End),
        6 => prop_oneof![0u64..3_000, 0u64..100_000].prop_map(Move::Wait),
        2 => prop_oneof![
            Just(Event::Start),
            Just(Event::Stop),
            Just(Event::Restart),
            Just(Event::Kill),
            Just(Event::NetworkUp),
            Just(Event::NetworkDown),
            Just(Event::Heartbeat),
            Just(Event::Listens),
        ].prop_map(Move::Ask),
    ];
    prop::collection::vec(step, 0..120)
}

/// A world around the state machine: one process at most, which obeys kills.
struct World {
    app: Lifecycle,
    now: Uptime,
    process: bool,
    asked: bool,
    network: bool,
    restarts: Vec<Uptime>,
    restart: Restart,
}

impl World {
    fn new(restart: Restart) -> Self {
        let app = Lifecycle::new("app", &restart, at(0)).with_health(Some(Health { heartbeat_ms: 20_000 }));
        Self { app, now: at(0), process: false, asked: false, network: true, restarts: vec![], restart }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::NetworkUp => self.network = true,
            Event::NetworkDown => self.network = false,
            _ => {}
        }
        let by_person = matches!(event, Event::Start | Event::Restart) || self.asked;
        if matches!(event, Event::Restart | Event::Start) {
            self.asked = true;
        }
        if matches!(event, Event::Ended(_)) {
            assert!(self.process);
            self.process = false;
        }
        let before = self.app.state().clone();
        for action in self.app.step(event, self.now) {
            match action {
                Action::Start => {
                    assert!(!self.process, "two starts without an end between");
                    assert!(self.network, "a start without its network");
                    self.process = true;
                    if matches!(before, State::Backoff { .. }) && !by_person {
                        self.restarts.push(self.now);
                    }
                    if by_person {
                        self.restarts.clear();
                        self.asked = false;
                    }
                }
                Action::KillGroup => {
                    assert!(self.process);
                    self.step(Event::Ended(End::Signalled(9)));
                }
                Action::SignalTerm | Action::Announce => assert!(self.process),
                Action::Log(line) => assert!(!line.contains('\n')),
            }
        }
        self.check();
    }

    fn check(&self) {
        assert_eq!(self.app.has_process(), self.process);
        assert!(!(self.network && *self.app.state() == State::Waiting), "nothing to wait for");
        if let State::Backoff { until } = *self.app.state() {
            let pause = until.since(self.app.since());
            let (min, max) = (self.restart.backoff_min_ms.into(), self.restart.backoff_max_ms.into());
            assert!(pause >= Duration::from_millis(min) && pause <= Duration::from_millis(max));
        }
        let window = Duration::from_millis(self.restart.limit_window_ms.into());
        let recent = self.restarts.iter().filter(|then| self.now.since(**then) < window).count();
        assert!(recent <= self.restart.limit_count as usize, "{recent} restarts in the window");
    }

    fn wait(&mut self, millis: u64) {
        let end = self.now.after(Duration::from_millis(millis));
        while let Some(deadline) = self.app.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.step(Event::Timer);
        }
        self.now = end;
    }

    fn make(&mut self, next: Move) {
        match next {
            Move::Ask(event) => self.step(event),
            Move::HandOver if self.process => self.step(Event::Started { pid: 1 }),
            Move::End(end) if self.process => self.step(Event::Ended(end)),
            Move::HandOver | Move::End(_) => {}
            Move::Wait(millis) => self.wait(millis),
        }
    }
}

proptest! {
    #[test]
    fn lifecycle_any_history_keeps_its_invariants(
        policy in prop_oneof![
            Just(RestartPolicy::Always), Just(RestartPolicy::OnFailure), Just(RestartPolicy::Never)
        ],
        limit in 0u32..6,
        history in moves(),
    ) {
        let mut world = World::new(rules(policy, limit));
        world.step(Event::Start);
        for next in history {
            world.make(next);
        }
        // Whatever came before, a shutdown ends: nothing runs after the grace, and nothing starts.
        world.step(Event::Shutdown);
        world.wait(u64::try_from((STOP_GRACE + KILL_AGAIN).as_millis()).unwrap());
        prop_assert!(!world.process);
        prop_assert_eq!(world.app.deadline(), None);
        world.step(Event::Start);
        prop_assert!(!world.process);
    }
}
