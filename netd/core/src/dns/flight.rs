//! Questions that wait for a server's answer.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::answer::{self, Outcome};
use super::name::Name;
use super::query::{self, Frame};
use super::{Action, PORT, QueryId};
use crate::bucket::Bucket;
use crate::{Millis, Random, address};

/// Most questions of all apps and of the OS that wait for an answer: each has a socket, and netd has 64 descriptors.
/// The last one is the OS's.
pub const MAX_IN_FLIGHT: usize = 24;

/// Wrong answers after which a question fails: who guesses its number and its port has as many tries.
pub const MAX_WRONG: u8 = 10;

/// How long a server has to answer, and how often one is asked: together less than the 5 s that an app's resolver
/// waits, so that it is told.
pub(super) const PATIENCE: Millis = 1_500;
const TRIES: usize = 3;

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asker {
    App { app: u8, port: u16, frame: Frame },
    Os { name: String },
}

/// A question that waits.
#[derive(Debug, Clone)]
struct Flight {
    asker: Asker,
    name: Name,
    query: QueryId,
    id: u16,
    server: Ipv4Addr,
    /// Servers asked so far.
    tries: usize,
    wrong: u8,
    until: Millis,
}

/// A question that waits no more, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Landed {
    pub(super) asker: Asker,
    pub(super) name: Name,
    pub(super) outcome: Outcome,
}

/// The device's place in the network. There is one as long as any question waits: its answer is judged by it.
#[derive(Debug, Clone)]
struct Place {
    servers: Vec<Ipv4Addr>,
    own: Ipv4Addr,
    prefix: u8,
}

/// The questions that wait, and the servers that they go to.
#[derive(Debug, Clone)]
pub(super) struct Flights {
    place: Option<Place>,
    /// The server that answered last is asked first: a dead one costs time only once.
    favourite: usize,
    flights: Vec<Flight>,
    next_query: u64,
    logs: Bucket,
}

impl Flights {
    pub(super) fn new() -> Self {
        Self { place: None, favourite: 0, flights: vec![], next_query: 0, logs: Bucket::new(5, 10_000) }
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        self.flights.iter().map(|flight| flight.until).min()
    }

    /// Whether there is anybody to ask.
    pub(super) fn is_online(&self) -> bool {
        self.place.as_ref().is_some_and(|place| !place.servers.is_empty())
    }

    pub(super) fn online(&mut self, servers: &[Ipv4Addr], own: Ipv4Addr, prefix: u8) {
        let servers: Vec<_> = servers.iter().copied().take(crate::dhcp::MAX_NAME_SERVERS).collect();
        if self.place.as_ref().is_none_or(|place| place.servers != servers) {
            self.favourite = 0;
        }
        self.place = Some(Place { servers, own, prefix });
    }

    /// Nobody can be asked any more: every question fails.
    pub(super) fn offline(&mut self, out: &mut Vec<Action>) -> Vec<Landed> {
        self.place = None;
        let flights = std::mem::take(&mut self.flights);
        flights.into_iter().map(|flight| flight.land(Outcome::Failed, out)).collect()
    }

    /// Drops the questions of an app.
    pub(super) fn leave(&mut self, app: u8, out: &mut Vec<Action>) {
        self.flights.retain(|flight| {
            let leaves = matches!(flight.asker, Asker::App { app: other, .. } if other == app);
            if leaves {
                out.push(Action::Close { query: flight.query });
            }
            !leaves
        });
    }

    /// How many questions of an app wait, and of all.
    pub(super) fn count(&self, app: u8) -> (usize, usize) {
        let of_app = |flight: &&Flight| matches!(flight.asker, Asker::App { app: other, .. } if other == app);
        (self.flights.iter().filter(of_app).count(), self.flights.len())
    }

    /// Whether the same asker waits for the same name already.
    pub(super) fn has(&self, asker: &Asker, name: &Name) -> bool {
        self.flights.iter().any(|flight| flight.asker == *asker && flight.name == *name)
    }

    /// Asks the first server. The caller has checked that there is room and that the device is online.
    pub(super) fn start(
        &mut self,
        asker: Asker,
        name: Name,
        now: Millis,
        random: &mut Random<'_>,
        out: &mut Vec<Action>,
    ) {
        let flight = Flight {
            asker,
            name,
            query: QueryId(0),
            id: 0,
            server: Ipv4Addr::UNSPECIFIED,
            tries: 0,
            wrong: 0,
            until: now,
        };
        if let Some(flight) = self.ask(flight, now, random, out) {
            self.flights.push(flight);
        }
    }

    /// Asks the next server, with a number of its own; `None` if there is none.
    fn ask(
        &mut self,
        mut flight: Flight,
        now: Millis,
        random: &mut Random<'_>,
        out: &mut Vec<Action>,
    ) -> Option<Flight> {
        let servers = &self.place.as_ref()?.servers;
        let index = self.favourite.wrapping_add(flight.tries).checked_rem(servers.len())?;
        flight.server = *servers.get(index)?;
        let [high, low, ..] = random().to_be_bytes();
        flight.id = u16::from_be_bytes([high, low]);
        flight.query = QueryId(self.next_query);
        self.next_query = self.next_query.wrapping_add(1);
        flight.tries += 1;
        flight.until = now.saturating_add(PATIENCE);
        let server = SocketAddrV4::new(flight.server, PORT);
        out.push(Action::Ask { query: flight.query, server, bytes: query::build(flight.id, &flight.name) });
        Some(flight)
    }

    /// After a server that gave no answer: the next one, or the end.
    fn next(
        &mut self,
        flight: Flight,
        now: Millis,
        random: &mut Random<'_>,
        out: &mut Vec<Action>,
    ) -> Option<Landed> {
        if flight.tries >= TRIES || !self.is_online() {
            return Some(flight.land(Outcome::Failed, out));
        }
        out.push(Action::Close { query: flight.query });
        let flight = self.ask(flight, now, random, out)?;
        self.flights.push(flight);
        None
    }

    fn remove(&mut self, query: QueryId) -> Option<Flight> {
        let index = self.flights.iter().position(|flight| flight.query == query)?;
        Some(self.flights.swap_remove(index))
    }

    /// The server of a question can't be reached.
    pub(super) fn unreachable(
        &mut self,
        query: QueryId,
        now: Millis,
        random: &mut Random<'_>,
        out: &mut Vec<Action>,
    ) -> Option<Landed> {
        let flight = self.remove(query)?;
        self.next(flight, now, random, out)
    }

    /// A datagram came to a question's socket.
    pub(super) fn answer(
        &mut self,
        query: QueryId,
        from: SocketAddrV4,
        bytes: &[u8],
        now: Millis,
        random: &mut Random<'_>,
        out: &mut Vec<Action>,
    ) -> Option<Landed> {
        let mut flight = self.remove(query)?;
        let outcome = if from == SocketAddrV4::new(flight.server, PORT) {
            answer::read(bytes, flight.id, &flight.name, |one| self.is_usable(one))
        } else {
            None
        };
        match outcome {
            None => {
                flight.wrong += 1;
                if flight.wrong >= MAX_WRONG {
                    let name = &flight.name;
                    let line = format!("{MAX_WRONG} wrong answers to the question for {name}: given up");
                    out.extend(self.log(line, now));
                    return Some(flight.land(Outcome::Failed, out));
                }
                self.flights.push(flight);
                None
            }
            Some(Outcome::Failed) => self.next(flight, now, random, out),
            Some(outcome) => {
                let servers = self.place.as_ref().map_or(&[][..], |place| &place.servers);
                self.favourite = servers.iter().position(|one| *one == flight.server).unwrap_or(0);
                Some(flight.land(outcome, out))
            }
        }
    }

    /// Goes on with the questions whose time is over.
    pub(super) fn timer(
        &mut self,
        now: Millis,
        random: &mut Random<'_>,
        out: &mut Vec<Action>,
    ) -> Vec<Landed> {
        let late = self.flights.extract_if(.., |flight| flight.until <= now).collect::<Vec<_>>();
        late.into_iter().filter_map(|flight| self.next(flight, now, random, out)).collect()
    }

    /// A line for the log, unless there were many.
    pub(super) fn log(&mut self, line: String, now: Millis) -> Option<Action> {
        self.logs.take(now).then_some(Action::Log(line))
    }

    /// Whether another machine can have the address.
    fn is_usable(&self, one: Ipv4Addr) -> bool {
        let here = self.place.as_ref().is_some_and(|place| {
            one == place.own
                || address::reserved_of(place.own, place.prefix).is_some_and(|both| both.contains(&one))
        });
        address::is_believable(one) && !here
    }
}

impl Flight {
    fn land(self, outcome: Outcome, out: &mut Vec<Action>) -> Landed {
        out.push(Action::Close { query: self.query });
        Landed { asker: self.asker, name: self.name, outcome }
    }
}
