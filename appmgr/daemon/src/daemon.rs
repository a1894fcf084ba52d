//! The app manager at work: one thread, one loop.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use nacre_appmgr_core::Uptime;
use nacre_appmgr_core::denials::{Denials, Refusal};
use nacre_appmgr_core::fleet::{AppIndex, Fleet, Order};
use nacre_appmgr_core::lifecycle::{Action, Event};
use nacre_appmgr_core::log_line::printable;
use nacre_appmgr_core::network::Event as NetworkEvent;
use nacre_appmgr_core::peers::Broker;
use nacre_wire::denial::{Layer, Remedy};
use nacre_wire::status::{AppStatus, Device};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;

use crate::clock;
use crate::device_channel::Channel;
use crate::event_loop::{EventLoop, Source};
use crate::identity::Identity;
use crate::image::Image;
use crate::incoming::Incoming;
use crate::log::Log;
use crate::network_service::NetworkService;
use crate::paths::Paths;
use crate::sideload::Change;
use crate::slot::Slot;
use crate::startup::Given;
use nacre_app_session::StatsReader;
use nacre_app_session::app_socket::{Connections, Listener};

/// Everything the app manager knows and holds.
pub(crate) struct Daemon {
    pub(crate) image: Image,
    pub(crate) log: Log,
    pub(crate) fleet: Fleet,
    pub(crate) broker: Broker,
    /// One for each app of the fleet, at the same place.
    pub(crate) slots: Vec<Slot>,
    pub(crate) by_uid: BTreeMap<u32, AppIndex>,
    pub(crate) events: EventLoop,
    pub(crate) signals: SignalFd,
    pub(crate) listener: Listener,
    pub(crate) connections: Connections,
    pub(crate) channel: Option<Channel>,
    /// When what only people wait for is done at the latest; `None` once it is.
    pub(crate) opens_at: Option<Uptime>,
    pub(crate) stats: StatsReader,
    pub(crate) network: NetworkService,
    pub(crate) denials: Denials,
    pub(crate) identity: Identity,
    pub(crate) given: Given,
    pub(crate) paths: Paths,
    /// The folder of the apps' control groups.
    pub(crate) groups: PathBuf,
    /// A package that is being received.
    pub(crate) incoming: Option<Incoming>,
    /// An app that is replaced or removed as soon as it has stopped.
    pub(crate) change: Option<Change>,
}

impl Daemon {
    /// Works until every app is stopped after SIGTERM.
    pub(crate) fn run(mut self) -> nix::Result<()> {
        loop {
            let now = clock::now();
            self.hear_silent(now);
            let due = self.fleet.timer(now);
            self.perform(due);
            let expired = self.broker.expire(now);
            self.reply_all(expired);
            self.network_event(NetworkEvent::Timer);
            self.resume_outputs(now);
            self.resume_notifications(now);
            self.hear_again(now);
            self.forget_packed_images(now);
            self.pass_capability(now);
            self.open_when_apps_run(now);
            if self.fleet.is_down() {
                self.log.own("all apps are stopped");
                return Ok(());
            }
            if let Some(channel) = &mut self.channel {
                channel.pump(self.log.ring(), &self.denials);
            }
            let until = self.next_deadline(now);
            for source in self.events.wait(until.map(|until| until.since(clock::now())))? {
                self.dispatch(source);
            }
            self.serve_channel();
        }
    }

    fn next_deadline(&self, now: Uptime) -> Option<Uptime> {
        let behind = self.channel.as_ref().is_some_and(Channel::is_behind);
        let paused = self
            .slots
            .iter()
            .flat_map(|slot| [slot.paused_until, slot.unheard_until, slot.unanswered_until, slot.begun_at])
            .flatten()
            .min();
        let network = self.network.state.deadline();
        let capability = self.identity.deadline();
        [
            behind.then_some(now),
            self.opens_at,
            capability,
            self.fleet.deadline(),
            self.broker.deadline(),
            network,
            paused,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn dispatch(&mut self, source: Source) {
        match source {
            Source::Signals => self.take_signals(),
            Source::Listener => self.accept(),
            // Served after each turn of the loop.
            Source::Channel => {}
            Source::Connection(id) => self.serve_connection(id),
            Source::Process(app) => self.reap(app),
            Source::Report(app) => self.read_report(app),
            Source::Notification(app) => self.serve_notifications(app),
            Source::RefusedTasks(app) => self.tell_limits(app),
            Source::Output(app, pipe) => {
                self.read_output(app, pipe);
            }
            Source::Netd => self.read_netd(),
            Source::NetdProcess => self.reap_netd(),
            Source::NetdOutput => self.read_netd_output(),
        }
    }

    fn take_signals(&mut self) {
        while let Ok(Some(_)) = self.signals.read_signal() {
            self.log.own("going down: all apps are stopped");
            self.network_event(NetworkEvent::Shutdown);
            let orders = self.fleet.shut_down(clock::now());
            self.perform(orders);
        }
    }

    /// Does what the fleet decided.
    pub(crate) fn perform(&mut self, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::Log(text) => self.log.own(&text),
                Order::Reboot => self.ask_init(Signal::SIGTERM),
                Order::App(app, action) => self.act(app, action),
            }
        }
    }

    pub(crate) fn act(&mut self, app: AppIndex, action: Action) {
        match action {
            Action::Log(text) => self.log_for(app, &printable(text.as_bytes())),
            Action::Start => self.start_app(app),
            Action::Announce if self.announce_stop(app) => {}
            // Nobody listens any more: there is nothing to wait for.
            Action::Announce | Action::SignalTerm => {
                if let Some(process) = self.slots.get_mut(app.0).and_then(|slot| slot.process.as_mut()) {
                    process.terminate();
                }
            }
            Action::KillGroup => {
                let installed = self.slots.get(app.0).and_then(|slot| slot.installed.as_ref());
                if let Some(Err(error)) = installed.map(|installed| installed.cgroup.kill()) {
                    self.log_for(app, &format!("not killed: {error}"));
                }
            }
        }
    }

    /// Gives an event to the fleet and does what follows from it.
    pub(crate) fn happen(&mut self, app: AppIndex, event: Event) {
        let orders = self.fleet.step(app, event, clock::now());
        self.perform(orders);
        self.go_on_with_change(app);
    }

    /// A line in an app's name; `text` is printable.
    pub(crate) fn log_for(&mut self, app: AppIndex, text: &str) {
        if let Some(slot) = self.slots.get(app.0) {
            let source = Rc::clone(&slot.source);
            self.log.line(clock::now(), &source, text);
        }
    }

    /// Notes that a layer refused something to an app: the one way into the log and the events.
    pub(crate) fn deny(&mut self, app: AppIndex, layer: Layer, mut refusal: Refusal) {
        let Some(slot) = self.slots.get(app.0) else { return };
        if let Remedy::Manifest { app: of, .. } = &mut refusal.remedy
            && of.is_empty()
        {
            slot.id.as_str().clone_into(of);
        }
        let told = self.denials.note(app, &slot.id, layer, refusal, clock::now());
        if let Some(line) = told.map(ToString::to_string) {
            self.log_for(app, &line);
        }
    }

    /// State of every app.
    pub(crate) fn statuses(&self, now: Uptime) -> Vec<AppStatus> {
        let each = self.fleet.iter();
        each.filter_map(|(at, _, lifecycle)| Some(self.slots.get(at.0)?.status(lifecycle, now))).collect()
    }

    /// What a person may want to know first.
    pub(crate) fn describe_device(&self) -> Device {
        let info = &self.image.info;
        Device {
            image: info.image.clone(),
            version: info.version.clone(),
            board: info.board.clone(),
            development: info.development,
            address: self.network.state.address(),
        }
    }

    /// Asks PID 1 for the end: SIGTERM reboots, SIGUSR1 powers off.
    pub(crate) fn ask_init(&mut self, signal: Signal) {
        match kill(Pid::from_raw(1), signal) {
            Ok(()) | Err(Errno::EINTR) => {}
            Err(error) => self.log.own(&format!("ask init for the end: {error}")),
        }
    }
}
