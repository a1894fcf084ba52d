//! netd: kept running, told which apps have a network, and believed no more than what it can say.
//!
//! ```text
//! Down ──timer──▶ Starting ──Started──▶ Running: Begin, then Join for each app, one after the other
//!   ▲                                      │
//!   └──────────── Ended ◀─── Kill ─────────┘   (no answer in time, or nonsense)
//! ```
//!
//! An app may be started while netd has joined it, once the device has been online since boot. It goes on when
//! netd ends: what the kernel holds of its network stays, and nothing more opens.

use std::time::Duration;

use nacre_manifest::device::{Port, Restart, RestartPolicy};
use nacre_wire::denial::Layer;
use nacre_wire::net::Report;

use crate::backoff::{Backoff, Verdict};
use crate::denials::Refusal;
use crate::dropped;
use crate::end::End;
use crate::fleet::AppIndex;
use crate::uptime::{Readable, Uptime};

/// First pause before netd is started again, or an app's network tried again; doubles.
pub const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long netd may take to join an app: some messages to the kernel.
pub const JOIN_PATIENCE: Duration = Duration::from_secs(20);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// netd runs.
    Started,
    /// Its process is gone, or there never was one ([`End::NotStarted`]).
    Ended(End),
    /// It says something.
    Report(Report),
    /// It says what is no report, or cannot be told anything: in words.
    Broken(String),
    /// Time has passed; does something only if [`Network::deadline`] is reached.
    Timer,
    /// The device goes down: netd is not started any more.
    Shutdown,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start netd; answered by [`Event::Started`] or [`Event::Ended`].
    Start,
    /// Kill it; its end follows.
    Kill,
    /// Send it the first order.
    Begin,
    /// Order it to join an app.
    Join(AppIndex),
    /// Order netd to take an app's network away.
    Leave(AppIndex),
    /// The app may be started.
    Open(AppIndex),
    /// It may not, for now.
    Close(AppIndex),
    /// A time server has said what time it is.
    Time {
        /// Milliseconds since 1970.
        unix_ms: u64,
        /// Which one.
        server: String,
    },
    /// An app tried what its manifest does not allow.
    Denied(AppIndex, Layer, Refusal),
    /// Somebody outside sent to a port that no manifest lists: an app that has it open nevertheless is denied it.
    Knocked(Port),
    /// Write a line to the log in an app's name.
    LogFor(AppIndex, String),
    /// Write a line to the log in netd's name.
    Log(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Down {
        start_at: Uptime,
    },
    Starting,
    Running {
        since: Uptime,
        /// The app that is being joined, and until when an answer is waited for.
        joining: Option<(AppIndex, Uptime)>,
    },
    /// Killed, not gone yet: nothing that it says counts.
    Killed {
        since: Uptime,
    },
    /// No app has a network, or the device goes down.
    Off,
}

#[derive(Debug, Clone)]
struct Link {
    app: AppIndex,
    joined: bool,
    /// When it is joined next, if it is not.
    at: Uptime,
    /// Doublings of the next pause.
    doublings: u32,
    /// Why it was not joined last time: the same reason is told once.
    why: String,
    /// It got another network while netd was joining the old one: the answer to that says nothing of this one.
    again: bool,
}

impl Link {
    fn new(app: AppIndex, now: Uptime) -> Self {
        Self { app, joined: false, at: now, doublings: 0, why: String::new(), again: false }
    }
}

/// netd and the networks of the apps.
#[derive(Debug)]
pub struct Network {
    state: State,
    links: Vec<Link>,
    backoff: Backoff,
    was_online: bool,
    address: Option<([u8; 4], u8)>,
    /// Why there is no address, as last told.
    why_offline: String,
    /// Apps that had a network.
    departed: Vec<AppIndex>,
}

impl Network {
    /// For these apps. Without any, netd is never started.
    pub fn new(apps: impl IntoIterator<Item = AppIndex>, now: Uptime) -> Self {
        let links: Vec<Link> = apps.into_iter().map(|app| Link::new(app, now)).collect();
        let state = if links.is_empty() { State::Off } else { State::Down { start_at: now } };
        let millis = |pause: Duration| u32::try_from(pause.as_millis()).unwrap_or(u32::MAX);
        // A window of no length: it is started again for ever.
        let restart = Restart {
            policy: RestartPolicy::Always,
            backoff_min_ms: millis(SHORTEST_PAUSE),
            backoff_max_ms: millis(LONGEST_PAUSE),
            limit_count: 1,
            limit_window_ms: 0,
        };
        Self {
            state,
            links,
            backoff: Backoff::new(&restart),
            was_online: false,
            address: None,
            why_offline: String::new(),
            departed: Vec::new(),
        }
    }

    /// An app was installed that has a network, or got another one: it is joined with the next step. netd is started if
    /// no app had one before.
    pub fn admit(&mut self, app: AppIndex, now: Uptime) {
        let again = matches!(self.state, State::Running { joining: Some((other, _)), .. } if other == app);
        self.links.retain(|link| link.app != app);
        self.links.push(Link { again, ..Link::new(app, now) });
        self.departed.retain(|other| *other != app);
        if self.state == State::Off {
            self.state = State::Down { start_at: now };
        }
    }

    /// An app was removed, or has no network any more.
    pub fn dismiss(&mut self, app: AppIndex) -> Vec<Action> {
        let before = self.links.len();
        self.links.retain(|link| link.app != app);
        if self.links.len() == before {
            return vec![];
        }
        self.departed.push(app);
        if matches!(self.state, State::Running { .. }) { vec![Action::Leave(app)] } else { vec![] }
    }

    /// netd speaks of an app that has no network: it may not have heard yet that it was removed.
    fn unknown(&mut self, app: u8) -> Vec<Action> {
        if self.departed.iter().any(|other| other.0 == usize::from(app)) {
            return vec![];
        }
        self.kill(&format!("speaks of app {app}, which has no network"))
    }

    /// The device's address, while it has one.
    pub fn address(&self) -> Option<[u8; 4]> {
        self.address.map(|(address, _)| address)
    }

    /// When [`Event::Timer`] does something next.
    pub fn deadline(&self) -> Option<Uptime> {
        match self.state {
            State::Down { start_at } => Some(start_at),
            State::Running { joining: Some((_, until)), .. } => Some(until),
            State::Running { joining: None, .. } => {
                self.links.iter().filter(|link| !link.joined).map(|link| link.at).min()
            }
            State::Starting | State::Killed { .. } | State::Off => None,
        }
    }

    /// Takes an event.
    pub fn step(&mut self, event: Event, now: Uptime) -> Vec<Action> {
        let mut actions = match (event, self.state) {
            (_, State::Off) => vec![],
            (Event::Shutdown, _) => {
                self.state = State::Off;
                vec![]
            }
            (Event::Started, State::Starting) => {
                self.state = State::Running { since: now, joining: None };
                vec![Action::Begin]
            }
            (Event::Ended(end), State::Starting) => self.ended(&end, Duration::ZERO, now),
            (Event::Ended(end), State::Running { since, .. } | State::Killed { since }) => {
                self.ended(&end, now.since(since), now)
            }
            (Event::Timer, State::Down { start_at }) if now >= start_at => {
                self.state = State::Starting;
                vec![Action::Start]
            }
            (Event::Timer, State::Running { joining: Some((_, until)), .. }) if now >= until => {
                self.kill("does not answer")
            }
            (Event::Report(report), State::Running { .. }) => self.report(report, now),
            (Event::Broken(what), State::Running { .. }) => self.kill(&what),
            _ => vec![],
        };
        actions.extend(self.join_next(now));
        actions
    }

    /// One after the other: what netd has not read yet is never more than an order or two.
    fn join_next(&mut self, now: Uptime) -> Option<Action> {
        let State::Running { joining: joining @ None, .. } = &mut self.state else { return None };
        let link = self.links.iter().find(|link| !link.joined && link.at <= now)?;
        *joining = Some((link.app, now.after(JOIN_PATIENCE)));
        Some(Action::Join(link.app))
    }

    fn kill(&mut self, why: &str) -> Vec<Action> {
        if let State::Running { since, .. } = self.state {
            self.state = State::Killed { since };
        }
        vec![Action::Log(format!("{why}; killed")), Action::Kill]
    }

    fn ended(&mut self, end: &End, ran: Duration, now: Uptime) -> Vec<Action> {
        let mut actions = Vec::new();
        for link in &mut self.links {
            if link.joined && self.was_online {
                actions.push(Action::Close(link.app));
            }
            (link.joined, link.at, link.doublings, link.again) = (false, now, 0, false);
        }
        // With its bounds there is always another time; should there be none, the longest pause is.
        let pause = match self.backoff.after_run(ran, now) {
            Verdict::Again { pause, .. } => pause,
            Verdict::StaysDown => LONGEST_PAUSE,
        };
        self.state = State::Down { start_at: now.after(pause) };
        let end = match end {
            // Its bound is no manifest's.
            End::OutOfMemory => "killed: out of memory".to_owned(),
            end => end.to_string(),
        };
        actions.push(Action::Log(format!("{end}; starts again in {}", Readable(pause))));
        actions
    }

    fn report(&mut self, report: Report, now: Uptime) -> Vec<Action> {
        match report {
            Report::Joined { app } => self.joined(app),
            Report::NotJoined { app, why } => self.not_joined(app, why, now),
            Report::Online { address, prefix } => self.online(address, prefix),
            Report::Offline { why } => {
                self.address = None;
                let news = why != self.why_offline;
                self.why_offline.clone_from(&why);
                if news { vec![Action::Log(format!("offline: {why}"))] } else { vec![] }
            }
            Report::Time { unix_ms, server } => vec![Action::Time { unix_ms, server }],
            Report::Log { text } => vec![Action::Log(text)],
            Report::Dropped { app, to, why } => {
                let refusal = dropped::sent(&to, &why, self.address);
                match self.link(app) {
                    Some(link) => vec![Action::Denied(link.app, Layer::PacketFilter, refusal)],
                    None => self.unknown(app),
                }
            }
            Report::Knocked { protocol, port } => {
                let port = dropped::knocked_on(protocol, port);
                port.map(Action::Knocked).into_iter().collect()
            }
            Report::Denied { app, tried, remedy } => match self.link(app) {
                Some(link) => vec![Action::Denied(link.app, Layer::Resolver, Refusal { tried, remedy })],
                None => self.kill(&format!("speaks of app {app}, which has no network")),
            },
        }
    }

    fn link(&mut self, number: u8) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.app.0 == usize::from(number))
    }

    /// Whether it is this app's turn; then it is over.
    fn takes_turn(&mut self, number: u8) -> bool {
        match &mut self.state {
            State::Running { joining, .. }
                if joining.is_some_and(|(app, _)| app.0 == usize::from(number)) =>
            {
                *joining = None;
                true
            }
            _ => false,
        }
    }

    fn joined(&mut self, number: u8) -> Vec<Action> {
        if !self.takes_turn(number) {
            return self.kill(&format!("has joined app {number}, which it was not asked to"));
        }
        let was_online = self.was_online;
        let Some(link) = self.link(number) else { return vec![] };
        if std::mem::take(&mut link.again) {
            return vec![];
        }
        (link.joined, link.doublings) = (true, 0);
        link.why.clear();
        if was_online { vec![Action::Open(link.app)] } else { vec![] }
    }

    /// Also for an app that has joined: its network is gone, and is made anew.
    fn not_joined(&mut self, number: u8, why: String, now: Uptime) -> Vec<Action> {
        self.takes_turn(number);
        let was_online = self.was_online;
        let Some(link) = self.link(number) else { return self.unknown(number) };
        if std::mem::take(&mut link.again) {
            return vec![];
        }
        let pause = SHORTEST_PAUSE
            .saturating_mul(1u32.checked_shl(link.doublings).unwrap_or(u32::MAX))
            .min(LONGEST_PAUSE);
        let mut actions = Vec::new();
        if link.joined && was_online {
            actions.push(Action::Close(link.app));
        }
        if why != link.why {
            actions.push(Action::LogFor(link.app, format!("has no network: {why}; tried again")));
        }
        (link.joined, link.at, link.doublings) = (false, now.after(pause), (link.doublings + 1).min(31));
        link.why = why;
        actions
    }

    fn online(&mut self, address: [u8; 4], prefix: u8) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.address != Some((address, prefix)) {
            let [a, b, c, d] = address;
            actions.push(Action::Log(format!("online: {a}.{b}.{c}.{d}/{prefix}")));
        }
        self.address = Some((address, prefix));
        self.why_offline.clear();
        if !self.was_online {
            self.was_online = true;
            actions.extend(self.links.iter().filter(|link| link.joined).map(|link| Action::Open(link.app)));
        }
        actions
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
