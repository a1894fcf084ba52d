//! Calls from app to app: who may, how many at once, and what comes back when nobody answers.

use std::collections::BTreeMap;
use std::time::Duration;

use nacre_manifest::component::ComponentId;
use nacre_wire::app::Outcome;
use nacre_wire::denial::Remedy;

use crate::denials::Refusal;
use crate::fleet::AppIndex;
use crate::uptime::Uptime;

/// Time that the called app has to answer.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Calls that one app may have waiting: it is one thread in most apps, and each holds up to 3 KiB.
pub const MOST_FROM_ONE: usize = 4;

/// Calls that may wait for one app.
pub const MOST_TO_ONE: usize = 8;

/// One connection of an app to the app manager; a number is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// An app as its manifest describes it to others.
#[derive(Debug, Clone, Copy)]
pub struct Party<'a> {
    /// Its place in the fleet.
    pub index: AppIndex,
    /// Its component id.
    pub id: &'a ComponentId,
    /// The apps that its manifest lists under `apps`.
    pub peers: &'a [ComponentId],
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiter {
    /// The connection that the answer goes to.
    pub connection: ConnectionId,
    /// The app's own number for its request.
    pub request: u32,
}

/// A reply to a waiter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Where it goes.
    pub to: Waiter,
    /// What it says.
    pub outcome: Outcome,
}

/// Why a call was not booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotBooked {
    /// A manifest does not say so.
    Refused(Refusal),
    /// Another reason: what to reply.
    Reply(Outcome),
}

#[derive(Debug)]
struct Call {
    waiter: Waiter,
    from: AppIndex,
    to: AppIndex,
    to_name: String,
    delivered_to: ConnectionId,
    deadline: Uptime,
}

/// All calls that wait for an answer.
#[derive(Debug, Default)]
pub struct Broker {
    calls: BTreeMap<u32, Call>,
    last_number: u32,
}

impl Broker {
    /// No call yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Books a call. `to` is the named app if it is installed, `listener` its connection that takes calls.
    /// Gives the call's number, under which [`Broker::answer`] is asked later.
    ///
    /// # Errors
    /// [`NotBooked`] has what to reply at once instead.
    pub fn call(
        &mut self,
        waiter: Waiter,
        from: Party<'_>,
        to_name: &str,
        to: Option<Party<'_>>,
        listener: Option<ConnectionId>,
        now: Uptime,
    ) -> Result<u32, NotBooked> {
        if to_name == from.id.as_str() {
            return Err(NotBooked::Reply(Outcome::Invalid("an app cannot call itself".into())));
        }
        check_both_sides(from, to_name, to).map_err(NotBooked::Refused)?;
        let unavailable = |text: String| Err(NotBooked::Reply(Outcome::Unavailable(text)));
        let Some(to) = to else { return unavailable(format!("{to_name} is not installed")) };
        let name = to.id.short();
        let Some(delivered_to) = listener else { return unavailable(format!("{name} is not running")) };
        if self.count(|call| call.from == from.index) >= MOST_FROM_ONE {
            return unavailable(format!("{MOST_FROM_ONE} calls of this app wait already"));
        }
        if self.count(|call| call.to == to.index) >= MOST_TO_ONE {
            return unavailable(format!("{MOST_TO_ONE} calls wait for {name} already"));
        }
        let number = self.free_number();
        self.calls.insert(
            number,
            Call {
                waiter,
                from: from.index,
                to: to.index,
                to_name: name.to_owned(),
                delivered_to,
                deadline: now.after(CALL_TIMEOUT),
            },
        );
        Ok(number)
    }

    /// Takes an answer; gives the reply for the caller.
    ///
    /// # Errors
    /// What to tell the answering app: the call is not its own, or nobody waits any more.
    pub fn answer(&mut self, from: AppIndex, number: u32, payload: Vec<u8>) -> Result<Reply, Outcome> {
        match self.calls.get(&number) {
            Some(call) if call.to == from => {
                let to = call.waiter;
                self.calls.remove(&number);
                Ok(Reply { to, outcome: Outcome::Answer(payload) })
            }
            // The same words for a stranger's call as for none: numbers of others stay unknown.
            _ => Err(Outcome::Invalid(format!("no call {number} waits for this app"))),
        }
    }

    /// Gives up on calls whose time is over.
    pub fn expire(&mut self, now: Uptime) -> Vec<Reply> {
        self.give_up(
            |call| call.deadline <= now,
            |name| format!("{name} did not answer within {} s", CALL_TIMEOUT.as_secs()),
        )
    }

    /// The app has ended: nobody answers its calls and nobody waits for those it made.
    pub fn app_ended(&mut self, app: AppIndex) -> Vec<Reply> {
        self.calls.retain(|_, call| call.from != app);
        self.give_up(|call| call.to == app, |name| format!("{name} has ended and may be starting again"))
    }

    /// A connection is gone, with the calls made on it and those delivered on it.
    pub fn connection_closed(&mut self, connection: ConnectionId) -> Vec<Reply> {
        self.calls.retain(|_, call| call.waiter.connection != connection);
        self.give_up(
            |call| call.delivered_to == connection,
            |name| format!("{name} has closed its connection and may be starting again"),
        )
    }

    /// When [`Broker::expire`] does something next.
    pub fn deadline(&self) -> Option<Uptime> {
        self.calls.values().map(|call| call.deadline).min()
    }

    fn count(&self, which: impl Fn(&Call) -> bool) -> usize {
        self.calls.values().filter(|call| which(call)).count()
    }

    /// The next number that no waiting call has: an answer that comes too late meets no other call soon.
    fn free_number(&mut self) -> u32 {
        loop {
            self.last_number = self.last_number.wrapping_add(1);
            if !self.calls.contains_key(&self.last_number) {
                return self.last_number;
            }
        }
    }

    fn give_up(&mut self, which: impl Fn(&Call) -> bool, why: impl Fn(&str) -> String) -> Vec<Reply> {
        let mut replies = Vec::new();
        self.calls.retain(|_, call| {
            let gone = which(call);
            if gone {
                replies.push(Reply { to: call.waiter, outcome: Outcome::Unavailable(why(&call.to_name)) });
            }
            !gone
        });
        replies
    }
}

/// Both manifests must name the other side. The caller's is checked first: an app that it does not list
/// stays unknown to it, installed or not.
fn check_both_sides(from: Party<'_>, to_name: &str, to: Option<Party<'_>>) -> Result<(), Refusal> {
    let caller_lacks = !from.peers.iter().any(|peer| peer.as_str() == to_name);
    let (lacking, missing) = match to {
        _ if caller_lacks => (from.id, to_name),
        Some(to) if !to.peers.contains(from.id) => (to.id, from.id.as_str()),
        _ => return Ok(()),
    };
    // A name that the caller made up is not repeated at length.
    let shown: String = to_name.chars().take(64).collect();
    let missing: String = missing.chars().take(64).collect();
    let remedy = Remedy::manifest(lacking.as_str(), "apps", &missing);
    Err(Refusal { tried: format!("call {shown}"), remedy })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Uptime = Uptime::from_millis(10_000);

    fn id(text: &str) -> ComponentId {
        text.parse().unwrap()
    }

    struct Pair {
        reporter: ComponentId,
        recorder: ComponentId,
        reporter_peers: Vec<ComponentId>,
        recorder_peers: Vec<ComponentId>,
    }

    impl Pair {
        fn new(reporter_lists: bool, recorder_lists: bool) -> Self {
            let (reporter, recorder) = (id("org.nacre.reporter"), id("org.nacre.recorder"));
            Self {
                reporter_peers: reporter_lists.then(|| recorder.clone()).into_iter().collect(),
                recorder_peers: recorder_lists.then(|| reporter.clone()).into_iter().collect(),
                reporter,
                recorder,
            }
        }

        fn from(&self) -> Party<'_> {
            Party { index: AppIndex(0), id: &self.reporter, peers: &self.reporter_peers }
        }

        fn to(&self) -> Party<'_> {
            Party { index: AppIndex(1), id: &self.recorder, peers: &self.recorder_peers }
        }

        fn call(&self, broker: &mut Broker, request: u32, listener: Option<u64>) -> Result<u32, NotBooked> {
            let waiter = Waiter { connection: ConnectionId(10), request };
            let name = self.recorder.as_str();
            broker.call(waiter, self.from(), name, Some(self.to()), listener.map(ConnectionId), NOW)
        }
    }

    fn unavailable(text: &str) -> NotBooked {
        NotBooked::Reply(Outcome::Unavailable(text.into()))
    }

    #[test]
    fn call_without_a_side_saying_so_is_denied_with_the_line_of_that_side() {
        let cases = [
            (false, true, "add \"org.nacre.recorder\" under apps in reporter/nacre.yaml"),
            (true, false, "add \"org.nacre.reporter\" under apps in recorder/nacre.yaml"),
            (false, false, "add \"org.nacre.recorder\" under apps in reporter/nacre.yaml"),
        ];
        for (reporter, recorder, hint) in cases {
            let outcome = Pair::new(reporter, recorder).call(&mut Broker::new(), 1, Some(20));
            let Err(NotBooked::Refused(refusal)) = outcome else { panic!("{outcome:?}") };
            assert_eq!(refusal.to_string(), format!("call org.nacre.recorder — {hint}"));
        }
    }

    #[test]
    fn call_to_an_app_that_is_not_there_is_unavailable() {
        let pair = Pair::new(true, true);
        let mut broker = Broker::new();
        assert_eq!(pair.call(&mut broker, 1, None), Err(unavailable("recorder is not running")));
        let waiter = Waiter { connection: ConnectionId(10), request: 1 };
        let outcome = broker.call(waiter, pair.from(), "org.nacre.recorder", None, None, NOW);
        assert_eq!(outcome, Err(unavailable("org.nacre.recorder is not installed")));
    }

    #[test]
    fn answer_from_the_called_app_reaches_the_caller_once() {
        let pair = Pair::new(true, true);
        let mut broker = Broker::new();
        let number = pair.call(&mut broker, 77, Some(20)).unwrap();
        let stranger = broker.answer(AppIndex(2), number, vec![1]);
        assert_eq!(stranger, Err(Outcome::Invalid("no call 1 waits for this app".into())));
        let own = broker.answer(AppIndex(0), number, vec![1]);
        assert!(own.is_err(), "the caller cannot answer itself");
        let reply = broker.answer(AppIndex(1), number, vec![2]).unwrap();
        let to = Waiter { connection: ConnectionId(10), request: 77 };
        assert_eq!(reply, Reply { to, outcome: Outcome::Answer(vec![2]) });
        assert!(broker.answer(AppIndex(1), number, vec![2]).is_err());
    }

    #[test]
    fn calls_over_the_bound_are_refused_until_one_ends() {
        let pair = Pair::new(true, true);
        let mut broker = Broker::new();
        for request in 0..4 {
            pair.call(&mut broker, request, Some(20)).unwrap();
        }
        assert_eq!(pair.call(&mut broker, 9, Some(20)), Err(unavailable("4 calls of this app wait already")));
        broker.answer(AppIndex(1), 1, vec![]).unwrap();
        assert!(pair.call(&mut broker, 9, Some(20)).is_ok());
    }

    #[test]
    fn call_nobody_answers_ends_with_the_reason() {
        let pair = Pair::new(true, true);
        type Ending = fn(&mut Broker) -> Vec<Reply>;
        let cases: [(Ending, &str); 3] = [
            (|broker| broker.expire(NOW.after(CALL_TIMEOUT)), "recorder did not answer within 5 s"),
            (|broker| broker.app_ended(AppIndex(1)), "recorder has ended and may be starting again"),
            (
                |broker| broker.connection_closed(ConnectionId(20)),
                "recorder has closed its connection and may be starting again",
            ),
        ];
        for (end, text) in cases {
            let mut broker = Broker::new();
            pair.call(&mut broker, 5, Some(20)).unwrap();
            assert_eq!(broker.deadline(), Some(NOW.after(CALL_TIMEOUT)));
            assert_eq!(broker.expire(NOW), []);
            let to = Waiter { connection: ConnectionId(10), request: 5 };
            assert_eq!(end(&mut broker), [Reply { to, outcome: Outcome::Unavailable(text.into()) }]);
            assert_eq!(broker.deadline(), None);
        }
    }

    #[test]
    fn caller_that_ends_is_forgotten() {
        let pair = Pair::new(true, true);
        let mut broker = Broker::new();
        pair.call(&mut broker, 5, Some(20)).unwrap();
        assert_eq!(broker.app_ended(AppIndex(0)), []);
        assert_eq!(broker.deadline(), None);
    }

    proptest! {
        #[test]
        fn broker_every_call_gets_exactly_one_reply(
            moves in prop::collection::vec((0u8..5, 0u32..12, 0u64..3_000), 0..80),
        ) {
            let pair = Pair::new(true, true);
            let mut broker = Broker::new();
            let (mut booked, mut replied) = (Vec::new(), Vec::new());
            let mut now = NOW;
            for (request, (kind, number, wait)) in (0u32..).zip(moves) {
                now = now.after(Duration::from_millis(wait));
                let waiter = Waiter { connection: ConnectionId(10), request };
                let name = "org.nacre.recorder";
                match kind {
                    0 | 1 => {
                        let listener = Some(ConnectionId(20));
                        let call = broker.call(waiter, pair.from(), name, Some(pair.to()), listener, now);
                        if call.is_ok() {
                            booked.push(request);
                        }
                    }
                    2 => replied.extend(broker.answer(AppIndex(1), number, vec![])),
                    3 => replied.extend(broker.expire(now)),
                    _ => replied.extend(broker.app_ended(AppIndex(1))),
                }
                prop_assert!(broker.calls.len() <= MOST_FROM_ONE);
            }
            replied.extend(broker.expire(now.after(CALL_TIMEOUT)));
            let mut seen: Vec<_> = replied.iter().map(|reply| reply.to.request).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, booked);
        }
    }
}
