//! `nacre device logs` and `nacre device events`.

use std::time::{Duration, Instant};

use nacre_wire::channel::{Answer, Command};

use super::{Target, emit, failure};
use crate::device::client::{AskDeviceError, Client, Next, Waiting};
use crate::device::print;
use crate::failure::Failure;
use crate::terminal::Terminal;

/// How long `--follow` waits for a device that restarts.
const RESTART: Duration = Duration::from_secs(20);

/// What is shown one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content {
    Lines,
    Events,
}

pub(super) struct Stream {
    pub(super) target: Target,
    pub(super) content: Content,
    pub(super) follow: bool,
    pub(super) app: Option<String>,
    /// Only what happened in so long before now, or later.
    pub(super) since: Option<Duration>,
    pub(super) json: bool,
    /// Number of the last one that was shown.
    pub(super) last: u64,
}

impl Stream {
    /// Shows them.
    pub(super) fn show(mut self, mut client: Client, terminal: &Terminal) -> Result<(), Failure> {
        let mut from_ms = match self.since {
            Some(since) => uptime(&mut client)?.saturating_sub(millis(since)),
            None => 0,
        };
        // Since when the device has been gone, until it says something again.
        let mut gone: Option<Instant> = None;
        loop {
            let before = self.last;
            let done = self.read(&mut client, from_ms);
            if self.last != before {
                gone = None;
            }
            match done {
                Err(AskDeviceError::Closed) if self.follow => {}
                done => return done.map_err(failure),
            }
            let since = *gone.get_or_insert_with(|| {
                terminal.notice("the device is gone; waiting for it to come back");
                Instant::now()
            });
            if since.elapsed() >= RESTART {
                return Err(failure(AskDeviceError::Closed));
            }
            client = self.reconnect(since + RESTART)?;
            self.last = 0;
            // Of a new boot, everything is later.
            from_ms = 0;
        }
    }

    fn read(&mut self, client: &mut Client, from_ms: u64) -> Result<(), AskDeviceError> {
        let (after, follow, app) = (self.last, self.follow, self.app.clone());
        let command = match self.content {
            Content::Lines => Command::Logs { after, follow, app },
            Content::Events => Command::Events { after, follow, app },
        };
        let waiting = if self.follow { Waiting::ForEver } else { Waiting::Bounded };
        let mut unexpected = false;
        let (json, last) = (self.json, &mut self.last);
        client.ask_many(command, waiting, |answer| {
            let at_ms = match &answer {
                Answer::Log(line) => line.uptime_ms,
                Answer::Event(denial) => denial.uptime_ms,
                _ => u64::MAX,
            };
            let (number, text) = match answer {
                Answer::Log(line) if json => (line.number, print::log_json(&line).to_string()),
                Answer::Log(line) => (line.number, print::log(&line)),
                Answer::Event(denial) if json => (denial.number, print::event_json(&denial).to_string()),
                Answer::Event(denial) => (denial.number, print::event(&denial)),
                Answer::Done => return Next::GoOn,
                _ => {
                    unexpected = true;
                    return Next::Stop;
                }
            };
            *last = number;
            if at_ms < from_ms {
                return Next::GoOn;
            }
            // Whoever read the lines is gone: `nacre device logs -f | head`.
            if emit(&(text + "\n")).is_ok() { Next::GoOn } else { Next::Stop }
        })?;
        if unexpected { Err(AskDeviceError::Unexpected) } else { Ok(()) }
    }

    fn reconnect(&self, deadline: Instant) -> Result<Client, Failure> {
        loop {
            std::thread::sleep(Duration::from_millis(200));
            match self.target.connect_again() {
                Ok(client) => return Ok(client),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => {}
            }
        }
    }
}

fn uptime(client: &mut Client) -> Result<u64, Failure> {
    match client.ask(Command::Info).map_err(failure)? {
        Answer::Info(info) => Ok(info.stats.uptime_ms),
        _ => Err(failure(AskDeviceError::Unexpected)),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
