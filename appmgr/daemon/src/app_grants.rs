//! What apps ask for themselves: devices, heartbeats, word of their end.

use std::os::fd::OwnedFd;

use nacre_appmgr_core::Uptime;
use nacre_appmgr_core::fleet::AppIndex;
use nacre_appmgr_core::grants;
use nacre_appmgr_core::lifecycle::Event;
use nacre_appmgr_core::peers::ConnectionId;
use nacre_appmgr_core::request_budget::RATE;
use nacre_diag::CauseChain;
use nacre_manifest::device::DeviceKind;
use nacre_wire::app::{self, LineMode, Message, Outcome, Parity};

use crate::clock;
use crate::daemon::Daemon;
use crate::devices::{self, OpenDeviceError};
use crate::event_loop::Interest;

impl Daemon {
    /// It says that it is well.
    pub(crate) fn heartbeat(&mut self, app: AppIndex) -> Outcome {
        let Some(slot) = self.slots.get(app.0) else { return nobody() };
        match grants::heartbeat(&slot.id, slot.health) {
            Ok(()) => {
                self.happen(app, Event::Heartbeat);
                Outcome::Done
            }
            Err(refusal) => self.refused(app, refusal),
        }
    }

    /// It wants to be told of events on this connection.
    pub(crate) fn listen(&mut self, connection: ConnectionId, app: AppIndex) -> Outcome {
        let Some(slot) = self.slots.get(app.0) else { return nobody() };
        match grants::events(&slot.id, &slot.events) {
            Ok(()) => {
                self.connections.set_listening(connection);
                self.happen(app, Event::Listens);
                Outcome::Done
            }
            Err(refusal) => self.refused(app, refusal),
        }
    }

    /// Tells an app that it is about to be stopped; false if nobody listens any more.
    pub(crate) fn announce_stop(&mut self, app: AppIndex) -> bool {
        let listening = self.connections.listening_of(app);
        for connection in &listening {
            let sent = self.connections.send(*connection, &Message::Event(app::Event::Shutdown), None);
            self.after_sending(*connection, sent);
        }
        !listening.is_empty()
    }

    /// A GPIO line, if it is given it.
    pub(crate) fn take_line(
        &mut self,
        app: AppIndex,
        name: &str,
        mode: LineMode,
    ) -> (Outcome, Option<OwnedFd>) {
        self.take_device(app, DeviceKind::Gpio, name, |daemon, id| {
            let line = daemon.image.info.devices.gpio.iter().find(|line| line.name == name)?;
            Some(devices::open_line(line, mode, id))
        })
    }

    /// A serial port, if it is given it.
    pub(crate) fn take_uart(
        &mut self,
        app: AppIndex,
        name: &str,
        baud: u32,
        parity: Parity,
    ) -> (Outcome, Option<OwnedFd>) {
        self.take_device(app, DeviceKind::Uart, name, |daemon, _| {
            let uart = daemon.image.info.devices.uart.iter().find(|uart| uart.name == name)?;
            Some(devices::open_uart(uart, baud, parity))
        })
    }

    fn take_device(
        &mut self,
        app: AppIndex,
        kind: DeviceKind,
        name: &str,
        open: impl FnOnce(&Self, &str) -> Option<Result<OwnedFd, OpenDeviceError>>,
    ) -> (Outcome, Option<OwnedFd>) {
        let Some(slot) = self.slots.get(app.0) else { return (nobody(), None) };
        if let Err(refusal) = grants::device(&slot.id, &slot.devices, &self.image.info.devices, kind, name) {
            return (self.refused(app, refusal), None);
        }
        match open(self, slot.id.as_str()) {
            Some(Ok(descriptor)) => (Outcome::Descriptor, Some(descriptor)),
            Some(Err(error @ OpenDeviceError::Baud(_))) => (Outcome::Invalid(error.to_string()), None),
            Some(Err(error)) => {
                let text = format!("{} {name}: {}", kind.noun(), CauseChain(&error));
                if !matches!(error, OpenDeviceError::Taken) {
                    self.complain(app, &format!("does not get the {text}"));
                }
                (Outcome::Unavailable(text), None)
            }
            // Its package would have been refused.
            None => (Outcome::Unavailable(format!("{} {name}: not of this board", kind.noun())), None),
        }
    }

    /// Whether an app has asked so much that it must wait; its connections are not listened to meanwhile.
    pub(crate) fn must_wait(&mut self, app: AppIndex) -> bool {
        let now = clock::now();
        let Some(slot) = self.slots.get_mut(app.0) else { return true };
        let Some(until) = slot.requests.pause_until(now) else { return false };
        let told = std::mem::replace(&mut slot.asks_too_much, true);
        slot.unheard_until = Some(until);
        for id in self.connections.all_of(app) {
            if let Some((_, socket)) = self.connections.get(id).filter(|_| !self.connections.is_waiting(id)) {
                self.events.remove(socket);
            }
        }
        if !told {
            self.complain(app, &format!("asks the OS more than {RATE} times a second: it is slowed down"));
        }
        true
    }

    /// Listens again to apps whose pause is over.
    pub(crate) fn hear_again(&mut self, now: Uptime) {
        for at in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(at) else { return };
            if slot.unheard_until.is_none_or(|until| now < until) {
                continue;
            }
            slot.unheard_until = None;
            for id in self.connections.all_of(AppIndex(at)) {
                let waiting = self.connections.is_waiting(id);
                self.watch_connection(id, if waiting { Interest::Write } else { Interest::Read });
            }
        }
    }

    /// Reads what apps have said that would else be killed for their silence now: that it was not read yet may be
    /// because others have kept this process busy.
    pub(crate) fn hear_silent(&mut self, now: Uptime) {
        for app in self.fleet.silent(now) {
            for id in self.connections.all_of(app) {
                self.serve_connection(id);
            }
        }
    }
}

fn nobody() -> Outcome {
    Outcome::Invalid("no such app".into())
}
