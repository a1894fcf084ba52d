//! An app's log, until the app ends.

use std::time::Duration;

use nacre_wire::channel::{Answer, Command, LogLine};
use nacre_wire::status::{AppState, AppStatus};

use crate::device::client::{AskDeviceError, Client};

/// How often the app's state is asked for.
const LOOK: Duration = Duration::from_millis(250);

/// How an app ended that is not started again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppEnd {
    /// Done, failed, stopped or refused.
    pub state: AppState,
    /// In the device's words.
    pub how: String,
}

impl AppEnd {
    /// Whether it ended as a program that did its work.
    pub fn is_success(&self) -> bool {
        self.state == AppState::Done && self.how == "exited with code 0"
    }
}

/// Follows the log of one app and its state.
#[derive(Debug)]
pub struct Follower {
    client: Client,
    app: String,
    logs: u32,
    asked: Option<u32>,
}

/// What comes next of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A line of its log.
    Line(LogLine),
    /// It has ended for good, and there is nothing more in its log.
    Ended(AppEnd),
    /// Nothing for a moment.
    Nothing,
}

impl Follower {
    /// Begins behind the line with this number; 0 for all that is kept.
    ///
    /// # Errors
    /// When the device knows no such app, or does not answer.
    pub fn begin(mut client: Client, app: &str, after: u64) -> Result<Self, AskDeviceError> {
        let logs = client.send(Command::Logs { after, follow: true, app: Some(app.to_owned()) })?;
        Ok(Self { client, app: app.to_owned(), logs, asked: None })
    }

    /// What comes next, or that nothing has come for a moment.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn news(&mut self) -> Result<News, AskDeviceError> {
        loop {
            let Some(response) = self.client.next(LOOK)? else {
                // The log is quiet: has the app ended?
                self.asked = Some(self.client.send(Command::Apps)?);
                let status = self.status()?;
                return Ok(status.and_then(ended).map_or(News::Nothing, News::Ended));
            };
            match response.answer {
                Answer::Log(line) if response.id == self.logs => return Ok(News::Line(line)),
                _ => {}
            }
        }
    }

    /// The state that was asked for, unless a line comes first: then it is asked for again.
    fn status(&mut self) -> Result<Option<AppStatus>, AskDeviceError> {
        let mut found = None;
        while let Some(response) = self.client.next(Duration::from_secs(5))? {
            match response.answer {
                Answer::App(status) if Some(response.id) == self.asked => {
                    if status.app == self.app {
                        found = Some(status);
                    }
                    if !response.more {
                        return Ok(found);
                    }
                }
                Answer::Done if Some(response.id) == self.asked => return Ok(None),
                Answer::Log(line) => {
                    self.client.push_back(nacre_wire::channel::Response {
                        session: response.session,
                        id: response.id,
                        more: response.more,
                        answer: Answer::Log(line),
                    });
                    return Ok(None);
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

fn ended(status: AppStatus) -> Option<AppEnd> {
    match status.state {
        AppState::Done | AppState::Failed | AppState::Stopped | AppState::Refused => {
            Some(AppEnd { state: status.state, how: status.last_end.unwrap_or_default() })
        }
        AppState::Running | AppState::Backoff | AppState::Stopping | AppState::Waiting => None,
    }
}
