//! The poll loop.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Backlog, listen};

use crate::connection::{Connection, Fate};
use crate::panel::Panel;
use crate::request::{Names, Request};
use crate::response::Response;

/// Clients at once. Each holds up to 4 KiB here and some 20 KiB in the kernel.
const MOST_CONNECTIONS: usize = 8;

/// Clients that wait in the kernel for a place.
const BACKLOG: i32 = 16;

/// When all places are taken, one that has been without a request for so long is given to who waits.
const IDLE: Duration = Duration::from_secs(1);

/// How often a full server looks whether a place became idle.
const LOOK: Duration = Duration::from_millis(250);

/// Serves the panel to all clients, in one thread.
pub struct Server {
    listener: TcpListener,
    panel: Panel,
    names: Names,
    connections: Vec<Connection>,
}

impl Server {
    /// Serves on `listener`.
    ///
    /// # Errors
    /// When the kernel does not take the listener's settings.
    pub fn new(listener: TcpListener, panel: Panel, names: Names) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        listen(&listener, Backlog::new(BACKLOG)?)?;
        Ok(Self { listener, panel, names, connections: Vec::new() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Tells the OS that the server is well.
    pub fn heartbeat(&mut self) {
        self.panel.heartbeat();
    }

    /// Waits until something happens, at most for `wait`, and deals with it.
    ///
    /// # Errors
    /// When waiting itself fails; no client can bring that about.
    pub fn turn(&mut self, wait: Option<Duration>) -> io::Result<()> {
        let ready = self.wait(wait)?;
        let now = Instant::now();
        let Self { panel, names, connections, .. } = self;
        let mut ready = ready.into_iter();
        let knocking = ready.next().unwrap_or(false);
        connections.retain_mut(|connection| {
            let fate = if ready.next().unwrap_or(false) {
                connection.advance(now, names, |request| Some(answer(panel, request, now)))
            } else if connection.deadline() <= now {
                connection.expire(now)
            } else {
                Fate::Open
            };
            fate == Fate::Open
        });
        if knocking {
            self.accept(now);
        }
        Ok(())
    }

    /// Which of the listener and the connections has something to do.
    fn wait(&self, wait: Option<Duration>) -> io::Result<Vec<bool>> {
        let now = Instant::now();
        let full = self.connections.len() >= MOST_CONNECTIONS && self.idle(now).is_none();
        let next =
            self.connections.iter().map(|connection| connection.deadline().saturating_duration_since(now));
        let wait = next.chain(wait).chain(full.then_some(LOOK)).min();
        // Rounded up: a millisecond too early would be a turn for nothing, over and over.
        let timeout = wait.map_or(PollTimeout::NONE, |wait| {
            PollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        // Who knocks at a full house is not heard: poll would return at once, for ever.
        let knock = if full { PollFlags::empty() } else { PollFlags::POLLIN };
        let mut descriptors = vec![PollFd::new(self.listener.as_fd(), knock)];
        descriptors.extend(self.connections.iter().map(|each| PollFd::new(each.fd(), each.interest())));
        match poll(&mut descriptors, timeout) {
            Ok(_) => Ok(descriptors.iter().map(|each| each.any().unwrap_or(true)).collect()),
            Err(Errno::EINTR) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes who waits, as far as there are places.
    fn accept(&mut self, now: Instant) {
        while let Some(at) = self.place(now) {
            match self.listener.accept().and_then(|(stream, _)| Connection::new(stream, now)) {
                Ok(connection) => {
                    if at < self.connections.len() {
                        self.connections.remove(at);
                    }
                    self.connections.push(connection);
                }
                // Nobody waits any more, or the one who did has gone.
                Err(_) => return,
            }
        }
    }

    /// Where one more may go: behind the others, or where one is that is idle.
    fn place(&self, now: Instant) -> Option<usize> {
        let count = self.connections.len();
        if count < MOST_CONNECTIONS { Some(count) } else { self.idle(now) }
    }

    /// The connection that has been idle for longest, if for long enough.
    fn idle(&self, now: Instant) -> Option<usize> {
        let each = self.connections.iter().enumerate();
        let idle = each.filter_map(|(at, connection)| Some((connection.idle_since()?, at)));
        let (since, at) = idle.min()?;
        (now.saturating_duration_since(since) >= IDLE).then_some(at)
    }
}

fn answer(panel: &mut Panel, request: &Request, now: Instant) -> Response {
    match request.wants {
        Ok(document) => {
            let content = panel.document(document, now);
            Response::document(document, content, request.body, request.after)
        }
        Err(refusal) => Response::refusal(refusal, request.body, request.after),
    }
}
