//! What one app may use up: questions, reports, open addresses.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use nacre_manifest::device::Port;

use super::name::Name;
use crate::Millis;
use crate::bucket::Bucket;

/// Most set elements (an address with one of its ports) that an app's names may hold open at a time: eight addresses
/// for each of the 32 names that a manifest may list. A server that names ever new addresses fills no more of the
/// kernel's memory.
pub const MAX_ELEMENTS: usize = 256;

/// Names that are remembered as reported.
const REPORTED: usize = 8;

/// After so long the same name is reported again.
const REPORT_AGAIN: Millis = 60_000;

/// Reports of what an app may not resolve: few, and each name rarely.
#[derive(Debug, Clone)]
pub(super) struct Reports {
    bucket: Bucket,
    last: VecDeque<(Name, Millis)>,
}

impl Reports {
    pub(super) fn new() -> Self {
        Self { bucket: Bucket::new(5, 10_000), last: VecDeque::new() }
    }

    /// Whether this name is to be reported now.
    pub(super) fn is_due(&mut self, name: &Name, now: Millis) -> bool {
        self.last.retain(|(_, at)| now.saturating_sub(*at) < REPORT_AGAIN);
        if self.last.iter().any(|(other, _)| other == name) || !self.bucket.take(now) {
            return false;
        }
        if self.last.len() >= REPORTED {
            self.last.pop_front();
        }
        self.last.push_back((name.clone(), now));
        true
    }
}

/// What is open for an app.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    open: Vec<(Ipv4Addr, Port, Millis)>,
}

impl Ledger {
    /// Books ports of an address for so long. Gives the seconds for each: an element that has more time left keeps
    /// it. `None` if there is no room.
    pub(super) fn open(
        &mut self,
        address: Ipv4Addr,
        ports: &[Port],
        ttl_s: u32,
        now: Millis,
    ) -> Option<Vec<(u32, Vec<Port>)>> {
        self.open.retain(|(_, _, until)| *until > now);
        let is_open = |port: &&Port| self.open.iter().any(|(a, p, _)| (a, p) == (&address, *port));
        let more = ports.len() - ports.iter().filter(is_open).count();
        if self.open.len() + more > MAX_ELEMENTS {
            return None;
        }
        let until = now.saturating_add(Millis::from(ttl_s) * 1000);
        let mut groups: Vec<(u32, Vec<Port>)> = Vec::new();
        for port in ports {
            let element = self.open.iter_mut().find(|(a, p, _)| (*a, p) == (address, port));
            let left = match element {
                Some((_, _, end)) => {
                    *end = until.max(*end);
                    end.saturating_sub(now).div_ceil(1000)
                }
                None => {
                    self.open.push((address, *port, until));
                    ttl_s.into()
                }
            };
            let left_s = u32::try_from(left).unwrap_or(ttl_s);
            match groups.iter_mut().find(|(s, _)| *s == left_s) {
                Some((_, group)) => group.push(*port),
                None => groups.push((left_s, vec![*port])),
            }
        }
        Some(groups)
    }
}

#[cfg(test)]
mod tests {
    use nacre_manifest::device::Protocol;

    use super::*;

    fn port(number: u16) -> Port {
        Port { protocol: Protocol::Tcp, number }
    }

    #[test]
    fn name_asked_for_again_and_again_is_reported_once_a_minute() {
        let mut reports = Reports::new();
        let name = Name::of_host("x.example").expect("a name");
        let due = |reports: &mut Reports, now| reports.is_due(&name, now);
        assert!(due(&mut reports, 0));
        assert!((1..60_000).all(|now| !due(&mut reports, now)));
        assert!(due(&mut reports, 60_000));
    }

    #[test]
    fn names_ever_new_are_reported_within_the_rate_and_few_are_kept() {
        let mut reports = Reports::new();
        let due = (0..100_000u64)
            .filter(|now| {
                let name = Name::of_host(&format!("x{now}.example")).expect("a name");
                reports.is_due(&name, *now)
            })
            .count();
        assert!((14..=15).contains(&due), "five and one per ten seconds: {due}");
        assert!(reports.last.len() <= REPORTED);
    }

    #[test]
    fn ledger_gives_each_element_its_longest_time() {
        let mut ledger = Ledger::default();
        let address = Ipv4Addr::new(10, 0, 0, 1);
        assert_eq!(ledger.open(address, &[port(443)], 3600, 0), Some(vec![(3600, vec![port(443)])]));
        assert_eq!(
            ledger.open(address, &[port(80), port(443)], 10, 600_000),
            Some(vec![(10, vec![port(80)]), (3000, vec![port(443)])])
        );
        assert_eq!(ledger.open(address, &[port(80)], 60, 605_000), Some(vec![(60, vec![port(80)])]));
        assert_eq!(ledger.open.len(), 2);
    }

    #[test]
    fn ledger_that_is_full_takes_no_more_until_time_has_passed() {
        let mut ledger = Ledger::default();
        let ports: Vec<Port> = (1..=32).map(port).collect();
        let opened =
            (0..=255).filter(|n| ledger.open(Ipv4Addr::new(10, 0, 0, *n), &ports, 10, 0).is_some()).count();
        assert_eq!((opened, ledger.open.len()), (8, MAX_ELEMENTS));
        assert!(ledger.open(Ipv4Addr::new(10, 0, 0, 0), &ports, 10, 5_000).is_some(), "what is open stays");
        assert!(ledger.open(Ipv4Addr::new(10, 9, 9, 9), &[port(1)], 10, 9_999).is_none());
        assert!(ledger.open(Ipv4Addr::new(10, 9, 9, 9), &[port(1)], 10, 10_000).is_some());
    }
}
