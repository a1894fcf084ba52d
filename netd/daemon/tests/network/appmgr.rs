//! The other end of netd's socket pair.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nacre_manifest::device::{self, Host, Network, Port, Protocol, Remote};
use nacre_wire::message;
use nacre_wire::net::{MAX_PACKET, Order, Report};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, recv, sendmsg};

use crate::lab::Place;

/// How long the slowest thing takes that a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Appmgr {
    socket: OwnedFd,
}

impl Appmgr {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket }
    }

    pub(crate) fn send(&self, order: &Order, fds: &[i32]) {
        let bytes = message::encode(order).expect("an order");
        self.send_bytes(&bytes, fds);
    }

    pub(crate) fn send_bytes(&self, bytes: &[u8], fds: &[i32]) {
        let rights = [ControlMessage::ScmRights(fds)];
        let rights = if fds.is_empty() { &rights[..0] } else { &rights[..] };
        sendmsg::<()>(self.socket.as_raw_fd(), &[IoSlice::new(bytes)], rights, MsgFlags::empty(), None)
            .expect("netd takes it");
    }

    pub(crate) fn begin(&self) {
        self.send(&Order::Begin { time_servers: vec![], layers_off: vec![] }, &[]);
    }

    /// Gives an app its network and waits until it has it.
    pub(crate) fn join(&self, app: u8, place: &Place, network: &Network) {
        let order = Order::Join { app, name: format!("app{app}"), network: device::encode(network) };
        self.send(&order, &place.descriptors());
        match self.wait_for(|report| matches!(report, Report::Joined { .. } | Report::NotJoined { .. })) {
            Report::Joined { app: joined } => assert_eq!(joined, app),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn wait_until_online(&self) -> Report {
        self.wait_for(|report| matches!(report, Report::Online { .. }))
    }

    /// The next report that is wanted; others are printed.
    pub(crate) fn wait_for(&self, wanted: impl Fn(&Report) -> bool) -> Report {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.next(until) {
                Some(report) if wanted(&report) => return report,
                Some(report) => println!("netd: {report:?}"),
                None => break,
            }
        }
        panic!("netd does not say what is waited for");
    }

    /// All reports of some time.
    pub(crate) fn listen(&self, time: Duration) -> Vec<Report> {
        let until = Instant::now() + time;
        std::iter::from_fn(|| self.next(until)).collect()
    }

    fn next(&self, until: Instant) -> Option<Report> {
        let left = until.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, left).expect("poll") == 0 {
            return None;
        }
        let mut packet = vec![0; MAX_PACKET];
        let length = recv(self.socket.as_raw_fd(), &mut packet, MsgFlags::empty()).unwrap_or(0);
        assert_ne!(length, 0, "netd has ended");
        Some(message::decode(&packet[..length]).expect("a report"))
    }
}

/// A manifest's `network`: `tcp:host:port` each, and `tcp:port` each.
pub(crate) fn network(connect: &[&str], listen: &[&str]) -> Network {
    let port = |protocol: &str, number: &str| Port {
        protocol: if protocol == "tcp" { Protocol::Tcp } else { Protocol::Udp },
        number: number.parse().expect("a port"),
    };
    let remote = |text: &&str| {
        let (protocol, rest) = text.split_once(':').expect("a protocol");
        let (host, number) = rest.split_once(':').expect("a port");
        let address = host.parse::<std::net::Ipv4Addr>().map(|address| Host::Address(address.octets()));
        Remote { host: address.unwrap_or_else(|_| Host::Name(host.into())), port: port(protocol, number) }
    };
    let mut network = Network {
        connect: connect.iter().map(remote).collect(),
        listen: listen.iter().filter_map(|text| text.split_once(':')).map(|(a, b)| port(a, b)).collect(),
    };
    network.connect.sort();
    network.listen.sort();
    network
}
