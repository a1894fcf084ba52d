//! The sockets of the DNS proxy: one for what apps ask, one for each question to a server.

use std::net::SocketAddrV4;

use nacre_manifest::apps_network::{ROUTER, app_address};
use nacre_netd_core::Millis;
use nacre_netd_core::dns::{self, Event, QueryId};
use nacre_sys::event_loop::Interest;

use crate::apps::Apps;
use crate::clock;
use crate::event_loop::{EventLoop, Source};
use crate::random;
use crate::udp::Udp;

/// The proxy and its sockets.
#[derive(Debug)]
pub(crate) struct Resolver {
    proxy: dns::Proxy,
    questions: Udp,
    queries: Vec<Query>,
}

#[derive(Debug)]
struct Query {
    id: QueryId,
    socket: Udp,
    server: SocketAddrV4,
}

impl Resolver {
    /// Listens for what apps ask.
    pub(crate) fn open(events: &EventLoop) -> nix::Result<Self> {
        let questions = Udp::at(SocketAddrV4::new(ROUTER.into(), dns::PORT))?;
        events.add(&questions, Source::Questions, Interest::Read)?;
        Ok(Self { proxy: dns::Proxy::new(), questions, queries: Vec::new() })
    }

    /// When the proxy wants to be woken.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        self.proxy.deadline()
    }

    /// Tells the proxy what happened.
    pub(crate) fn step(&mut self, event: Event<'_>) -> Vec<dns::Action> {
        self.proxy.step(event, clock::now(), &mut random::number)
    }

    /// What apps ask. Who asks is its address: the packet filter lets no other through.
    pub(crate) fn read_questions(&mut self, apps: &Apps) -> Vec<Vec<dns::Action>> {
        // An error is about an answer that an app didn't wait for.
        let (datagrams, _) = self.questions.receive::<{ dns::MAX_DATAGRAM }>();
        let known =
            datagrams.iter().filter_map(|(from, bytes)| Some((apps.at(*from.ip())?, from.port(), bytes)));
        known.map(|(app, port, bytes)| self.step(Event::Question { app, port, bytes })).collect()
    }

    /// What a server says.
    pub(crate) fn read_answers(&mut self, query: QueryId) -> Vec<Vec<dns::Action>> {
        let Some(Query { socket, server, .. }) = self.queries.iter().find(|open| open.id == query) else {
            return Vec::new();
        };
        let (datagrams, outcome) = socket.receive::<{ dns::MAX_DATAGRAM }>();
        let from = *server;
        let mut steps = Vec::new();
        for (_, bytes) in &datagrams {
            // A step may end the question.
            if self.queries.iter().any(|open| open.id == query) {
                steps.push(self.step(Event::Answer { query, from, bytes }));
            }
        }
        if outcome.is_err() {
            steps.push(self.step(Event::Unreachable { query }));
        }
        steps
    }

    /// Asks a server; `false` if that is not possible.
    #[must_use]
    pub(crate) fn ask(
        &mut self,
        events: &EventLoop,
        query: QueryId,
        server: SocketAddrV4,
        bytes: &[u8],
    ) -> bool {
        let opened = Udp::to(server).and_then(|socket| {
            events.add(&socket, Source::Query(query), Interest::Read)?;
            socket.send(bytes, server)?;
            Ok(socket)
        });
        let is_open = opened.is_ok();
        self.queries.extend(opened.map(|socket| Query { id: query, socket, server }));
        is_open
    }

    /// A question is at its end.
    pub(crate) fn close(&mut self, query: QueryId) {
        self.queries.retain(|open| open.id != query);
    }

    /// Answers an app.
    pub(crate) fn answer(&self, app: u8, port: u16, bytes: &[u8]) {
        // It asks again if nothing comes.
        let _ = self.questions.send(bytes, SocketAddrV4::new(app_address(app).into(), port));
    }
}
