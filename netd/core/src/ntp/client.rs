//! The client's state machine.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::packet::{self, Answer};
use super::{Action, Event, MAX_NAMES, PORT};
use crate::dhcp::MAX_TIME_SERVERS;
use crate::{Millis, Random};

/// How long a server has to answer. The time that it gives is wrong by half of the way there and back at most.
pub(super) const PATIENCE: Millis = 2_000;

/// How long the resolver has: longer than it takes for all its tries.
pub(super) const RESOLVING: Millis = 10_000;

/// Pause after the first good answer; doubles with every further one up to [`LONGEST_POLL`].
pub(super) const FIRST_POLL: Millis = 64_000;

/// Longest pause between good answers: in it a bad crystal (100 ppm) goes wrong by 0.4 s.
pub(super) const LONGEST_POLL: Millis = 3_600_000;

/// Pause after nobody answered; doubles up to [`LONGEST_PAUSE`].
pub(super) const FIRST_PAUSE: Millis = 4_000;

/// Longest pause while nobody answers.
pub(super) const LONGEST_PAUSE: Millis = 1_024_000;

/// How long a server is left alone that said that it is asked too often (`RATE`).
pub(super) const REST_RATE: Millis = 3_600_000;

/// How long one is left alone that doesn't want us (`DENY`, `RSTR`).
pub(super) const REST_DENIED: Millis = 24 * 3_600_000;

/// The times that can be true, in milliseconds since 1970: from 2026, when this was written, to 2035, for in January 2038
/// the time of 32-bit programs ends, and many of them with it.
pub(super) const BELIEVABLE: std::ops::Range<u64> = 1_767_225_600_000..2_082_758_400_000;

/// The time client of the device.
#[derive(Debug, Clone)]
pub struct Client {
    names: Vec<String>,
    servers: Vec<Server>,
    state: State,
    /// Good answers one after the other, and rounds without one.
    good: u32,
    bad: u32,
    /// Whether it is logged already that the time isn't known.
    complained: bool,
}

#[derive(Debug, Clone)]
struct Server {
    address: Address,
    /// It is left alone until then.
    rests_until: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    Known(Ipv4Addr),
    Name(String),
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Offline, or without any server.
    Idle,
    Pausing {
        until: Millis,
    },
    /// The name of this server is being resolved.
    Resolving {
        index: usize,
        until: Millis,
    },
    /// This server was asked.
    Waiting {
        index: usize,
        to: Ipv4Addr,
        nonce: u64,
        sent: Millis,
    },
}

impl Client {
    /// A client that waits for [`Event::Online`]. `names` are the servers to ask beside those of the network; the
    /// first [`MAX_NAMES`] count.
    pub fn new(names: &[String]) -> Self {
        let names = names.iter().take(MAX_NAMES).cloned().collect();
        Self { names, servers: vec![], state: State::Idle, good: 0, bad: 0, complained: false }
    }

    /// When it wants [`Event::Timer`].
    pub fn deadline(&self) -> Option<Millis> {
        match self.state {
            State::Idle => None,
            State::Pausing { until } | State::Resolving { until, .. } => Some(until),
            State::Waiting { sent, .. } => Some(sent.saturating_add(PATIENCE)),
        }
    }

    /// Takes an event.
    pub fn step(&mut self, event: Event<'_>, now: Millis, random: &mut Random<'_>) -> Vec<Action> {
        match event {
            Event::Online { servers } => self.online(servers, now, random),
            Event::Offline => {
                self.state = State::Idle;
                vec![]
            }
            Event::Resolved { name, addresses } => self.resolved(name, addresses, now, random),
            Event::Datagram { from, bytes } => self.datagram(from, bytes, now, random),
            Event::Timer if self.deadline().is_some_and(|deadline| deadline <= now) => match self.state {
                State::Idle => vec![],
                State::Pausing { .. } => self.ask(0, now, random),
                State::Resolving { index, .. } | State::Waiting { index, .. } => {
                    self.ask(index + 1, now, random)
                }
            },
            Event::Timer => vec![],
        }
    }

    fn online(&mut self, servers: &[Ipv4Addr], now: Millis, random: &mut Random<'_>) -> Vec<Action> {
        let known = servers.iter().take(MAX_TIME_SERVERS).map(|address| Address::Known(*address));
        let named = self.names.iter().map(|name| Address::Name(name.clone()));
        let all: Vec<Address> = known.chain(named).collect();
        // One that wants to be left alone is, also over a change of the network.
        let rests_until = |address: &Address| {
            self.servers
                .iter()
                .find(|server| server.address == *address)
                .map_or(0, |server| server.rests_until)
        };
        self.servers =
            all.into_iter().map(|address| Server { rests_until: rests_until(&address), address }).collect();
        (self.good, self.bad) = (0, 0);
        self.ask(0, now, random)
    }

    /// Asks the first server from this one on that may be asked; behind the last one there is a pause.
    fn ask(&mut self, from: usize, now: Millis, random: &mut Random<'_>) -> Vec<Action> {
        let next = self.servers.iter().enumerate().skip(from).find(|(_, server)| server.rests_until <= now);
        match next {
            Some((index, Server { address: Address::Known(to), .. })) => self.send(index, *to, now, random),
            Some((index, Server { address: Address::Name(name), .. })) => {
                self.state = State::Resolving { index, until: now.saturating_add(RESOLVING) };
                vec![Action::Resolve { name: name.clone() }]
            }
            None if self.servers.is_empty() => {
                self.state = State::Idle;
                vec![]
            }
            None => {
                (self.good, self.bad) = (0, self.bad.saturating_add(1));
                let pause = doubled(FIRST_PAUSE, self.bad, LONGEST_PAUSE, random);
                self.state = State::Pausing { until: now.saturating_add(pause) };
                self.complain("no time server gives the time; goes on asking".into())
            }
        }
    }

    fn send(&mut self, index: usize, to: Ipv4Addr, now: Millis, random: &mut Random<'_>) -> Vec<Action> {
        let nonce = u64::from(random()) << 32 | u64::from(random());
        self.state = State::Waiting { index, to, nonce, sent: now };
        vec![Action::Send { to: SocketAddrV4::new(to, PORT), bytes: packet::question(nonce) }]
    }

    fn resolved(
        &mut self,
        name: &str,
        addresses: &[Ipv4Addr],
        now: Millis,
        random: &mut Random<'_>,
    ) -> Vec<Action> {
        let State::Resolving { index, .. } = self.state else { return vec![] };
        let is_ours =
            self.servers.get(index).is_some_and(|server| server.address == Address::Name(name.to_owned()));
        if !is_ours {
            return vec![];
        }
        // Any of them: a pool has many.
        let chosen = usize::try_from(random()).unwrap_or(0).checked_rem(addresses.len());
        match chosen.and_then(|chosen| addresses.get(chosen)) {
            Some(to) => self.send(index, *to, now, random),
            None => self.ask(index + 1, now, random),
        }
    }

    fn datagram(
        &mut self,
        from: SocketAddrV4,
        bytes: &[u8],
        now: Millis,
        random: &mut Random<'_>,
    ) -> Vec<Action> {
        let State::Waiting { index, to, nonce, sent } = self.state else { return vec![] };
        let answer = packet::read(bytes).filter(|answer| answer.originate == nonce);
        let Some(answer) = answer.filter(|_| from == SocketAddrV4::new(to, PORT)) else { return vec![] };
        match judge(&answer, now.saturating_sub(sent)) {
            Ok(unix_ms) => {
                (self.good, self.bad) = (self.good.saturating_add(1), 0);
                self.complained = false;
                let pause = doubled(FIRST_POLL, self.good, LONGEST_POLL, random);
                self.state = State::Pausing { until: now.saturating_add(pause) };
                vec![Action::Time { unix_ms, server: self.text(index) }]
            }
            Err(refusal) => {
                let line = format!("the time server {} is not believed: {refusal}", self.text(index));
                if let (Some(rest), Some(server)) = (refusal.rest(), self.servers.get_mut(index)) {
                    server.rests_until = now.saturating_add(rest);
                }
                let mut actions = self.complain(line);
                actions.extend(self.ask(index + 1, now, random));
                actions
            }
        }
    }

    fn text(&self, index: usize) -> String {
        match self.servers.get(index).map(|server| &server.address) {
            Some(Address::Known(address)) => address.to_string(),
            Some(Address::Name(name)) => name.clone(),
            None => String::new(),
        }
    }

    /// A line for the log, once until the next good answer.
    fn complain(&mut self, line: String) -> Vec<Action> {
        if std::mem::replace(&mut self.complained, true) { vec![] } else { vec![Action::Log(line)] }
    }
}

/// Why an answer doesn't count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("it asks for fewer questions")]
    Rate,
    #[error("it doesn't serve us")]
    Denied,
    #[error("its clock is not set")]
    NotSet,
    #[error("its time is before 2026 or after 2035")]
    FarAway,
}

impl Refusal {
    fn rest(self) -> Option<Millis> {
        match self {
            Self::Rate => Some(REST_RATE),
            Self::Denied => Some(REST_DENIED),
            Self::NotSet | Self::FarAway => None,
        }
    }
}

/// The time now, from an answer that came so long after its question (RFC 4330, section 5).
fn judge(answer: &Answer, way: Millis) -> Result<u64, Refusal> {
    match (answer.stratum, &answer.reference) {
        (0, b"RATE") => return Err(Refusal::Rate),
        (0, b"DENY" | b"RSTR") => return Err(Refusal::Denied),
        (1..=15, _) if answer.leap != 3 && answer.transmit.0 != 0 => {}
        _ => return Err(Refusal::NotSet),
    }
    // What the server took is not part of the way; one that says it took longer than all of it took nothing.
    let inside = Some(answer.transmit.ms_since(answer.receive)).filter(|inside| *inside <= way).unwrap_or(0);
    let unix_ms = answer.transmit.unix_ms().ok_or(Refusal::FarAway)? + (way - inside) / 2;
    if BELIEVABLE.contains(&unix_ms) { Ok(unix_ms) } else { Err(Refusal::FarAway) }
}

/// A pause that doubles with the count, from 1, and is moved by up to 1/16 to either side.
fn doubled(first: Millis, count: u32, longest: Millis, random: &mut Random<'_>) -> Millis {
    let pause = (first << count.saturating_sub(1).min(16)).min(longest);
    pause - pause / 16 + Millis::from(random()) % (pause / 8 + 1)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
