//! The client's state machine.

use std::net::Ipv4Addr;

use super::lease::Grant;
use super::message::{self, Kind, Reply, Request};
use super::timing::{Held, PATIENCE, Talk, pause};
use super::{Action, Destination, Event, Lease};
use crate::{Millis, Random};

/// The DHCP client of one interface.
#[derive(Debug, Clone)]
pub struct Client {
    mac: [u8; 6],
    state: State,
    /// The address of the last lease, to ask for it again.
    last: Option<Ipv4Addr>,
    /// A server whose offer came to nothing: another is preferred.
    shunned: Option<Ipv4Addr>,
    /// Offers taken in vain since the last lease.
    failures: u32,
    /// Whether it is logged already that there is no address.
    complained: bool,
}

#[derive(Debug, Clone)]
enum State {
    /// No carrier.
    Init,
    /// Before the next start.
    Pausing { until: Millis },
    /// Looking for servers. `spare` is the offer of a shunned one.
    Selecting { talk: Talk, spare: Option<Grant> },
    /// An offer is being taken.
    Requesting { talk: Talk, grant: Grant },
    /// There is a lease, and nothing to do.
    Bound(Held),
    /// Its server is asked to prolong it.
    Renewing { talk: Talk, held: Held },
    /// Any server is asked to.
    Rebinding { talk: Talk, held: Held },
}

impl Client {
    /// A client that waits for [`Event::Up`]. `mac` is the interface's Ethernet address.
    pub fn new(mac: [u8; 6]) -> Self {
        Self { mac, state: State::Init, last: None, shunned: None, failures: 0, complained: false }
    }

    /// The lease that the device has.
    pub fn lease(&self) -> Option<&Lease> {
        self.held().map(|held| &held.lease)
    }

    /// When it wants [`Event::Timer`].
    pub fn deadline(&self) -> Option<Millis> {
        match &self.state {
            State::Init => None,
            State::Pausing { until } => Some(*until),
            State::Selecting { talk, .. } | State::Requesting { talk, .. } => Some(talk.next),
            State::Bound(held) => Some(held.renew_at),
            State::Renewing { talk, .. } | State::Rebinding { talk, .. } => Some(talk.next),
        }
    }

    /// Takes an event.
    pub fn step(&mut self, event: Event<'_>, now: Millis, random: &mut Random<'_>) -> Vec<Action> {
        match event {
            Event::Up if matches!(self.state, State::Init) => self.discover(now, random),
            Event::Up => vec![],
            Event::Down => {
                let lost = self.held().map(|_| Action::Lost("the interface has no carrier".into()));
                self.state = State::Init;
                lost.into_iter().collect()
            }
            Event::Datagram(bytes) => {
                let mac = self.mac;
                message::parse(bytes, &mac).map_or(vec![], |reply| self.reply(&reply, now, random))
            }
            Event::Timer if self.deadline().is_some_and(|deadline| deadline <= now) => {
                self.timer(now, random)
            }
            Event::Timer => vec![],
        }
    }

    fn held(&self) -> Option<&Held> {
        match &self.state {
            State::Bound(held) | State::Renewing { held, .. } | State::Rebinding { held, .. } => Some(held),
            _ => None,
        }
    }

    fn send(&self, to: Destination, request: Request, talk: &Talk) -> Action {
        let secs = u16::try_from(talk.sent.saturating_sub(talk.since) / 1000).unwrap_or(u16::MAX);
        Action::Send { to, bytes: message::build(request, talk.xid, secs, &self.mac) }
    }

    fn discover(&mut self, now: Millis, random: &mut Random<'_>) -> Vec<Action> {
        let talk = Talk::new(now, random);
        let send = self.send(Destination::Broadcast, Request::Discover { hint: self.last }, &talk);
        self.state = State::Selecting { talk, spare: None };
        vec![send]
    }

    fn take(&mut self, grant: Grant, talk: Talk, now: Millis, random: &mut Random<'_>) -> Vec<Action> {
        let talk = Talk { tries: 0, ..talk }.again(now, random);
        let request = Request::Take { address: grant.lease.address, server: grant.lease.server };
        let send = self.send(Destination::Broadcast, request, &talk);
        self.state = State::Requesting { talk, grant };
        vec![send]
    }

    /// Asks for more time of the lease: its server until T2, then any.
    fn keep(&mut self, held: Held, mut talk: Talk, now: Millis) -> Vec<Action> {
        let request = Request::Keep { address: held.lease.address };
        (talk.tries, talk.sent) = (talk.tries.saturating_add(1), now);
        let rebinding = now >= held.rebind_at;
        talk.next = held.pause(now, if rebinding { held.expires_at } else { held.rebind_at });
        let to = if rebinding { Destination::Broadcast } else { Destination::Server(held.lease.server) };
        let send = self.send(to, request, &talk);
        self.state = if rebinding { State::Rebinding { talk, held } } else { State::Renewing { talk, held } };
        vec![send]
    }

    fn give_up(&mut self, server: Ipv4Addr, now: Millis, random: &mut Random<'_>) {
        self.shunned = Some(server);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Pausing { until: now.saturating_add(pause(self.failures, random)) };
    }

    fn timer(&mut self, now: Millis, random: &mut Random<'_>) -> Vec<Action> {
        match std::mem::replace(&mut self.state, State::Init) {
            State::Init => vec![],
            State::Pausing { .. } => self.discover(now, random),
            State::Selecting { talk, spare: Some(grant) } => self.take(grant, talk, now, random),
            State::Selecting { talk, spare: None } => {
                let talk = talk.again(now, random);
                let mut actions =
                    vec![self.send(Destination::Broadcast, Request::Discover { hint: self.last }, &talk)];
                if talk.tries == PATIENCE {
                    actions.extend(self.complain("no DHCP server answers; goes on asking".into()));
                }
                self.state = State::Selecting { talk, spare: None };
                actions
            }
            State::Requesting { talk, grant } if talk.tries >= PATIENCE => {
                let server = grant.lease.server;
                self.give_up(server, now, random);
                self.complain(format!("the DHCP server {server} offers an address and doesn't grant it"))
            }
            State::Requesting { talk, grant } => {
                let talk = talk.again(now, random);
                let request = Request::Take { address: grant.lease.address, server: grant.lease.server };
                let send = self.send(Destination::Broadcast, request, &talk);
                self.state = State::Requesting { talk, grant };
                vec![send]
            }
            State::Bound(held) | State::Renewing { held, .. } | State::Rebinding { held, .. }
                if now >= held.expires_at =>
            {
                let why = format!("the lease of {} ran out", held.lease.address);
                let mut actions = vec![Action::Lost(why)];
                actions.extend(self.discover(now, random));
                actions
            }
            State::Bound(held) => self.keep(held, Talk { tries: 0, ..Talk::new(now, random) }, now),
            State::Renewing { talk, held } | State::Rebinding { talk, held } => {
                // A number of its own for each message: an answer tells which one it is for, and so from when the
                // lease counts.
                self.keep(held, Talk { xid: random(), ..talk }, now)
            }
        }
    }

    fn reply(&mut self, reply: &Reply<'_>, now: Millis, random: &mut Random<'_>) -> Vec<Action> {
        let from = reply.options.server;
        match (&mut self.state, reply.kind) {
            (State::Selecting { talk, spare }, Kind::Offer) if talk.xid == reply.xid => {
                match Grant::of(reply) {
                    Ok(grant) if Some(grant.lease.server) == self.shunned => {
                        *spare = Some(grant);
                        vec![]
                    }
                    Ok(grant) => {
                        let talk = *talk;
                        self.take(grant, talk, now, random)
                    }
                    Err(why) => self.complain(format!("the offer of a DHCP server is of no use: {why}")),
                }
            }
            (State::Requesting { talk, grant }, Kind::Ack)
                if talk.xid == reply.xid
                    && from == Some(grant.lease.server)
                    && reply.address == grant.lease.address =>
            {
                let asked = talk.sent;
                self.granted(reply, asked, None, random)
            }
            (State::Requesting { talk, grant }, Kind::Nak)
                if talk.xid == reply.xid && from == Some(grant.lease.server) =>
            {
                let server = grant.lease.server;
                self.give_up(server, now, random);
                self.complain(format!("the DHCP server {server} takes its offer back"))
            }
            (State::Renewing { talk, held }, Kind::Ack | Kind::Nak)
                if talk.xid == reply.xid && from == Some(held.lease.server) =>
            {
                let (asked, old) = (talk.sent, held.lease.clone());
                self.kept(reply, asked, old, now, random)
            }
            (State::Rebinding { talk, held }, Kind::Ack | Kind::Nak)
                if talk.xid == reply.xid && from.is_some() =>
            {
                let (asked, old) = (talk.sent, held.lease.clone());
                self.kept(reply, asked, old, now, random)
            }
            _ => vec![],
        }
    }

    /// An answer to a request for more time.
    fn kept(
        &mut self,
        reply: &Reply<'_>,
        asked: Millis,
        old: Lease,
        now: Millis,
        random: &mut Random<'_>,
    ) -> Vec<Action> {
        match reply.kind {
            Kind::Ack if reply.address == old.address => self.granted(reply, asked, Some(old), random),
            Kind::Nak => {
                self.last = None;
                self.give_up(old.server, now, random);
                vec![Action::Lost(format!("the DHCP server refuses to prolong {}", old.address))]
            }
            // An acknowledgement of something else is as good as none.
            Kind::Ack | Kind::Offer => vec![],
        }
    }

    fn granted(
        &mut self,
        reply: &Reply<'_>,
        asked: Millis,
        old: Option<Lease>,
        random: &mut Random<'_>,
    ) -> Vec<Action> {
        match Grant::of(reply) {
            Ok(grant) => {
                let lease = grant.lease.clone();
                self.last = Some(lease.address);
                (self.shunned, self.failures, self.complained) = (None, 0, false);
                self.state = State::Bound(Held::of(grant, asked, random));
                if old.as_ref() == Some(&lease) { vec![] } else { vec![Action::Bound(lease)] }
            }
            Err(why) => self.complain(format!("the grant of a DHCP server is of no use: {why}")),
        }
    }

    /// A line for the log, once until the next lease: who floods the network doesn't flood the log.
    fn complain(&mut self, line: String) -> Vec<Action> {
        if std::mem::replace(&mut self.complained, true) { vec![] } else { vec![Action::Log(line)] }
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
