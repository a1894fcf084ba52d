//! The proxy of two apps, and what the tests of it share.

mod bounds;
mod history;
mod names;
mod servers;

use std::net::SocketAddrV4;

use nacre_manifest::device::{Host, Network, Port, Protocol, Remote};

use super::super::answer::tests::{Told, wire};
use super::super::flight::{MAX_WRONG, PATIENCE};
use super::super::query::tests::ask;
use super::super::{MAX_ELEMENTS, PORT, QueryId};
use super::*;
use crate::address;

const SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 2, 3), Ipv4Addr::new(10, 0, 2, 4)];
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 34);

const HTTPS: Port = Port { protocol: Protocol::Tcp, number: 443 };
const COAP: Port = Port { protocol: Protocol::Udp, number: 5683 };

fn policy(entries: &[(&str, Port)]) -> Policy {
    let mut connect: Vec<Remote> =
        entries.iter().map(|(name, port)| Remote { host: Host::Name((*name).into()), port: *port }).collect();
    connect.sort();
    Policy::of(&Network { connect, listen: vec![] }).expect("a policy")
}

struct Bench {
    proxy: Proxy,
    random: u32,
}

impl Bench {
    /// Two apps, one of which lists two names.
    fn offline() -> Self {
        let mut bench = Self { proxy: Proxy::new(), random: 7 };
        let names = policy(&[("api.example.com", HTTPS), ("api.example.com", COAP), ("b.example", HTTPS)]);
        bench.step(Event::Join { app: 0, policy: names }, 0);
        bench.step(Event::Join { app: 1, policy: policy(&[("api.example.com", HTTPS)]) }, 0);
        bench
    }

    fn new() -> Self {
        let mut bench = Self::offline();
        bench.step(Event::Online { servers: &SERVERS, own: OWN, prefix: 24 }, 0);
        bench
    }

    fn step(&mut self, event: Event<'_>, now: Millis) -> Vec<Action> {
        let random = &mut self.random;
        self.proxy.step(event, now, &mut || {
            *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *random
        })
    }

    fn asks(&mut self, app: u8, bytes: &[u8], now: Millis) -> Vec<Action> {
        self.step(Event::Question { app, port: 4000, bytes }, now)
    }

    /// An app's question that goes to a server.
    fn starts(&mut self, app: u8, id: u16, name: &str, now: Millis) -> Asked {
        asked(&self.asks(app, &ask(id, name, A), now))
    }

    fn told(&mut self, asked: &Asked, bytes: &[u8], now: Millis) -> Vec<Action> {
        self.step(Event::Answer { query: asked.query, from: asked.server, bytes }, now)
    }
}

#[derive(Debug, Clone)]
struct Asked {
    query: QueryId,
    server: SocketAddrV4,
    bytes: Vec<u8>,
}

/// The one question to a server.
fn asked(actions: &[Action]) -> Asked {
    let mut found = actions.iter().filter_map(|action| match action {
        Action::Ask { query, server, bytes } => {
            Some(Asked { query: *query, server: *server, bytes: bytes.clone() })
        }
        _ => None,
    });
    let first = found.next().unwrap_or_else(|| panic!("no question in {actions:?}"));
    assert!(found.next().is_none());
    first
}

/// The code of the one answer to an app.
fn rcode(actions: &[Action]) -> Option<u8> {
    actions.iter().find_map(|action| match action {
        Action::Answer { bytes, .. } => Some(bytes[3] & 0xf),
        _ => None,
    })
}
