//! What apps ask.

use std::os::fd::OwnedFd;

use nacre_appmgr_core::denials::Refusal;
use nacre_appmgr_core::fleet::AppIndex;
use nacre_appmgr_core::grants;
use nacre_appmgr_core::peers::{ConnectionId, NotBooked, Reply, Waiter};
use nacre_manifest::device::SystemGrant;
use nacre_wire::app::{Ask, Message, Outcome, Request};
use nacre_wire::denial::Layer;

use crate::clock;
use crate::daemon::Daemon;
use crate::event_loop::{Interest, Source};
use nacre_app_session::app_socket::{BACKLOG, MOST_CONNECTIONS, Received, Sent};

/// Requests served of one connection before the others get their turn.
const AT_ONCE: usize = 8;

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
            if self.must_wait(app) {
                return;
            }
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
        if let Some(slot) = self.slots.get_mut(app.0) {
            slot.requests.spend(clock::now());
        }
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
                    // How often it is called is its peers' doing, and on their budgets.
                    if let Some(slot) = self.slots.get_mut(app.0) {
                        slot.requests.refund();
                    }
                    self.reply(reply);
                    Outcome::Done
                }
                Err(outcome) => outcome,
            },
            Ask::Heartbeat => self.heartbeat(app),
            Ask::Log { text, detail } => self.log_structured(app, &text, detail),
            Ask::Events => self.listen(connection, app),
            Ask::Line { name, mode } => {
                let (outcome, line) = self.take_line(app, &name, mode);
                return self.reply_with(Reply { to: waiter, outcome }, line);
            }
            Ask::Uart { name, baud, parity } => {
                let (outcome, port) = self.take_uart(app, &name, baud, parity);
                return self.reply_with(Reply { to: waiter, outcome }, port);
            }
        };
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
            Some(Err(refusal)) => self.refused(app, refusal),
            None => Outcome::Invalid("no such app".into()),
        }
    }

    /// What an app is told that its manifest does not allow what it asks.
    pub(crate) fn refused(&mut self, app: AppIndex, refusal: Refusal) -> Outcome {
        let outcome = Outcome::Denied(refusal.to_string());
        self.deny(app, Layer::AppManager, refusal);
        outcome
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
        let call = match self.broker.call(waiter, caller.party(from), to, callee, listener, now) {
            Ok(call) => call,
            Err(NotBooked::Refused(refusal)) => return Err(self.refused(from, refusal)),
            Err(NotBooked::Reply(outcome)) => return Err(outcome),
        };
        if let Some(listener) = listener {
            let message = Message::Called { call, from: caller.id.to_string(), payload };
            let sent = self.connections.send(listener, &message, None);
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

    fn reply(&mut self, reply: Reply) {
        self.reply_with(reply, None);
    }

    /// The same with a descriptor, which is the app's then and no longer open here.
    fn reply_with(&mut self, Reply { to, outcome }: Reply, descriptor: Option<OwnedFd>) {
        let message = Message::Reply { id: to.request, outcome };
        let sent = self.connections.send(to.connection, &message, descriptor);
        self.after_sending(to.connection, sent);
    }

    pub(crate) fn after_sending(&mut self, id: ConnectionId, sent: Sent) {
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

    pub(crate) fn watch_connection(&mut self, id: ConnectionId, interest: Interest) {
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
