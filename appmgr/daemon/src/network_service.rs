//! netd in the app manager's loop: what it says, and what the network's state machine decides.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::rc::Rc;

use nacre_appmgr_core::Uptime;
use nacre_appmgr_core::end::End;
use nacre_appmgr_core::fleet::AppIndex;
use nacre_appmgr_core::lifecycle::Event as AppEvent;
use nacre_appmgr_core::log_intake::Budget;
use nacre_appmgr_core::log_line::printable;
use nacre_appmgr_core::network::{Action, Event, Network};
use nacre_appmgr_core::wall_clock::{Verdict, WallClock};
use nacre_sys::loopback;
use nacre_wire::message;
use nacre_wire::net::Order;
use nix::errno::Errno;

use crate::clock;
use crate::daemon::Daemon;
use crate::event_loop::{EventLoop, Interest, Source};
use crate::log_capture::{Captured, LAST_LINES};
use crate::netd::{self, Netd, Received};
use nacre_diag::CauseChain;

/// Reports taken before the others get their turn.
const AT_ONCE: usize = 16;

/// Reports taken after its end: what the socket holds, about.
const LAST_REPORTS: usize = 64;

/// Everything about netd.
pub(crate) struct NetworkService {
    pub(crate) state: Network,
    process: Option<Netd>,
    /// netd's name in the log.
    source: Rc<str>,
    /// It reads what anybody sends: its lines are bounded like an app's.
    budget: Budget,
    /// Until when its lines are left out, and how many were.
    quiet_until: Uptime,
    left_out: u32,
    wall_clock: WallClock,
    /// Its cgroup.
    group: PathBuf,
}

impl NetworkService {
    /// Without any app, which is how it stays on a device whose apps have no network.
    pub(crate) fn new(group: PathBuf, now: Uptime) -> Self {
        Self {
            state: Network::new([], now),
            process: None,
            source: "netd".into(),
            budget: Budget::new(now),
            quiet_until: now,
            left_out: 0,
            wall_clock: WallClock::default(),
            group,
        }
    }
}

impl Daemon {
    /// Gives an event to the network's state machine and does what follows from it.
    pub(crate) fn network_event(&mut self, event: Event) {
        let actions = self.network.state.step(event, clock::now());
        for action in actions {
            self.network_action(action);
        }
    }

    fn network_action(&mut self, action: Action) {
        match action {
            Action::Start => match self.start_netd() {
                Ok(()) => self.network_event(Event::Started),
                Err(text) => self.network_event(Event::Ended(End::NotStarted(text))),
            },
            Action::Kill => {
                if let Some(process) = &self.network.process {
                    process.kill();
                }
            }
            Action::Begin => {
                let order = Order::Begin {
                    time_servers: self.image.info.time_servers.clone(),
                    layers_off: self.image.info.layers_off.clone(),
                };
                let sent = match (message::encode(&order), &self.network.process) {
                    (Ok(packet), Some(process)) => netd::send(process.socket(), &packet, &[]),
                    (Err(_), _) => Err(Errno::EMSGSIZE),
                    (_, None) => Err(Errno::ESRCH),
                };
                self.after_order(sent);
            }
            Action::Join(app) => {
                let installed = self.slots.get(app.0).and_then(|slot| slot.installed.as_ref());
                let network = installed.and_then(|installed| installed.network.as_ref());
                let sent = match (network, &self.network.process) {
                    (Some(network), Some(process)) => network.order_join(process.socket()),
                    _ => Err(Errno::ESRCH),
                };
                self.after_order(sent);
            }
            Action::Leave(app) => {
                let order = u8::try_from(app.0).ok().map(|app| Order::Leave { app });
                let sent = match (order.map(|order| message::encode(&order)), &self.network.process) {
                    (Some(Ok(packet)), Some(process)) => netd::send(process.socket(), &packet, &[]),
                    _ => Err(Errno::ESRCH),
                };
                self.after_order(sent);
            }
            Action::Open(app) => self.happen(app, AppEvent::NetworkUp),
            Action::Close(app) => self.happen(app, AppEvent::NetworkDown),
            Action::Time { unix_ms, server } => self.follow_time(unix_ms, &server),
            Action::Denied(app, layer, refusal) => self.deny(app, layer, refusal),
            Action::Knocked(port) => self.knocked(port),
            Action::LogFor(app, text) => self.complain(app, &text),
            Action::Log(text) => self.log_netd(&text),
        }
    }

    fn start_netd(&mut self) -> Result<(), String> {
        let process = Netd::start(&self.network.group).map_err(|error| CauseChain(&error).to_string())?;
        let process = self.network.process.insert(process);
        if let Err(error) = watch(&self.events, process) {
            // Nobody would hear it or see its end. Dropping the socket ends it as well.
            process.kill();
            self.network.process = None;
            return Err(format!("wait for it: {error}"));
        }
        Ok(())
    }

    fn after_order(&mut self, sent: Result<(), Errno>) {
        match sent {
            // Its end is told by the process.
            Ok(()) | Err(Errno::EPIPE | Errno::ECONNRESET) => {}
            Err(error) => self.network_event(Event::Broken(format!("takes no order ({error})"))),
        }
    }

    /// Takes what netd says.
    pub(crate) fn read_netd(&mut self) {
        self.take_reports(AT_ONCE);
    }

    fn take_reports(&mut self, most: usize) {
        for _ in 0..most {
            let Some(process) = &self.network.process else { return };
            match process.receive() {
                Received::Report(report) => self.network_event(Event::Report(report)),
                Received::Bad(what) => self.network_event(Event::Broken(what)),
                Received::Nothing => return,
                Received::Closed => {
                    self.events.remove(process.socket());
                    // It ends, or is to end: without its socket it is of no use.
                    return process.kill();
                }
            }
        }
    }

    /// Takes what netd writes to its standard output and error.
    pub(crate) fn read_netd_output(&mut self) {
        let Some(process) = &mut self.network.process else { return };
        match process.output().read() {
            Captured::Nothing => {}
            Captured::Closed => self.events.remove(process.output().as_fd()),
            Captured::Some { lines, .. } => lines.iter().for_each(|line| self.log_netd(line)),
        }
    }

    /// netd has ended: takes its last words.
    pub(crate) fn reap_netd(&mut self) {
        let Some(end) = self.network.process.as_ref().and_then(Netd::end) else { return };
        self.take_reports(LAST_REPORTS);
        if let Some(process) = self.network.process.take() {
            for line in process.finish(LAST_LINES) {
                self.log_netd(&line);
            }
        }
        self.network_event(Event::Ended(end));
    }

    fn follow_time(&mut self, told_ms: u64, server: &str) {
        let log = match self.network.wall_clock.judge(told_ms, clock::wall_ms(), server) {
            Verdict::Refuse { log } => log,
            Verdict::Set { log } => match clock::set_wall_ms(told_ms) {
                Ok(()) => log,
                Err(error) => Some(format!("the clock is not set: {error}")),
            },
        };
        if let Some(text) = log {
            self.log_netd(&text);
        }
    }

    /// A line in netd's name, out of its own budget.
    fn log_netd(&mut self, text: &str) {
        let now = clock::now();
        let network = &mut self.network;
        if let Some(until) = network.budget.pause_until(now) {
            network.quiet_until = network.quiet_until.max(until);
        }
        if now < network.quiet_until {
            network.left_out = network.left_out.saturating_add(1);
            return;
        }
        if network.left_out > 0 {
            let note = format!("({} lines are left out: too many at once)", network.left_out);
            network.left_out = 0;
            self.log.line(now, &network.source, &note);
        }
        network.budget.spend(text.len(), 1, now);
        self.log.line(now, &network.source, &printable(text.as_bytes()));
    }

    /// Cares for the network of an app that was installed or got another version, or stops to.
    pub(crate) fn change_network(&mut self, app: AppIndex, now_has_one: bool) {
        if now_has_one {
            if let Err(error) = loopback::bring_up() {
                self.log.own(&CauseChain(&error).to_string());
            }
            self.network.state.admit(app, clock::now());
            self.network_event(Event::Timer);
        } else {
            for action in self.network.state.dismiss(app) {
                self.network_action(action);
            }
        }
    }

    /// Begins to care for the network of these apps. Without any, the OS has no use for one either, and its own
    /// loopback stays down; an app has another one, in its own namespace.
    pub(crate) fn begin_network(&mut self, apps: Vec<AppIndex>) {
        // An app of a test that switches its namespaces off sees the OS's.
        if (!apps.is_empty() || cfg!(feature = "layer-switches"))
            && let Err(error) = loopback::bring_up()
        {
            self.log.own(&CauseChain(&error).to_string());
        }
        self.network.state = Network::new(apps, clock::now());
    }
}

fn watch(events: &EventLoop, process: &mut Netd) -> nix::Result<()> {
    events.add(process.pidfd(), Source::NetdProcess, Interest::Read)?;
    events.add(process.socket(), Source::Netd, Interest::Read)?;
    events.add(process.output().as_fd(), Source::NetdOutput, Interest::Read)
}
