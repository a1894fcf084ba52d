//! What the OS and recorder say.

use nacre_app::{AppStatus, AskError, ConnectError, Device, Stats, System};
use recorder::protocol::{Answer, Ask, RECORDER};

use crate::range::Range;

/// Makes a connection to the OS.
pub type Link = Box<dyn FnMut() -> Result<System, ConnectError>>;

/// The state of the device at one moment. What could not be had says why.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) device: Option<Device>,
    pub(crate) stats: Result<Stats, String>,
    /// CPU time not idle since the reading before, in thousandths; `None` if that was too long ago.
    pub(crate) cpu_permille: Option<u16>,
    pub(crate) apps: Result<Vec<AppStatus>, String>,
}

/// Longest time between two readings whose CPU time is called the present one, in milliseconds.
const LATELY: u64 = 30_000;

impl Reading {
    /// CPU time not idle lately, in thousandths; of the time since the kernel started, if nobody knows better.
    pub(crate) fn cpu_now(&self, history: &History) -> u16 {
        let sample = || Some(history.as_ref().ok()?.samples.last()?.cpu_permille);
        let since_start = || Some(cpu_permille((0, 0), self.stats.as_ref().ok()?));
        self.cpu_permille.or_else(sample).or_else(since_start).unwrap_or(0)
    }
}

/// Samples of recorder.
pub(crate) type History = Result<Answer, String>;

/// The OS, asked for everything that the panel shows.
pub struct Source {
    link: Link,
    system: Option<System>,
    before: Option<Stats>,
}

impl Source {
    /// `link` is called when there is no connection, or no longer.
    pub fn new(link: impl FnMut() -> Result<System, ConnectError> + 'static) -> Self {
        Self { link: Box::new(link), system: None, before: None }
    }

    /// Says that this app is well.
    pub(crate) fn heartbeat(&mut self) {
        // Should the OS not hear it, it does what the manifest says.
        let _ = self.ask(System::heartbeat);
    }

    /// Asks for figures and states.
    pub(crate) fn read(&mut self) -> Reading {
        let stats = self.ask(System::stats);
        // One that does not answer is not waited for twice.
        let apps = match &stats {
            Err(error) if !matches!(error, Failure::Refused(_)) => Err(error.to_string()),
            _ => self.ask(System::apps).map_err(|error| error.to_string()),
        };
        let device = match &stats {
            Ok(_) => self.ask(System::device).ok(),
            Err(_) => None,
        };
        let before = self.before.as_ref();
        let cpu_permille = stats.as_ref().ok().zip(before).and_then(|(now, before)| {
            let lately = now.uptime_ms.saturating_sub(before.uptime_ms) <= LATELY;
            lately.then(|| cpu_permille((before.cpu_total_ms, before.cpu_busy_ms), now))
        });
        self.before = stats.as_ref().ok().copied();
        Reading { device, stats: stats.map_err(|error| error.to_string()), cpu_permille, apps }
    }

    /// Asks recorder.
    pub(crate) fn history(&mut self, range: Range) -> History {
        let every_s = Some(range.every_s()).filter(|every| *every > 1);
        let ask = Ask { newest: Range::POINTS, every_s };
        let ask = minicbor::to_vec(ask).map_err(|error| error.to_string())?;
        let answer = self.ask(|system| system.call(RECORDER, &ask)).map_err(|error| error.to_string())?;
        minicbor::decode(&answer).map_err(|_| "recorder answered something else".to_owned())
    }

    fn ask<T>(&mut self, question: impl FnOnce(&mut System) -> Result<T, AskError>) -> Result<T, Failure> {
        let system = match &mut self.system {
            Some(system) => system,
            none => none.insert((self.link)().map_err(|_| Failure::NoConnection)?),
        };
        question(system).map_err(|error| match error {
            AskError::Silence => Failure::Silence,
            AskError::Denied(text) | AskError::Unavailable(text) | AskError::Invalid(text) => {
                Failure::Refused(text)
            }
            AskError::TooLong | AskError::Unexpected => Failure::Refused(error.to_string()),
            AskError::Connection(_) => {
                self.system = None;
                Failure::NoConnection
            }
        })
    }
}

/// Why there is no answer, for people.
enum Failure {
    NoConnection,
    Silence,
    Refused(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoConnection => "no connection to the OS",
            Self::Silence => "no answer in time",
            Self::Refused(text) => text,
        })
    }
}

/// CPU time not idle since a moment with so much time in all and so much of it busy, in thousandths.
fn cpu_permille((total, busy): (u64, u64), now: &Stats) -> u16 {
    let total = now.cpu_total_ms.saturating_sub(total).max(1);
    let busy = now.cpu_busy_ms.saturating_sub(busy).min(total);
    u16::try_from(busy.saturating_mul(1000) / total).unwrap_or(1000)
}
