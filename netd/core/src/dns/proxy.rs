//! The proxy's state machine.

use std::net::Ipv4Addr;

use super::answer::Outcome;
use super::flight::{Asker, Flights, Landed, MAX_IN_FLIGHT};
use super::limits::{Ledger, Reports};
use super::message::{A, AAAA, IN, Question, Rcode};
use super::name::Name;
use super::query::{self, Asked, Frame};
use super::{Action, Event};
use crate::bucket::Bucket;
use crate::policy::Policy;
use crate::{Millis, Random};

/// Most questions of an app that wait for an answer; one more gets none, and is asked again by the app's resolver.
pub const MAX_PER_APP: usize = 8;

/// Most questions of an app at once, and then in each second; what is above gets no answer.
pub const MAX_PER_SECOND: u32 = 20;

/// What a question for a name that the manifest doesn't list is answered with. REFUSED would be truer, but musl
/// believes only NOERROR and NXDOMAIN (src/network/res_msend.c): with any other it lets the app wait for 5 s.
pub const UNLISTED: Rcode = Rcode::NxDomain;

/// The resolver of all apps.
#[derive(Debug, Clone)]
pub struct Proxy {
    apps: Vec<App>,
    flights: Flights,
}

#[derive(Debug, Clone)]
struct App {
    number: u8,
    policy: Policy,
    questions: Bucket,
    reports: Reports,
    ledger: Ledger,
}

impl Default for Proxy {
    fn default() -> Self {
        Self::new()
    }
}

impl Proxy {
    /// A proxy without apps, offline.
    pub fn new() -> Self {
        Self { apps: vec![], flights: Flights::new() }
    }

    /// When it wants [`Event::Timer`].
    pub fn deadline(&self) -> Option<Millis> {
        self.flights.deadline()
    }

    /// Takes an event.
    pub fn step(&mut self, event: Event<'_>, now: Millis, random: &mut Random<'_>) -> Vec<Action> {
        let mut out = Vec::new();
        let landed = match event {
            Event::Join { app, policy } => {
                self.leave(app, &mut out);
                self.apps.push(App::new(app, policy));
                vec![]
            }
            Event::Leave { app } => {
                self.leave(app, &mut out);
                vec![]
            }
            Event::Online { servers, own, prefix } => {
                self.flights.online(servers, own, prefix);
                vec![]
            }
            Event::Offline => self.flights.offline(&mut out),
            Event::Question { app, port, bytes } => {
                self.question(app, port, bytes, now, random, &mut out);
                vec![]
            }
            Event::Answer { query, from, bytes } => {
                self.flights.answer(query, from, bytes, now, random, &mut out).into_iter().collect()
            }
            Event::Unreachable { query } => {
                self.flights.unreachable(query, now, random, &mut out).into_iter().collect()
            }
            Event::Resolve { name } => {
                self.resolve(name, now, random, &mut out);
                vec![]
            }
            Event::Timer => self.flights.timer(now, random, &mut out),
        };
        for one in landed {
            self.land(one, now, &mut out);
        }
        out
    }

    fn leave(&mut self, app: u8, out: &mut Vec<Action>) {
        self.apps.retain(|other| other.number != app);
        self.flights.leave(app, out);
    }

    /// A datagram of an app.
    fn question(
        &mut self,
        number: u8,
        port: u16,
        bytes: &[u8],
        now: Millis,
        random: &mut Random<'_>,
        out: &mut Vec<Action>,
    ) {
        let Some(app) = self.apps.iter_mut().find(|app| app.number == number) else { return };
        if !app.questions.take(now) {
            return;
        }
        let answer = |bytes| Action::Answer { app: number, port, bytes };
        let (frame, question) = match query::read(bytes) {
            None => return,
            Some(Asked::Wrong(frame, rcode)) => return out.push(answer(frame.empty(rcode))),
            Some(Asked::Question(frame, question)) => (frame, question),
        };
        let rcode = match app.judge(&question) {
            Judgement::Foreign => Rcode::Refused,
            Judgement::Unlisted => {
                if app.reports.is_due(&question.name, now) {
                    out.push(denial(number, &question));
                }
                UNLISTED
            }
            Judgement::Nothing => Rcode::NoError,
            Judgement::Ask if !self.flights.is_online() => Rcode::ServFail,
            Judgement::Ask => {
                let asker = Asker::App { app: number, port, frame };
                let (of_app, all) = self.flights.count(number);
                let room = of_app < MAX_PER_APP && all < MAX_IN_FLIGHT - 1;
                // An app that gets no answer asks once more with the same number: the answer is under way.
                if room && !self.flights.has(&asker, &question.name) {
                    self.flights.start(asker, question.name, now, random, out);
                }
                return;
            }
        };
        out.push(answer(frame.empty(rcode)));
    }

    /// A question of the OS itself.
    fn resolve(&mut self, text: &str, now: Millis, random: &mut Random<'_>, out: &mut Vec<Action>) {
        let asker = Asker::Os { name: text.to_owned() };
        match Name::of_host(text) {
            Some(name) if self.flights.has(&asker, &name) => {}
            Some(name) if self.flights.is_online() && self.flights.count(0).1 < MAX_IN_FLIGHT => {
                self.flights.start(asker, name, now, random, out);
            }
            _ => out.push(Action::Resolved { name: text.to_owned(), addresses: vec![] }),
        }
    }

    /// What came of a question: first it is opened, then it is answered.
    fn land(&mut self, landed: Landed, now: Millis, out: &mut Vec<Action>) {
        let Landed { asker, name, outcome } = landed;
        if let Outcome::Found { addresses, bogus: Some(bogus), .. } = &outcome
            && addresses.is_empty()
        {
            let line = format!("{name} resolves to {bogus}, which no other machine can have: left out");
            out.extend(self.flights.log(line, now));
        }
        match asker {
            Asker::Os { name } => {
                let addresses = match outcome {
                    Outcome::Found { addresses, .. } => addresses,
                    Outcome::NoName | Outcome::Failed => vec![],
                };
                out.push(Action::Resolved { name, addresses });
            }
            Asker::App { app, port, frame } => {
                let bytes = match outcome {
                    Outcome::NoName => frame.empty(Rcode::NxDomain),
                    Outcome::Failed => frame.empty(Rcode::ServFail),
                    Outcome::Found { addresses, ttl_s, .. } => {
                        self.open(app, &name, &addresses, ttl_s, &frame, now, out)
                    }
                };
                out.push(Action::Answer { app, port, bytes });
            }
        }
    }

    /// Opens the addresses of a name, and makes the answer of those that there was room for.
    #[expect(clippy::too_many_arguments, reason = "what an answer consists of")]
    fn open(
        &mut self,
        number: u8,
        name: &Name,
        addresses: &[Ipv4Addr],
        ttl_s: u32,
        frame: &Frame,
        now: Millis,
        out: &mut Vec<Action>,
    ) -> Vec<u8> {
        let app = self.apps.iter_mut().find(|app| app.number == number);
        let host = name.host().unwrap_or_default();
        let Some((ports, ledger)) = app.and_then(|app| Some((app.policy.ports_of(&host)?, &mut app.ledger)))
        else {
            return frame.empty(Rcode::ServFail);
        };
        let mut opened = Vec::new();
        for address in addresses {
            let Some(groups) = ledger.open(*address, ports, ttl_s, now) else { continue };
            opened.push(*address);
            out.extend(groups.into_iter().map(|(ttl_s, ports)| Action::Open {
                app: number,
                name: host.clone(),
                address: *address,
                ports,
                ttl_s,
            }));
        }
        if opened.is_empty() && !addresses.is_empty() {
            let line = format!("{name} has too many addresses in a short time: no more are opened");
            out.extend(self.flights.log(line, now));
            return frame.empty(Rcode::ServFail);
        }
        frame.answer(Rcode::NoError, &opened, ttl_s)
    }
}

/// What a question deserves.
enum Judgement {
    /// Not of the Internet.
    Foreign,
    /// For a name that the manifest doesn't list.
    Unlisted,
    /// For something else than the IPv4 addresses of a listed name.
    Nothing,
    /// For those.
    Ask,
}

impl App {
    fn new(number: u8, policy: Policy) -> Self {
        let interval = 1000 / Millis::from(MAX_PER_SECOND);
        Self {
            number,
            policy,
            questions: Bucket::new(MAX_PER_SECOND, interval),
            reports: Reports::new(),
            ledger: Ledger::default(),
        }
    }

    fn judge(&self, question: &Question) -> Judgement {
        let is_listed = || question.name.host().is_some_and(|host| self.policy.ports_of(&host).is_some());
        match (question.class, question.kind) {
            (IN, _) if !is_listed() => Judgement::Unlisted,
            (IN, A) => Judgement::Ask,
            (IN, _) => Judgement::Nothing,
            _ => Judgement::Foreign,
        }
    }
}

/// The report of a question for a name that isn't listed.
fn denial(app: u8, question: &Question) -> Action {
    let (tried, entry) = match (question.name.host(), question.kind) {
        (Some(host), A | AAAA) => (format!("resolve {host}"), Ok(format!("tcp:{host}:443"))),
        (Some(host), kind) => (
            format!("look up {host} (record type {kind})"),
            Err("the resolver answers with addresses only, of names under network.connect"),
        ),
        (None, _) => (format!("resolve {}", question.name), Err("it is not a name that a manifest can list")),
    };
    Action::Denied { app, tried, entry }
}

#[cfg(test)]
#[path = "proxy_tests/mod.rs"]
mod tests;
