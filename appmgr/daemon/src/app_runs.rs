//! Runs of apps: start, output, end.

use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use nacre_appmgr_core::Uptime;
use nacre_appmgr_core::end::End;
use nacre_appmgr_core::fleet::AppIndex;
use nacre_appmgr_core::lifecycle::Event;
use nacre_appmgr_core::log_intake::RATE;
use nacre_appmgr_core::log_line::printable_parts;

use crate::app_network::AppNetwork;
use crate::cgroup;
use crate::clock;
use crate::daemon::Daemon;
use crate::event_loop::{EventLoop, Interest, Source};
use crate::launch::launch;
use crate::limits::{self, Told};
use crate::log_capture::{Capture, Captured, LAST_LINES, PIPE_PIECES};
use crate::process::{Handover, Process};
use nacre_diag::CauseChain;
use nacre_wire::app::Outcome;
use nacre_wire::log::{self, Detail};

/// How long after its start an app is taken to have read what it needs to begin.
const BEGINNING: Duration = Duration::from_secs(3);

impl Daemon {
    /// Launches an app and waits for what becomes of it.
    pub(crate) fn start_app(&mut self, app: AppIndex) {
        let Some(slot) = self.slots.get_mut(app.0) else { return };
        let Some(installed) = &slot.installed else { return };
        let memory = installed.cgroup.memory_events();
        let network = installed.network.as_ref().map(AppNetwork::namespace);
        match launch(&installed.spec, network, &installed.cgroup, installed.layers) {
            Ok(launched) => {
                slot.slowed = false;
                slot.unanswered_until = None;
                if slot.refused_tasks.is_none() {
                    slot.refused_tasks = limits::watch(&self.events, &installed.cgroup, app);
                }
                slot.limits_told = Told::now(&memory, slot.refused_tasks.as_ref());
                slot.asks_too_much = false;
                self.denials.forget(app);
                // An earlier run's debt is this one's: to end and start again pays nothing.
                slot.paused_until = slot.budget.pause_until(clock::now());
                let process = slot.process.insert(Process::new(launched, cgroup::oom_kills(&memory)));
                if let Err(error) = watch(&self.events, process, app, slot.paused_until.is_none()) {
                    // Nobody would see its end: it is ended here and now.
                    let killed = installed.cgroup.kill();
                    slot.process = None;
                    let text = format!("wait for it: {error}");
                    if let Err(error) = killed {
                        self.log_for(app, &format!("not killed: {error}"));
                    }
                    self.happen(app, Event::Ended(End::NotStarted(text)));
                }
            }
            Err(error) => {
                let text = CauseChain(&error).to_string();
                self.happen(app, Event::Ended(End::NotStarted(text)));
            }
        }
    }

    /// The launcher says something, or has handed over to the app.
    pub(crate) fn read_report(&mut self, app: AppIndex) {
        let Some(process) = self.slots.get_mut(app.0).and_then(|slot| slot.process.as_mut()) else { return };
        match process.hand_over() {
            Handover::Listening => {
                let watched = process
                    .listener()
                    .map(|listener| self.events.add(listener, Source::Notification(app), Interest::Read));
                if let Some(Err(error)) = watched {
                    // It would wait for ever in its first denied call.
                    self.give_up(app, &error);
                }
            }
            Handover::Done => {
                let pid = process.pid;
                if let Some(slot) = self.slots.get_mut(app.0) {
                    slot.begun_at = Some(clock::now().after(BEGINNING));
                }
                self.happen(app, Event::Started { pid });
            }
            // With a report of failure, the end of the process follows and tells it.
            Handover::Pending | Handover::Failed => {}
        }
    }

    /// Once an app has begun, its image need not be in memory twice.
    pub(crate) fn forget_packed_images(&mut self, now: Uptime) {
        for slot in self.slots.iter_mut().filter(|slot| slot.begun_at.is_some_and(|at| at <= now)) {
            slot.begun_at = None;
            if let Some(installed) = &slot.installed {
                installed.mounted.forget_packed();
            }
        }
    }

    /// Takes what an app has written, within its budget; false if there was nothing.
    pub(crate) fn read_output(&mut self, app: AppIndex, pipe: usize) -> bool {
        let now = clock::now();
        let Some(slot) = self.slots.get_mut(app.0) else { return false };
        let Some(place) = slot.process.as_mut().and_then(|process| process.output.get_mut(pipe)) else {
            return false;
        };
        let Some(capture) = place else { return false };
        let mut lines = match capture.read() {
            Captured::Nothing => return false,
            Captured::Closed => {
                self.events.remove(capture.as_fd());
                place.take().map(|capture| capture.finish(LAST_LINES)).unwrap_or_default()
            }
            Captured::Some { bytes, lines } => {
                slot.budget.spend(bytes, lines.len(), now);
                lines
            }
        };
        if slot.paused_until.is_none()
            && let Some(until) = slot.budget.pause_until(now)
        {
            slot.paused_until = Some(until);
            if let Some(process) = &slot.process {
                for capture in process.output.iter().flatten() {
                    self.events.remove(capture.as_fd());
                }
            }
            if !slot.slowed {
                slot.slowed = true;
                lines.push(format!("(writes faster than {RATE} bytes a second for long: it is slowed down)"));
            }
        }
        for line in lines {
            self.log_for(app, &line);
        }
        true
    }

    /// A structured line, within the same budget as what an app writes. While that is used up, the app is told so
    /// instead of being held up: it may have a heartbeat to send.
    pub(crate) fn log_structured(&mut self, app: AppIndex, text: &str, detail: Detail) -> Outcome {
        if let Err(error) = log::check(text, &detail) {
            return Outcome::Invalid(error.to_string());
        }
        // What it has written before comes before.
        for pipe in 0..2 {
            for _ in 0..PIPE_PIECES {
                let paused = self.slots.get(app.0).is_some_and(|slot| slot.paused_until.is_some());
                if paused || !self.read_output(app, pipe) {
                    break;
                }
            }
        }
        let now = clock::now();
        let Some(slot) = self.slots.get_mut(app.0) else { return Outcome::Invalid("no such app".into()) };
        if slot.budget.pause_until(now).is_some() {
            let text = format!("it logs more than {RATE} bytes a second for long; this line is left out");
            return Outcome::Unavailable(text);
        }
        let (text, detail) = printable_parts(text, detail);
        let bytes = detail.fields.iter().map(|field| field.key.len() + field.value.len()).sum::<usize>();
        slot.budget.spend(text.len() + bytes, 1, now);
        let source = Rc::clone(&slot.source);
        self.log.structured(now, &source, &text, detail);
        Outcome::Done
    }

    /// Reads again from apps whose pause is over.
    pub(crate) fn resume_outputs(&mut self, now: Uptime) {
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if slot.paused_until.is_some_and(|until| until <= now) {
                slot.paused_until = None;
                if let Some(process) = &slot.process
                    && let Err(error) = watch_output(&self.events, process, AppIndex(at))
                {
                    let source = Rc::clone(&slot.source);
                    self.log.line(now, &source, &format!("its output is no longer read: {error}"));
                }
            }
        }
    }

    /// The process has ended: takes its last words, its connections, and tells the fleet how.
    pub(crate) fn reap(&mut self, app: AppIndex) {
        let Some(slot) = self.slots.get_mut(app.0) else { return };
        let (Some(process), Some(installed)) = (&mut slot.process, &slot.installed) else { return };
        let Some(end) = process.end(|| installed.cgroup.oom_kills()) else { return };
        let output = std::mem::take(&mut process.output);
        slot.process = None;
        slot.paused_until = None;
        let now = clock::now();
        let most = if slot.budget.is_far_over(now) { 0 } else { LAST_LINES };
        let finish = |capture: Capture| capture.finish(most);
        let lines: Vec<String> = output.into_iter().flatten().flat_map(finish).collect();
        slot.budget.spend(lines.iter().map(String::len).sum(), lines.len(), now);
        for line in lines {
            self.log_for(app, &line);
        }
        for connection in self.connections.all_of(app) {
            self.connections.close(connection);
        }
        self.tell_limits(app);
        let replies = self.broker.app_ended(app);
        self.reply_all(replies);
        self.happen(app, Event::Ended(end));
    }
}

fn watch(events: &EventLoop, process: &Process, app: AppIndex, output: bool) -> nix::Result<()> {
    events.add(process.pidfd(), Source::Process(app), Interest::Read)?;
    if let Some(report) = process.report() {
        events.add(report, Source::Report(app), Interest::Read)?;
    }
    if output { watch_output(events, process, app) } else { Ok(()) }
}

fn watch_output(events: &EventLoop, process: &Process, app: AppIndex) -> nix::Result<()> {
    for (pipe, capture) in process.output.iter().enumerate() {
        if let Some(capture) = capture {
            events.add(capture.as_fd(), Source::Output(app, pipe), Interest::Read)?;
        }
    }
    Ok(())
}
