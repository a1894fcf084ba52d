//! One client, from its first byte to its last. Every step has a deadline.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use crate::inbox::{Inbox, MOST_BYTES};
use crate::request::{After, Body, Names, Refusal, Request};
use crate::response::Response;

/// How long a request may take to come in, and its answer to go out.
const STEP: Duration = Duration::from_secs(5);

/// How long a client may take to hear a refusal before the connection is reset.
const FAREWELL: Duration = Duration::from_secs(1);

/// Requests on one connection.
const MOST_REQUESTS: u8 = 100;

/// What the connection is doing.
#[derive(Debug)]
enum Step {
    /// Waiting for the rest of a request.
    Reading,
    /// Sending an answer.
    Writing { response: Response, sent: usize },
    /// All was said. What the client still sends is dropped: closing now would reset the connection, and the
    /// answer might be lost with it.
    Parting,
}

/// Whether the connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It waits for more.
    Open,
    /// It is over.
    Closed,
}

/// A connection of a client.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    inbox: Inbox,
    step: Step,
    since: Instant,
    left: u8,
}

impl Connection {
    /// Takes a connection that was accepted just now.
    pub(crate) fn new(stream: TcpStream, now: Instant) -> std::io::Result<Self> {
        stream.set_nonblocking(true)?;
        // Head and body go out one after the other; the second must not wait for the first's acknowledgement.
        stream.set_nodelay(true)?;
        Ok(Self { stream, inbox: Inbox::default(), step: Step::Reading, since: now, left: MOST_REQUESTS })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// What to wait for.
    pub(crate) fn interest(&self) -> PollFlags {
        match self.step {
            Step::Reading | Step::Parting => PollFlags::POLLIN,
            Step::Writing { .. } => PollFlags::POLLOUT,
        }
    }

    /// When the present step has taken too long.
    pub(crate) fn deadline(&self) -> Instant {
        self.since + if matches!(self.step, Step::Parting) { FAREWELL } else { STEP }
    }

    /// Since when it keeps a place without having asked for anything; `None` while it is served.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        (!matches!(self.step, Step::Writing { .. })).then_some(self.since)
    }

    /// Ends a step that took too long. A client in the middle of a request hears why.
    pub(crate) fn expire(&mut self, now: Instant) -> Fate {
        if !matches!(self.step, Step::Reading) || self.inbox.is_empty() {
            return Fate::Closed;
        }
        self.refuse(Refusal::Timeout, now);
        self.advance(now, &Names::default(), |_| None)
    }

    /// Goes as far as it can without waiting.
    pub(crate) fn advance(
        &mut self,
        now: Instant,
        names: &Names,
        mut answer: impl FnMut(&Request) -> Option<Response>,
    ) -> Fate {
        loop {
            let result = match &mut self.step {
                Step::Reading => match self.inbox.take(names) {
                    Ok(None) => self.read(now),
                    Ok(Some(request)) => {
                        self.left = self.left.saturating_sub(1);
                        let after = if self.left == 0 { After::Close } else { request.after };
                        match answer(&Request { after, ..request }) {
                            Some(response) => self.say(response, now),
                            None => return Fate::Closed,
                        }
                        Ok(true)
                    }
                    Err(refusal) => {
                        self.refuse(refusal, now);
                        Ok(true)
                    }
                },
                Step::Writing { .. } => self.write(now),
                // Once for each turn, and not for ever: a client that talks without end gets no more than its share.
                Step::Parting if now.saturating_duration_since(self.since) >= FAREWELL => Ok(false),
                Step::Parting => return self.drain(),
            };
            match result {
                Ok(true) => {}
                Ok(false) => return Fate::Closed,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Fate::Open,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Fate::Closed,
            }
        }
    }

    fn say(&mut self, response: Response, now: Instant) {
        self.enter(Step::Writing { response, sent: 0 }, now);
    }

    fn refuse(&mut self, refusal: Refusal, now: Instant) {
        self.say(Response::refusal(refusal, Body::Wanted, After::Close), now);
    }

    fn enter(&mut self, step: Step, now: Instant) {
        self.step = step;
        self.since = now;
    }

    fn read(&mut self, now: Instant) -> std::io::Result<bool> {
        let mut bytes = [0; MOST_BYTES];
        let room = bytes.get_mut(..self.inbox.room()).unwrap_or_default();
        let read = self.stream.read(room)?;
        // Five seconds for the request count from its first byte, not from the end of the one before.
        if self.inbox.is_empty() {
            self.since = now;
        }
        self.inbox.push(bytes.get(..read).unwrap_or_default());
        Ok(read > 0)
    }

    fn write(&mut self, now: Instant) -> std::io::Result<bool> {
        let Step::Writing { response, sent } = &mut self.step else { return Ok(true) };
        let rest = match response.head.get(*sent..) {
            Some(rest @ [_, ..]) => rest,
            _ => response.body.get(*sent - response.head.len()..).unwrap_or_default(),
        };
        if !rest.is_empty() {
            *sent += self.stream.write(rest)?;
            return Ok(true);
        }
        match response.after {
            After::Keep => self.enter(Step::Reading, now),
            After::Close => {
                self.stream.shutdown(Shutdown::Write)?;
                self.enter(Step::Parting, now);
            }
        }
        Ok(true)
    }

    fn drain(&mut self) -> Fate {
        match self.stream.read(&mut [0; 4096]) {
            Ok(0) => Fate::Closed,
            Ok(_) => Fate::Open,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Fate::Open
            }
            Err(_) => Fate::Closed,
        }
    }
}
