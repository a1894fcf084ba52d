//! Which of the stopped packets are told: each kind rarely, all together not often.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use nacre_manifest::apps_network;
use nacre_manifest::device::{Port, Protocol};
use nacre_wire::net::{Report, Target, Why};

use super::packet::{self, Packet, TCP, UDP};
use super::{Event, Logged, Mark, Told};
use crate::Millis;
use crate::bucket::Bucket;

/// Most reports at once, and then in each second. The rules log no more than a few packets a second of each app.
pub const MAX_PER_SECOND: u32 = 20;

/// Reports that are remembered: enough for what an app tries again and again to be told once in a while.
const REMEMBERED: usize = 32;

/// After so long the same is told again. appmgr counts what is the same; this spares it the work.
const AGAIN: Millis = 2_000;

/// Addresses of names that are remembered, of all apps together.
const NAMES: usize = 64;

/// An address that a name has been resolved to.
#[derive(Debug, Clone)]
struct Named {
    app: u8,
    address: Ipv4Addr,
    name: String,
    ports: Vec<Port>,
}

/// The packet filter's log, as it becomes reports.
#[derive(Debug, Clone)]
pub struct Watch {
    bucket: Bucket,
    told: VecDeque<(Report, Millis)>,
    names: VecDeque<Named>,
}

impl Default for Watch {
    fn default() -> Self {
        let interval = 1_000 / Millis::from(MAX_PER_SECOND);
        Self { bucket: Bucket::new(MAX_PER_SECOND, interval), told: VecDeque::new(), names: VecDeque::new() }
    }
}

impl Watch {
    /// Takes an event; a report, if one is due.
    pub fn step(&mut self, event: Event<'_>, now: Millis) -> Told {
        match event {
            Event::Logged(logged) => {
                let report = self.judge(logged)?;
                self.is_due(&report, now).then_some(report)
            }
            Event::Opened { app, name, address, ports } => {
                let known = self.names.iter().position(|known| (known.app, known.address) == (app, address));
                let mut named = match known.and_then(|at| self.names.remove(at)) {
                    Some(named) if named.name == name => named,
                    _ => Named { app, address, name: name.to_owned(), ports: vec![] },
                };
                // A name's ports may come one after the other.
                let more =
                    ports.iter().filter(|port| !named.ports.contains(port)).copied().collect::<Vec<_>>();
                named.ports.extend(more);
                if self.names.len() >= NAMES {
                    self.names.pop_front();
                }
                self.names.push_back(named);
                None
            }
            Event::Left { app } => {
                self.names.retain(|known| known.app != app);
                None
            }
        }
    }

    fn judge(&self, Logged { mark, packet }: Logged<'_>) -> Told {
        let packet = packet::read(packet)?;
        let to =
            Target { protocol: packet.protocol, address: packet.destination.octets(), port: packet.port };
        match mark {
            Mark::App(app) => Some(Report::Dropped { app, to, why: self.why(app, &packet) }),
            Mark::Crowd(app) => Some(Report::Dropped { app, to, why: Why::TooMany }),
            Mark::Outside => matches!(packet.protocol, TCP | UDP)
                .then(|| Report::Knocked { protocol: packet.protocol, port: packet.port }),
        }
    }

    fn why(&self, app: u8, packet: &Packet) -> Why {
        if packet.source.octets() != apps_network::app_address(app) {
            return Why::ForeignSource(packet.source.octets());
        }
        let known = self.names.iter().find(|known| (known.app, known.address) == (app, packet.destination));
        let Some(Named { name, ports, .. }) = known else { return Why::Unlisted };
        let protocol = match packet.protocol {
            TCP => Protocol::Tcp,
            UDP => Protocol::Udp,
            _ => return Why::Unlisted,
        };
        match ports.contains(&Port { protocol, number: packet.port }) {
            // It was open, so the time of the address is over.
            true => Why::Expired(name.clone()),
            false => Why::OtherPort(name.clone()),
        }
    }

    fn is_due(&mut self, report: &Report, now: Millis) -> bool {
        self.told.retain(|(_, at)| now.saturating_sub(*at) < AGAIN);
        if self.told.iter().any(|(other, _)| other == report) || !self.bucket.take(now) {
            return false;
        }
        if self.told.len() >= REMEMBERED {
            self.told.pop_front();
        }
        self.told.push_back((report.clone(), now));
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::packet::tests::{packet, tcp};
    use super::*;

    const APP: [u8; 4] = apps_network::app_address(3);
    const PEER: [u8; 4] = [10, 0, 2, 2];
    const HTTPS: Port = Port { protocol: Protocol::Tcp, number: 443 };

    fn connect(source: [u8; 4], to: [u8; 4], port: u16) -> Vec<u8> {
        packet(source, to, TCP, &tcp(port, 2))
    }

    fn logged(watch: &mut Watch, mark: Mark, packet: &[u8], now: Millis) -> Told {
        watch.step(Event::Logged(Logged { mark, packet }), now)
    }

    fn dropped(port: u16, why: Why) -> Told {
        let to = Target { protocol: TCP, address: PEER, port };
        Some(Report::Dropped { app: 3, to, why })
    }

    #[test]
    fn connection_that_is_not_listed_is_told_once_and_again_later() {
        let mut watch = Watch::default();
        let bytes = connect(APP, PEER, 8883);
        assert_eq!(logged(&mut watch, Mark::App(3), &bytes, 0), dropped(8883, Why::Unlisted));
        assert_eq!(logged(&mut watch, Mark::App(3), &bytes, AGAIN - 1), None);
        assert_eq!(logged(&mut watch, Mark::App(3), &bytes, AGAIN), dropped(8883, Why::Unlisted));
        assert_eq!(logged(&mut watch, Mark::Crowd(3), &bytes, 1), dropped(8883, Why::TooMany));
        let foreign = connect([100, 115, 92, 4], PEER, 8883);
        let why = Why::ForeignSource([100, 115, 92, 4]);
        assert_eq!(logged(&mut watch, Mark::App(3), &foreign, 2), dropped(8883, why));
        assert_eq!(logged(&mut watch, Mark::App(3), &packet(APP, PEER, TCP, &tcp(1, 0x10)), 3), None);
    }

    #[test]
    fn address_of_a_name_is_told_with_the_name_until_its_app_leaves() {
        let mut watch = Watch::default();
        let address = PEER.into();
        let coap = Port { protocol: Protocol::Udp, number: 5683 };
        for ports in [&[HTTPS], &[coap]] {
            watch.step(Event::Opened { app: 3, name: "api.example.com", address, ports }, 0);
        }
        watch.step(Event::Opened { app: 4, name: "other.example", address, ports: &[] }, 0);
        let name = || "api.example.com".to_owned();
        for (port, why) in [(8883, Why::OtherPort(name())), (443, Why::Expired(name()))] {
            assert_eq!(logged(&mut watch, Mark::App(3), &connect(APP, PEER, port), 0), dropped(port, why));
        }
        watch.step(Event::Left { app: 3 }, 1);
        let told = logged(&mut watch, Mark::App(3), &connect(APP, PEER, 443), 1);
        assert_eq!(told, dropped(443, Why::Unlisted));
    }

    #[test]
    fn knock_from_outside_is_told_with_the_port_and_other_protocols_are_not() {
        let mut watch = Watch::default();
        let own = [10, 0, 2, 15];
        let told = logged(&mut watch, Mark::Outside, &connect(PEER, own, 8080), 0);
        assert_eq!(told, Some(Report::Knocked { protocol: TCP, port: 8080 }));
        let told = logged(&mut watch, Mark::Outside, &packet(PEER, own, UDP, &[0, 1, 0x13, 0x88]), 0);
        assert_eq!(told, Some(Report::Knocked { protocol: UDP, port: 5000 }));
        for other in [packet(PEER, own, 1, &[8]), packet(PEER, own, 47, &[]), vec![]] {
            assert_eq!(logged(&mut watch, Mark::Outside, &other, 0), None);
        }
    }

    #[test]
    fn flood_of_ever_new_packets_is_told_within_the_rate() {
        let mut watch = Watch::default();
        let mut told = 0;
        for number in 0..50_000u32 {
            let [_, _, high, low] = number.to_be_bytes();
            let bytes = connect(APP, [10, 1, high, low], 80);
            told += usize::from(logged(&mut watch, Mark::App(3), &bytes, u64::from(number / 10)).is_some());
        }
        assert!((110..=121).contains(&told), "20 at once and 20 in each of five seconds: {told}");
        assert!(watch.told.len() <= REMEMBERED);
    }

    #[test]
    fn names_ever_new_fill_no_more_than_the_bound() {
        let mut watch = Watch::default();
        for number in 0..1_000u32 {
            let address = Ipv4Addr::from(0x0a00_0000 + number);
            watch.step(Event::Opened { app: 1, name: "x.example", address, ports: &[HTTPS] }, 0);
        }
        assert_eq!(watch.names.len(), NAMES);
    }

    proptest! {
        #[test]
        fn any_packet_becomes_a_report_that_can_be_sent_or_none(
            mark in prop::sample::select(vec![Mark::App(3), Mark::Crowd(0), Mark::Outside]),
            head in prop::collection::vec(any::<u8>(), 0..20),
            bytes in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut packet = connect(APP, PEER, 443);
            packet.splice(0..head.len().min(packet.len()), head);
            for bytes in [packet, bytes] {
                if let Some(report) = logged(&mut Watch::default(), mark, &bytes, 0) {
                    prop_assert!(nacre_wire::message::encode(&report).is_ok());
                }
            }
        }
    }
}
