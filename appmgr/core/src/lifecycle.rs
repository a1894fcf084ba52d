//! One app from its package to its end.
//!
//! ```text
//!            Start                Started             Ended (policy: again)
//! Stopped ──────────▶ Starting ──────────▶ Running ───────────────────────▶ Backoff ──timer──▶ Starting
//!    ▲                                        │  └─ Ended ──▶ Done | Failed
//!    └── Ended ── Stopping ◀── Stop, Restart ─┘
//! ```
//!
//! An app with a network passes through Waiting before each Starting, for as long as its network is not there.
//!
//! An app with a heartbeat is killed when none came in time, which counts as a crash.

use std::time::Duration;

use nacre_manifest::device::{Health, Restart, RestartPolicy};
use nacre_wire::status::AppState;

use crate::backoff::{Backoff, Verdict};
use crate::end::End;
use crate::uptime::{Readable, Uptime};

/// Time that an app has to end by itself after SIGTERM.
pub const STOP_GRACE: Duration = Duration::from_secs(2);

/// The part of [`STOP_GRACE`] that an app which wants to be told has before SIGTERM.
pub const TOLD_GRACE: Duration = Duration::from_secs(1);

/// Pause before a group that is still there is killed once more.
pub const KILL_AGAIN: Duration = Duration::from_secs(1);

/// What a group is killed with (`signal(7)`).
const SIGKILL: i32 = 9;

/// What happened to an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Its package was refused, with the reason.
    Refused(String),
    /// The app itself runs now, in this process.
    Started {
        /// Its process id.
        pid: i32,
    },
    /// Its process is gone, or there never was one ([`End::NotStarted`]).
    Ended(End),
    /// Time has passed; does something only if [`Lifecycle::deadline`] is reached.
    Timer,
    /// A person or the boot wants it up.
    Start,
    /// A person wants it down.
    Stop,
    /// A person wants it stopped and started.
    Restart,
    /// A person wants it killed as if it had crashed.
    Kill,
    /// Its network is there: it can be started.
    NetworkUp,
    /// Its network is not there. A run goes on; it is not started until it is.
    NetworkDown,
    /// The device goes down: no app is started any more.
    Shutdown,
    /// It says that it is well.
    Heartbeat,
    /// It wants to be told before it is stopped, until this run ends.
    Listens,
}

/// What to do for an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Launch it; answered by [`Event::Started`] or [`Event::Ended`].
    Start,
    /// Tell it that it is about to be stopped.
    Announce,
    /// Send SIGTERM to its process.
    SignalTerm,
    /// Kill every process of its cgroup.
    KillGroup,
    /// Write a line to the log in its name.
    Log(String),
}

/// Where an app is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Down on request, or not started yet.
    Stopped,
    /// To be started as soon as its network is there.
    Waiting,
    /// Launched; the launcher has not handed over yet.
    Starting,
    /// Running in this process.
    Running {
        /// Its process id.
        pid: i32,
    },
    /// Down until this time.
    Backoff {
        /// When it is started again.
        until: Uptime,
    },
    /// Asked to end.
    Stopping {
        /// When it gets SIGTERM, if it was told of the stop first.
        term_at: Option<Uptime>,
        /// When its group is killed, or killed once more.
        kill_at: Uptime,
        /// What follows.
        then: AfterStop,
    },
    /// Ended, and the policy leaves it so.
    Done,
    /// Ended too often.
    Failed,
    /// Its package was refused, with the reason.
    Refused(String),
}

/// What follows a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterStop {
    /// It stays down.
    Down,
    /// It is started.
    Start,
}

/// One app's state and history.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    name: String,
    policy: RestartPolicy,
    backoff: Backoff,
    state: State,
    since: Uptime,
    restarts: u32,
    last_end: Option<String>,
    /// Whether it can be started, as far as the network goes.
    network: bool,
    closing: bool,
    /// Longest time between two heartbeats.
    heartbeat: Option<Duration>,
    /// When a heartbeat must have come; while it runs.
    beat_by: Option<Uptime>,
    /// It was killed in this run because none came.
    silent: bool,
    /// It wants to be told before it is stopped.
    listens: bool,
}

impl Lifecycle {
    /// An app that is down. `name` is what a person types to start it.
    pub fn new(name: &str, restart: &Restart, now: Uptime) -> Self {
        Self {
            name: name.to_owned(),
            policy: restart.policy,
            backoff: Backoff::new(restart),
            state: State::Stopped,
            since: now,
            restarts: 0,
            last_end: None,
            network: true,
            closing: false,
            heartbeat: None,
            beat_by: None,
            silent: false,
            listens: false,
        }
    }

    /// The same of an app that must show that it is well.
    #[must_use]
    pub fn with_health(self, health: Option<Health>) -> Self {
        Self { heartbeat: health.map(|health| Duration::from_millis(health.heartbeat_ms.into())), ..self }
    }

    /// The same of an app that is started only once there is an [`Event::NetworkUp`].
    #[must_use]
    pub fn with_network(self) -> Self {
        Self { network: false, ..self }
    }

    /// Where it is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Since when it is there.
    pub fn since(&self) -> Uptime {
        self.since
    }

    /// How often it was started again since boot.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// How its last run ended, if one did.
    pub fn last_end(&self) -> Option<&str> {
        self.last_end.as_deref()
    }

    /// The state in the words of the wire.
    pub fn app_state(&self) -> AppState {
        match self.state {
            State::Stopped => AppState::Stopped,
            State::Starting | State::Running { .. } => AppState::Running,
            State::Backoff { .. } => AppState::Backoff,
            State::Stopping { .. } => AppState::Stopping,
            State::Done => AppState::Done,
            State::Failed => AppState::Failed,
            State::Refused(_) => AppState::Refused,
            State::Waiting => AppState::Waiting,
        }
    }

    /// Why its package was refused, if it was.
    pub fn refusal(&self) -> Option<&str> {
        match &self.state {
            State::Refused(why) => Some(why),
            _ => None,
        }
    }

    /// Whether a process of it may exist.
    pub fn has_process(&self) -> bool {
        matches!(self.state, State::Starting | State::Running { .. } | State::Stopping { .. })
    }

    /// When [`Event::Timer`] does something next.
    pub fn deadline(&self) -> Option<Uptime> {
        match self.state {
            State::Backoff { until } => Some(until),
            State::Stopping { term_at, kill_at, .. } => Some(term_at.unwrap_or(kill_at)),
            State::Running { .. } => self.beat_by,
            _ => None,
        }
    }

    /// Whether [`Event::Timer`] now kills it because no heartbeat came. What it has said and nobody has read yet is to
    /// be read first.
    pub fn is_silent(&self, now: Uptime) -> bool {
        matches!(self.state, State::Running { .. }) && self.beat_by.is_some_and(|by| by <= now)
    }

    /// Takes an event.
    pub fn step(&mut self, event: Event, now: Uptime) -> Vec<Action> {
        match event {
            Event::Refused(why) => self.refuse(why, now),
            Event::Started { pid } => self.started(pid, now),
            Event::Ended(end) => self.ended(&end, now),
            Event::Timer => self.timer(now),
            Event::Start => self.start(now),
            Event::Stop => self.stop(AfterStop::Down, now),
            Event::Restart => self.stop(AfterStop::Start, now),
            Event::Kill => match self.state {
                State::Starting | State::Running { .. } => vec![Action::KillGroup],
                _ => vec![],
            },
            Event::NetworkUp => self.network(true, now),
            Event::NetworkDown => self.network(false, now),
            Event::Shutdown => {
                self.closing = true;
                self.stop(AfterStop::Down, now)
            }
            Event::Heartbeat => {
                // Too late is too late: the group is being killed.
                if !self.silent {
                    self.beat_by = self.heartbeat.map(|most| now.after(most));
                }
                vec![]
            }
            Event::Listens => {
                self.listens = true;
                vec![]
            }
        }
    }

    fn enter(&mut self, state: State, now: Uptime) {
        self.state = state;
        self.since = now;
    }

    fn refuse(&mut self, why: String, now: Uptime) -> Vec<Action> {
        let line = format!("package refused: {why}");
        self.enter(State::Refused(why), now);
        vec![Action::Log(line)]
    }

    fn launch(&mut self, now: Uptime) -> Vec<Action> {
        if !self.network {
            self.enter(State::Waiting, now);
            return vec![Action::Log("waiting for the network".into())];
        }
        self.silent = false;
        self.listens = false;
        self.enter(State::Starting, now);
        vec![Action::Start]
    }

    fn started(&mut self, pid: i32, now: Uptime) -> Vec<Action> {
        if self.state != State::Starting {
            return vec![];
        }
        self.enter(State::Running { pid }, now);
        self.beat_by = self.heartbeat.map(|most| now.after(most));
        vec![Action::Log(format!("started (pid {pid})"))]
    }

    fn start(&mut self, now: Uptime) -> Vec<Action> {
        match &mut self.state {
            _ if self.closing => vec![],
            State::Stopped | State::Backoff { .. } | State::Done | State::Failed => {
                self.backoff.forget();
                self.launch(now)
            }
            State::Stopping { then, .. } => {
                *then = AfterStop::Start;
                vec![]
            }
            State::Waiting | State::Starting | State::Running { .. } | State::Refused(_) => vec![],
        }
    }

    fn network(&mut self, up: bool, now: Uptime) -> Vec<Action> {
        self.network = up;
        if up && self.state == State::Waiting { self.launch(now) } else { vec![] }
    }

    fn stop(&mut self, then: AfterStop, now: Uptime) -> Vec<Action> {
        let then = if self.closing { AfterStop::Down } else { then };
        match &mut self.state {
            State::Running { .. } => {
                let told = self.listens;
                let term_at = told.then(|| now.after(TOLD_GRACE));
                self.enter(State::Stopping { term_at, kill_at: now.after(STOP_GRACE), then }, now);
                vec![if told { Action::Announce } else { Action::SignalTerm }]
            }
            // Only the launcher is there: it has nothing to put in order.
            State::Starting => {
                self.enter(State::Stopping { term_at: None, kill_at: now.after(KILL_AGAIN), then }, now);
                vec![Action::KillGroup]
            }
            State::Stopping { then: planned, .. } => {
                *planned = then;
                vec![]
            }
            State::Refused(_) => vec![],
            State::Stopped | State::Waiting | State::Backoff { .. } | State::Done | State::Failed => {
                match then {
                    AfterStop::Start => self.start(now),
                    AfterStop::Down => {
                        self.enter(State::Stopped, now);
                        vec![]
                    }
                }
            }
        }
    }

    fn timer(&mut self, now: Uptime) -> Vec<Action> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return vec![];
        }
        match &mut self.state {
            State::Backoff { .. } => {
                self.restarts = self.restarts.saturating_add(1);
                self.launch(now)
            }
            State::Running { .. } => {
                self.silent = true;
                self.beat_by = Some(now.after(KILL_AGAIN));
                vec![Action::KillGroup]
            }
            State::Stopping { term_at: term_at @ Some(_), .. } => {
                *term_at = None;
                vec![Action::SignalTerm]
            }
            State::Stopping { kill_at, .. } => {
                *kill_at = now.after(KILL_AGAIN);
                vec![Action::Log("did not stop in time; killed".into()), Action::KillGroup]
            }
            _ => vec![],
        }
    }

    fn ended(&mut self, end: &End, now: Uptime) -> Vec<Action> {
        let silent = self.heartbeat.filter(|_| self.silent && *end == End::Signalled(SIGKILL));
        let end = &silent.map_or_else(|| end.clone(), End::Silent);
        let ran = match self.state {
            State::Running { .. } => now.since(self.since),
            State::Starting => Duration::ZERO,
            State::Stopping { then, .. } => {
                self.last_end = Some(end.to_string());
                self.enter(State::Stopped, now);
                let mut actions = vec![Action::Log(format!("stopped ({end})"))];
                if then == AfterStop::Start {
                    actions.extend(self.start(now));
                }
                return actions;
            }
            _ => return vec![],
        };
        self.last_end = Some(end.to_string());
        let again = match self.policy {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => end.is_failure(),
            RestartPolicy::Never => false,
        };
        if !again {
            self.enter(State::Done, now);
            let policy = match self.policy {
                RestartPolicy::Never => "never",
                _ => "on-failure",
            };
            return vec![Action::Log(format!("{end}; stays down (restart policy {policy})"))];
        }
        let (limit, window) = self.backoff.limit();
        let window = Readable(window);
        match self.backoff.after_run(ran, now) {
            Verdict::Again { pause, number } => {
                self.enter(State::Backoff { until: now.after(pause) }, now);
                let pause = Readable(pause);
                vec![Action::Log(format!(
                    "{end}; starts again in {pause} (restart {number} of {limit} in {window})"
                ))]
            }
            Verdict::StaysDown => {
                self.enter(State::Failed, now);
                vec![Action::Log(format!(
                    "{end}; stays down: its limit of {limit} restarts in {window} is reached; start it with \
                     `nacre device start {}`",
                    self.name
                ))]
            }
        }
    }
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
