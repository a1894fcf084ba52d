//! The socket of the time client.

use std::net::SocketAddrV4;

use nacre_netd_core::Millis;
use nacre_netd_core::ntp::{self, Event};
use nacre_sys::event_loop::Interest;

use crate::clock;
use crate::event_loop::{EventLoop, Source};
use crate::random;
use crate::udp::Udp;

/// The client and the socket of its last question.
#[derive(Debug)]
pub(crate) struct Time {
    client: ntp::Client,
    asked: Option<(Udp, SocketAddrV4)>,
}

impl Time {
    /// A client that knows these servers by name.
    pub(crate) fn new(servers: &[String]) -> Self {
        Self { client: ntp::Client::new(servers), asked: None }
    }

    /// When the client wants to be woken.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        self.client.deadline()
    }

    /// Tells the client what happened.
    pub(crate) fn step(&mut self, event: Event<'_>) -> Vec<ntp::Action> {
        self.client.step(event, clock::now(), &mut random::number)
    }

    /// What the server says.
    pub(crate) fn read(&mut self) -> Vec<ntp::Action> {
        let Some((socket, from)) = &self.asked else { return Vec::new() };
        // After an error the client waits in vain and asks another one.
        let (datagrams, _) = socket.receive::<{ ntp::MAX_DATAGRAM }>();
        let from = *from;
        datagrams.iter().flat_map(|(_, bytes)| self.step(Event::Datagram { from, bytes })).collect()
    }

    /// Asks a server.
    pub(crate) fn send(&mut self, events: &EventLoop, to: SocketAddrV4, bytes: &[u8]) {
        let opened = Udp::to(to).and_then(|socket| {
            events.add(&socket, Source::Time, Interest::Read)?;
            socket.send(bytes, to)?;
            Ok(socket)
        });
        // The client waits in vain then, and asks another one.
        self.asked = opened.ok().map(|socket| (socket, to));
    }
}
