//! Orders and events in, sockets and the kernel out.

use std::error::Error;
use std::os::fd::OwnedFd;

use nacre_netd_core::{dns, dropped, ntp};
use nacre_sys::event_loop::Interest;
use nacre_wire::net::{Order, Report};
use nix::errno::Errno;

use crate::appmgr::{Appmgr, Received, shortened};
use crate::apps::Apps;
use crate::clock;
use crate::confinement::Confined;
use crate::event_loop::{EventLoop, Source, until};
use crate::flows::{Flows, FlowsError};
use crate::netlink::Socket;
use crate::resolver::Resolver;
use crate::ruleset::{self, Filter};
use crate::time::Time;
use crate::uplink::Uplink;
use nacre_diag::CauseChain;

/// Orders taken before anything else has its turn.
const ORDERS_AT_ONCE: usize = 16;

/// Everything.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) appmgr: Appmgr,
    pub(crate) events: EventLoop,
    pub(crate) routes: Socket,
    links: Socket,
    pub(crate) filter: Socket,
    log: Socket,
    pub(crate) watch: dropped::Watch,
    pub(crate) resolver: Resolver,
    pub(crate) apps: Apps,
    pub(crate) uplink: Uplink,
    flows: Flows,
    /// Servers that appmgr named; none before [`Order::Begin`].
    pub(crate) time: Option<Time>,
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
            log: Socket::packet_log()?,
            watch: dropped::Watch::default(),
            resolver: Resolver::open(&events)?,
            appmgr: Appmgr::new(appmgr),
            events,
            apps: Apps::default(),
            uplink: Uplink::default(),
            flows: Flows::default(),
            time: None,
            waits_for_room: false,
        };
        daemon.events.add(&daemon.appmgr, Source::Appmgr, Interest::Read)?;
        daemon.events.add(&daemon.links, Source::Links, Interest::Read)?;
        daemon.events.add(&daemon.log, Source::PacketLog, Interest::Read)?;
        confined.load_filter()?;
        Ok(daemon)
    }

    /// Works until appmgr closes its end.
    pub(crate) fn run(mut self) -> Result<(), Box<dyn Error>> {
        loop {
            for source in self.events.wait(until(self.deadline(), clock::now()))? {
                match source {
                    Source::Appmgr => {
                        self.appmgr.flush();
                        if self.take_orders()? == Going::Ended {
                            return Ok(());
                        }
                    }
                    Source::Links => self.look_at_links()?,
                    Source::PacketLog => self.read_log()?,
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
        self.tell_watch(dropped::Event::Left { app });
        match self.apps.join(&self.routes, &self.filter, app, network, fds) {
            Ok(policy) => {
                let kept = self.flows.join(&self.filter, app, self.uplink.index());
                self.tell_flows(kept);
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
        self.tell_watch(dropped::Event::Left { app });
        if let Err(error) = self.apps.leave(&self.routes, &self.filter, app) {
            self.appmgr.log(CauseChain(&error).to_string());
        }
    }

    fn read_log(&mut self) -> Result<(), Box<dyn Error>> {
        let Self { log, watch, apps, appmgr, .. } = self;
        log.logged(|logged| {
            let told = watch.step(dropped::Event::Logged(logged), clock::now());
            told.filter(|report| is_known(apps, report)).iter().for_each(|report| appmgr.report(report));
        })?;
        Ok(())
    }

    pub(crate) fn tell_watch(&mut self, event: dropped::Event<'_>) {
        if let Some(report) = self.watch.step(event, clock::now()) {
            self.appmgr.report(&report);
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
        let kept = self.flows.look_at_uplink(&self.filter, self.uplink.index());
        self.tell_flows(kept);
        Ok(())
    }

    /// The table of flows only spares work: without it everything goes on.
    fn tell_flows(&mut self, kept: Result<(), FlowsError>) {
        if let Err(error) = kept {
            self.appmgr.log(CauseChain(&error).to_string());
        }
    }
}

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    On,
    Ended,
}

/// Whether a report is of no app, or of one that has not left: its last packets are read later.
fn is_known(apps: &Apps, report: &Report) -> bool {
    match report {
        Report::Dropped { app, .. } => apps.has(*app),
        _ => true,
    }
}

fn is_due(deadline: Option<u64>) -> bool {
    deadline.is_some_and(|deadline| deadline <= clock::now())
}
