//! Orders and events in, sockets and the kernel out.

use std::error::Error;
use std::os::fd::OwnedFd;

use nacre_netd_core::{dhcp, dns, ntp};
use nacre_wire::net::{Order, Report};
use nix::errno::Errno;

use crate::appmgr::{Appmgr, Received, shortened};
use crate::apps::Apps;
use crate::cause_chain::CauseChain;
use crate::clock;
use crate::confinement::Confined;
use crate::event_loop::{EventLoop, Interest, Source};
use crate::netlink::Socket;
use crate::resolver::Resolver;
use crate::ruleset::{self, Filter};
use crate::time::Time;
use crate::uplink::Uplink;

/// Orders taken before anything else has its turn.
const ORDERS_AT_ONCE: usize = 16;

/// Everything.
#[derive(Debug)]
pub(crate) struct Daemon {
    appmgr: Appmgr,
    events: EventLoop,
    routes: Socket,
    links: Socket,
    filter: Socket,
    resolver: Resolver,
    apps: Apps,
    uplink: Uplink,
    /// Servers that appmgr named; none before [`Order::Begin`].
    time: Option<Time>,
    /// Whether the event loop waits for room towards appmgr.
    waits_for_room: bool,
}

impl Daemon {
    /// Opens the sockets to the kernel and gives up the calls for that.
    pub(crate) fn start(appmgr: OwnedFd, confined: Confined) -> Result<Self, Box<dyn Error>> {
        let events = EventLoop::new()?;
        let daemon = Self {
            routes: Socket::route()?,
            links: Socket::link_notices()?,
            filter: Socket::filter()?,
            resolver: Resolver::open(&events)?,
            appmgr: Appmgr::new(appmgr),
            events,
            apps: Apps::default(),
            uplink: Uplink::default(),
            time: None,
            waits_for_room: false,
        };
        daemon.events.add(&daemon.appmgr, Source::Appmgr)?;
        daemon.events.add(&daemon.links, Source::Links)?;
        confined.load_filter()?;
        Ok(daemon)
    }

    /// Works until appmgr closes its end.
    pub(crate) fn run(mut self) -> Result<(), Box<dyn Error>> {
        loop {
            for source in self.events.wait(clock::now(), self.deadline())? {
                match source {
                    Source::Appmgr => {
                        self.appmgr.flush();
                        if self.take_orders()? == Going::Ended {
                            return Ok(());
                        }
                    }
                    Source::Links => self.look_at_links()?,
                    Source::Dhcp => {
                        let actions = self.uplink.read();
                        self.dhcp(actions);
                    }
                    Source::Questions => {
                        let steps = self.resolver.read_questions(&self.apps);
                        steps.into_iter().for_each(|actions| self.dns(actions));
                    }
                    Source::Query(query) => {
                        let steps = self.resolver.read_answers(query);
                        steps.into_iter().for_each(|actions| self.dns(actions));
                    }
                    Source::Time => {
                        let actions = self.time.as_mut().map(Time::read).unwrap_or_default();
                        self.ntp(actions);
                    }
                }
            }
            self.wake();
            self.wait_for_room()?;
        }
    }

    fn deadline(&self) -> Option<u64> {
        let time = self.time.as_ref().and_then(Time::deadline);
        [self.uplink.deadline(), self.resolver.deadline(), time].into_iter().flatten().min()
    }

    fn wake(&mut self) {
        if is_due(self.uplink.deadline()) {
            let actions = self.uplink.wake();
            self.dhcp(actions);
        }
        if is_due(self.resolver.deadline()) {
            let actions = self.resolver.step(dns::Event::Timer);
            self.dns(actions);
        }
        if is_due(self.time.as_ref().and_then(Time::deadline)) {
            self.tell_time(ntp::Event::Timer);
        }
    }

    fn wait_for_room(&mut self) -> nix::Result<()> {
        let waits = self.appmgr.has_waiting();
        if waits != self.waits_for_room {
            self.waits_for_room = waits;
            let interest = if waits { Interest::ReadAndWrite } else { Interest::Read };
            self.events.change(&self.appmgr, Source::Appmgr, interest)?;
        }
        Ok(())
    }

    fn take_orders(&mut self) -> Result<Going, Box<dyn Error>> {
        for _ in 0..ORDERS_AT_ONCE {
            match self.appmgr.take()? {
                Received::Order(Order::Begin { time_servers, layers_off }, _) => {
                    self.begin(&time_servers, &layers_off)?;
                }
                Received::Order(_, _) if self.time.is_none() => {
                    return Err("an order before the first".into());
                }
                Received::Order(Order::Join { app, name, network }, fds) => {
                    self.join(app, &name, &network, fds);
                }
                Received::Order(Order::Leave { app }, _) => self.leave(app),
                Received::Nothing => break,
                Received::End => return Ok(Going::Ended),
            }
        }
        Ok(Going::On)
    }

    fn begin(&mut self, time_servers: &[String], layers_off: &[String]) -> Result<(), Box<dyn Error>> {
        if self.time.is_some() {
            return Err("a second beginning".into());
        }
        let filter = Filter::with_off(layers_off)?;
        self.filter.apply(&ruleset::base(filter))?;
        if filter != Filter::On {
            self.appmgr.log("the packet filter lets apps send what and where they want");
        }
        Apps::remove_stale(&self.routes)?;
        self.time = Some(Time::new(time_servers));
        self.look_at_uplink()
    }

    fn join(&mut self, app: u8, name: &str, network: &[u8], fds: Vec<OwnedFd>) {
        // What was asked for the app before must not end in its new network.
        let actions = self.resolver.step(dns::Event::Leave { app });
        self.dns(actions);
        match self.apps.join(&self.routes, &self.filter, app, network, fds) {
            Ok(policy) => {
                let actions = self.resolver.step(dns::Event::Join { app, policy });
                self.dns(actions);
                self.appmgr.report(&Report::Joined { app });
            }
            Err(error) => {
                let why = shortened(format!("{name}: {}", CauseChain(&error)));
                self.appmgr.report(&Report::NotJoined { app, why });
            }
        }
    }

    fn leave(&mut self, app: u8) {
        let actions = self.resolver.step(dns::Event::Leave { app });
        self.dns(actions);
        if let Err(error) = self.apps.leave(&self.routes, &self.filter, app) {
            self.appmgr.log(CauseChain(&error).to_string());
        }
    }

    fn look_at_links(&mut self) -> Result<(), Box<dyn Error>> {
        // Which link it was does not matter, nor that notices were lost: it is looked at anew.
        match self.links.receive(|_| {}) {
            Ok(()) | Err(Errno::ENOBUFS) => {}
            Err(cause) => return Err(cause.into()),
        }
        if self.time.is_some() { self.look_at_uplink() } else { Ok(()) }
    }

    fn look_at_uplink(&mut self) -> Result<(), Box<dyn Error>> {
        let actions = self.uplink.look(&self.routes, &self.events)?;
        self.dhcp(actions);
        Ok(())
    }

    fn dhcp(&mut self, actions: Vec<dhcp::Action>) {
        for action in actions {
            match action {
                dhcp::Action::Send { to, bytes } => self.uplink.send(to, &bytes),
                dhcp::Action::Bound(lease) => self.go_online(&lease),
                dhcp::Action::Lost(why) => self.go_offline(why),
                dhcp::Action::Log(text) => self.appmgr.log(text),
            }
        }
    }

    fn go_online(&mut self, lease: &dhcp::Lease) {
        if let Err(error) = self.uplink.bind(&self.routes, lease) {
            // The next renewal tries again.
            return self.go_offline(CauseChain(&error).to_string());
        }
        let (own, prefix) = (lease.address, lease.prefix);
        self.appmgr.report(&Report::Online { address: own.octets(), prefix });
        let online = dns::Event::Online { servers: &lease.name_servers, own, prefix };
        let actions = self.resolver.step(online);
        self.dns(actions);
        self.tell_time(ntp::Event::Online { servers: &lease.time_servers });
    }

    fn go_offline(&mut self, why: String) {
        if let Err(error) = self.uplink.release(&self.routes) {
            self.appmgr.log(CauseChain(&error).to_string());
        }
        self.appmgr.report(&Report::Offline { why: shortened(why) });
        let actions = self.resolver.step(dns::Event::Offline);
        self.dns(actions);
        self.tell_time(ntp::Event::Offline);
    }

    fn dns(&mut self, actions: Vec<dns::Action>) {
        // An app that gets an answer before what it says is open would be refused.
        let mut all_open = true;
        for action in actions {
            match action {
                dns::Action::Ask { query, server, bytes } => {
                    if !self.resolver.ask(&self.events, query, server, &bytes) {
                        let actions = self.resolver.step(dns::Event::Unreachable { query });
                        self.dns(actions);
                    }
                }
                dns::Action::Close { query } => self.resolver.close(query),
                dns::Action::Open { app, address, ports, ttl_s } => {
                    if let Err(error) = self.apps.open(&self.filter, app, address, &ports, ttl_s) {
                        all_open = false;
                        self.appmgr.log(format!("open {address} to an app: {}", CauseChain(&error)));
                    }
                }
                dns::Action::Answer { app, port, bytes } if all_open => {
                    self.resolver.answer(app, port, &bytes);
                }
                dns::Action::Answer { .. } => all_open = true,
                dns::Action::Denied { app, what } => {
                    self.appmgr.report(&Report::Denied { app, what: shortened(what) });
                }
                dns::Action::Resolved { name, addresses } => {
                    self.tell_time(ntp::Event::Resolved { name: &name, addresses: &addresses });
                }
                dns::Action::Log(text) => self.appmgr.log(text),
            }
        }
    }

    fn tell_time(&mut self, event: ntp::Event<'_>) {
        let actions = self.time.as_mut().map(|time| time.step(event)).unwrap_or_default();
        self.ntp(actions);
    }

    fn ntp(&mut self, actions: Vec<ntp::Action>) {
        for action in actions {
            match action {
                ntp::Action::Resolve { name } => {
                    let actions = self.resolver.step(dns::Event::Resolve { name: &name });
                    self.dns(actions);
                }
                ntp::Action::Send { to, bytes } => {
                    if let Some(time) = &mut self.time {
                        time.send(&self.events, to, &bytes);
                    }
                }
                ntp::Action::Time { unix_ms, server } => {
                    self.appmgr.report(&Report::Time { unix_ms, server });
                }
                ntp::Action::Log(text) => self.appmgr.log(text),
            }
        }
    }
}

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    On,
    Ended,
}

fn is_due(deadline: Option<u64>) -> bool {
    deadline.is_some_and(|deadline| deadline <= clock::now())
}
