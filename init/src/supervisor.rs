//! What PID 1 does next: pure, so that every order of events can be tried.

use std::collections::VecDeque;
use std::time::Duration;

use crate::power::Ending;

/// Pause before the app manager is started again: apps are killed meanwhile, and a manager that dies
/// at once must not take the whole CPU.
const PAUSE: Duration = Duration::from_secs(1);

/// Deaths of the app manager within [`WINDOW`] after which only a restart of the system can help.
const MOST_DEATHS: usize = 5;

/// Window in which deaths are counted.
const WINDOW: Duration = Duration::from_secs(600);

/// How long the app manager may take to stop all apps: their own grace of 2 s, and as much again.
const GRACE: Duration = Duration::from_secs(4);

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// Time has passed.
    Tick,
    /// The app manager runs.
    Spawned { pid: u32 },
    /// It could not be started.
    SpawnFailed,
    /// A child has ended; orphans of apps are among them.
    Gone { pid: u32, how: String },
    /// Somebody asked for the end.
    Ask(Ending),
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start the app manager.
    Spawn,
    /// Ask it to stop all apps and go.
    Terminate { pid: u32 },
    /// Kill every app at once.
    KillApps,
    /// Say it on the console.
    Log(String),
    /// The last action.
    End(Ending),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not running; to be started at this time.
    Down {
        start_at: Duration,
    },
    /// Asked to start.
    Starting,
    Running {
        pid: u32,
    },
    /// Asked to stop; at `deadline` it is over all the same.
    Stopping {
        pid: u32,
        deadline: Duration,
        ending: Ending,
    },
    Ended,
}

/// Keeps the app manager running until the end.
#[derive(Debug)]
pub(crate) struct Supervisor {
    state: State,
    deaths: VecDeque<Duration>,
}

impl Supervisor {
    /// Starts the app manager at the first step.
    pub(crate) fn new() -> Self {
        Self { state: State::Down { start_at: Duration::ZERO }, deaths: VecDeque::new() }
    }

    /// Takes an event and the time since the kernel started; returns what to do, in order.
    pub(crate) fn step(&mut self, event: Option<Event>, now: Duration) -> VecDeque<Action> {
        let mut actions = VecDeque::new();
        match (self.state, event) {
            (State::Ended, _) => {}
            (State::Starting, Some(Event::Spawned { pid })) => self.state = State::Running { pid },
            (State::Starting, Some(Event::SpawnFailed)) => self.died(now, &mut actions),
            (State::Running { pid }, Some(Event::Gone { pid: gone, how })) if pid == gone => {
                actions.push_back(Action::Log(format!("the app manager {how}")));
                actions.push_back(Action::KillApps);
                self.died(now, &mut actions);
            }
            (State::Running { pid }, Some(Event::Ask(ending))) => {
                self.state = State::Stopping { pid, deadline: now.saturating_add(GRACE), ending };
                actions.push_back(Action::Terminate { pid });
            }
            (State::Down { .. } | State::Starting, Some(Event::Ask(ending))) => {
                self.end(ending, &mut actions)
            }
            (State::Stopping { pid, ending, .. }, Some(Event::Gone { pid: gone, .. })) if pid == gone => {
                self.end(ending, &mut actions);
            }
            (State::Stopping { deadline, ending, .. }, _) if now >= deadline => {
                actions.push_back(Action::Log("the app manager did not stop in time".to_owned()));
                self.end(ending, &mut actions);
            }
            (State::Down { start_at }, _) if now >= start_at => {
                self.state = State::Starting;
                actions.push_back(Action::Spawn);
            }
            _ => {}
        }
        actions
    }

    /// Takes an event, has `perform` do what follows from it, and takes in turn what comes of that: any event
    /// may be the one that finds the pause over, also another process's end. The ending, once it is reached.
    pub(crate) fn drive(
        &mut self,
        event: Event,
        now: impl Fn() -> Duration,
        mut perform: impl FnMut(Action) -> Option<Event>,
    ) -> Option<Ending> {
        let mut actions = self.step(Some(event), now());
        while let Some(action) = actions.pop_front() {
            if let Action::End(ending) = action {
                return Some(ending);
            }
            if let Some(follow_up) = perform(action) {
                actions.extend(self.step(Some(follow_up), now()));
            }
        }
        None
    }

    /// How long nothing needs doing, should no event come; `None` is for good.
    pub(crate) fn wait_for(&self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Down { start_at } => Some(start_at.saturating_sub(now)),
            State::Stopping { deadline, .. } => Some(deadline.saturating_sub(now)),
            State::Starting | State::Running { .. } | State::Ended => None,
        }
    }

    fn died(&mut self, now: Duration, actions: &mut VecDeque<Action>) {
        self.deaths.push_back(now);
        while self.deaths.front().is_some_and(|death| now.saturating_sub(*death) > WINDOW) {
            self.deaths.pop_front();
        }
        if self.deaths.len() >= MOST_DEATHS {
            actions.push_back(Action::Log(format!("the app manager died {MOST_DEATHS} times in 10 minutes")));
            self.end(Ending::Reboot, actions);
        } else {
            self.state = State::Down { start_at: now.saturating_add(PAUSE) };
        }
    }

    fn end(&mut self, ending: Ending, actions: &mut VecDeque<Action>) {
        self.state = State::Ended;
        actions.push_back(Action::End(ending));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn running() -> Supervisor {
        let mut supervisor = Supervisor::new();
        assert_eq!(supervisor.step(Some(Event::Tick), seconds(1)), [Action::Spawn]);
        assert_eq!(supervisor.step(Some(Event::Spawned { pid: 7 }), seconds(1)), []);
        supervisor
    }

    fn gone(pid: u32) -> Option<Event> {
        Some(Event::Gone { pid, how: "exited with code 1".to_owned() })
    }

    #[test]
    fn supervisor_manager_dies_is_started_again_after_a_pause() {
        let mut supervisor = running();
        let actions = supervisor.step(gone(7), seconds(10));
        assert!(actions.contains(&Action::KillApps));
        assert!(!actions.contains(&Action::Spawn));
        assert_eq!(supervisor.wait_for(seconds(10)), Some(PAUSE));
        assert_eq!(supervisor.step(Some(Event::Tick), seconds(11)), [Action::Spawn]);
    }

    #[test]
    fn supervisor_orphan_dies_changes_nothing() {
        let mut supervisor = running();
        assert_eq!(supervisor.step(gone(8), seconds(10)), []);
        assert_eq!(supervisor.wait_for(seconds(10)), None);
    }

    #[test]
    fn supervisor_orphan_dies_as_the_pause_ends_new_manager_is_still_supervised() {
        let mut supervisor = running();
        assert_eq!(supervisor.step(gone(7), seconds(10)).len(), 2);
        // An app's last process goes more than a pause after the manager: its end comes before any tick.
        let mut done = Vec::new();
        let ending = supervisor.drive(
            Event::Gone { pid: 30, how: "was ended by SIGKILL".to_owned() },
            || seconds(12),
            |action| {
                done.push(action.clone());
                (action == Action::Spawn).then_some(Event::Spawned { pid: 40 })
            },
        );
        assert_eq!((ending, done), (None, vec![Action::Spawn]));
        assert!(supervisor.step(gone(40), seconds(20)).contains(&Action::KillApps), "its death is noticed");
    }

    #[test]
    fn supervisor_manager_dies_too_often_reboots() {
        let mut supervisor = Supervisor::new();
        let mut now = seconds(1);
        for death in 1..=MOST_DEATHS {
            assert_eq!(supervisor.step(Some(Event::Tick), now), [Action::Spawn]);
            supervisor.step(Some(Event::Spawned { pid: 7 }), now);
            let actions = supervisor.step(gone(7), now);
            assert_eq!(actions.contains(&Action::End(Ending::Reboot)), death == MOST_DEATHS);
            now += seconds(2);
        }
    }

    #[test]
    fn supervisor_manager_dies_now_and_then_never_reboots() {
        let mut supervisor = Supervisor::new();
        let mut now = seconds(1);
        for _ in 0..50 {
            assert_eq!(supervisor.step(Some(Event::Tick), now), [Action::Spawn]);
            supervisor.step(Some(Event::Spawned { pid: 7 }), now);
            assert!(!supervisor.step(gone(7), now).contains(&Action::End(Ending::Reboot)));
            now += seconds(200);
        }
    }

    #[test]
    fn supervisor_asked_to_end_waits_for_the_manager() {
        let mut supervisor = running();
        let ask = Some(Event::Ask(Ending::PowerOff));
        assert_eq!(supervisor.step(ask, seconds(10)), [Action::Terminate { pid: 7 }]);
        assert_eq!(supervisor.step(Some(Event::Tick), seconds(11)), []);
        assert_eq!(supervisor.step(gone(7), seconds(12)), [Action::End(Ending::PowerOff)]);
    }

    #[test]
    fn supervisor_manager_ignores_the_end_is_overruled() {
        let mut supervisor = running();
        supervisor.step(Some(Event::Ask(Ending::Reboot)), seconds(10));
        assert_eq!(supervisor.wait_for(seconds(10)), Some(GRACE));
        let actions = supervisor.step(Some(Event::Tick), seconds(14));
        assert!(actions.contains(&Action::End(Ending::Reboot)));
    }
}
