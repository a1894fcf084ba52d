//! What apps ask.

use nacre_appmgr_core::fleet::AppIndex;
use nacre_appmgr_core::grants;
use nacre_appmgr_core::peers::{ConnectionId, Reply, Waiter};
use nacre_manifest::device::SystemGrant;
use nacre_wire::app::{Ask, Message, Outcome, Request};

use crate::app_socket::{BACKLOG, MOST_CONNECTIONS, Received, Sent};
use crate::clock;
use crate::daemon::Daemon;
use crate::event_loop::{Interest, Source};

/// Requests served of one connection before the others get their turn.
const AT_ONCE: usize = 8;

/// Different denials logged in one run of an app.
const MOST_DENIALS: usize = 8;

impl Daemon {
    /// Takes the connections that wait; those that come meanwhile have their turn later, so that an app which
    /// connects without end keeps nobody from his. A uid that is no app's gets none.
    pub(crate) fn accept(&mut self) {
        for _ in 0..BACKLOG {
            match self.listener.accept() {
                Ok(None) => return,
                Ok(Some((socket, uid))) => {
                    let Some(app) = self.by_uid.get(&uid).copied() else { continue };
                    let Some(id) = self.connections.add(socket, app) else {
                        self.complain(app, &format!("has {MOST_CONNECTIONS} connections already; no more"));
                        continue;
                    };
                    let watched = self
                        .connections
                        .get(id)
                        .map(|(_, socket)| self.events.add(socket, Source::Connection(id), Interest::Read));
                    if let Some(Err(error)) = watched {
                        self.connections.close(id);
                        self.complain(app, &format!("its connection is refused: {error}"));
                    }
                }
                Err(error) => {
                    self.log.own(&format!("accept a connection: {error}"));
                    return;
                }
            }
        }
    }

    /// Sends what waits for an app, then takes what it asks.
    pub(crate) fn serve_connection(&mut self, id: ConnectionId) {
        if self.connections.is_waiting(id) {
            let sent = self.connections.flush(id);
            self.after_sending(id, sent);
            if sent == Sent::All {
                self.watch_connection(id, Interest::Read);
            }
        }
        for _ in 0..AT_ONCE {
            // What it has not read yet comes first: it cannot ask without end and never listen.
            if self.connections.is_waiting(id) {
                return;
            }
            let Some((app, _)) = self.connections.get(id) else { return };
            match self.connections.receive(id) {
                Received::Nothing => return,
                Received::Closed => return self.close_connection(id),
                Received::Bad(what) => {
                    self.complain(
                        app,
                        &format!("sent the OS what is no request ({what}); connection closed"),
                    );
                    return self.close_connection(id);
                }
                Received::Request(request) => self.serve(id, app, request),
            }
        }
    }

    fn serve(&mut self, connection: ConnectionId, app: AppIndex, request: Request) {
        let waiter = Waiter { connection, request: request.id };
        let outcome = match request.ask {
            Ask::Stats => self
                .granted(app, SystemGrant::Stats, |daemon| Outcome::Stats(daemon.stats.read(clock::now()))),
            Ask::Device => {
                self.granted(app, SystemGrant::Stats, |daemon| Outcome::Device(daemon.describe_device()))
            }
            Ask::AppsStatus => self
                .granted(app, SystemGrant::AppsStatus, |daemon| Outcome::Apps(daemon.statuses(clock::now()))),
            Ask::Call { to, payload } => match self.call(waiter, app, &to, payload) {
                Ok(()) => return,
                Err(outcome) => outcome,
            },
            Ask::Answer { call, payload } => match self.broker.answer(app, call, payload) {
                Ok(reply) => {
                    self.reply(reply);
                    Outcome::Done
                }
                Err(outcome) => outcome,
            },
        };
        if let Outcome::Denied(text) = &outcome {
            self.note_denial(app, text);
        }
        self.reply(Reply { to: waiter, outcome });
    }

    fn granted(
        &mut self,
        app: AppIndex,
        grant: SystemGrant,
        answer: impl FnOnce(&mut Self) -> Outcome,
    ) -> Outcome {
        let checked = self.slots.get(app.0).map(|slot| grants::check(&slot.id, &slot.system, grant));
        match checked {
            Some(Ok(())) => answer(self),
            Some(Err(text)) => Outcome::Denied(text),
            None => Outcome::Invalid("no such app".into()),
        }
    }

    /// Books a call and delivers it; what to reply at once, if it goes nowhere.
    fn call(&mut self, waiter: Waiter, from: AppIndex, to: &str, payload: Vec<u8>) -> Result<(), Outcome> {
        let caller = self.slots.get(from.0).ok_or_else(|| Outcome::Invalid("no such app".into()))?;
        let callee = self
            .slots
            .iter()
            .enumerate()
            .find(|(_, slot)| slot.id.as_str() == to && slot.installed.is_some())
            .map(|(at, slot)| slot.party(AppIndex(at)));
        let listener = callee.and_then(|callee| self.connections.oldest_of(callee.index));
        let now = clock::now();
        let call = self.broker.call(waiter, caller.party(from), to, callee, listener, now)?;
        if let Some(listener) = listener {
            let message = Message::Called { call, from: caller.id.to_string(), payload };
            let sent = self.connections.send(listener, &message);
            // Should the connection break, the caller gets its reply from there.
            self.after_sending(listener, sent);
        }
        Ok(())
    }

    /// Sends replies that the broker made.
    pub(crate) fn reply_all(&mut self, replies: Vec<Reply>) {
        for reply in replies {
            self.reply(reply);
        }
    }

    fn reply(&mut self, Reply { to, outcome }: Reply) {
        let message = Message::Reply { id: to.request, outcome };
        let sent = self.connections.send(to.connection, &message);
        self.after_sending(to.connection, sent);
    }

    fn after_sending(&mut self, id: ConnectionId, sent: Sent) {
        match sent {
            Sent::All => {}
            Sent::Waiting => self.watch_connection(id, Interest::Write),
            Sent::Broken => {
                let Some((app, _)) = self.connections.get(id) else { return };
                if self.connections.is_waiting(id) {
                    self.complain(app, "does not read what the OS sends; connection closed");
                }
                self.close_connection(id);
            }
        }
    }

    fn watch_connection(&mut self, id: ConnectionId, interest: Interest) {
        let Some((_, socket)) = self.connections.get(id) else { return };
        if self.events.change(socket, Source::Connection(id), interest).is_err() {
            self.close_connection(id);
        }
    }

    fn close_connection(&mut self, id: ConnectionId) {
        self.connections.close(id);
        let replies = self.broker.connection_closed(id);
        self.reply_all(replies);
    }

    pub(crate) fn note_denial(&mut self, app: AppIndex, text: &str) {
        let Some(slot) = self.slots.get_mut(app.0) else { return };
        if slot.denials.len() < MOST_DENIALS && !slot.denials.iter().any(|denial| denial == text) {
            slot.denials.push(text.to_owned());
            self.complain(app, &format!("denied: {text}"));
        }
    }

    /// A line about an app's behaviour, out of its own budget: it cannot fill the log by misbehaving.
    pub(crate) fn complain(&mut self, app: AppIndex, text: &str) {
        let now = clock::now();
        let Some(slot) = self.slots.get_mut(app.0) else { return };
        if slot.budget.pause_until(now).is_none() {
            slot.budget.spend(text.len(), 1, now);
            self.log_for(app, &nacre_appmgr_core::log_line::printable(text.as_bytes()));
        }
    }
}
