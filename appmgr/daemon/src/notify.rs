//! Calls that an app's filter denies: the kernel lets the thread wait and tells the app manager, which says what was
//! tried and lets the call fail (seccomp_unotify(2)).
//!
//! It only looks: what is read of the app's memory makes the text, and decides nothing. In a development image the
//! filter tells of some allowed calls too ([`nacre_seccomp_policy::WATCHED`]); those go on, and Landlock judges them.

use std::error::Error;

use nacre_app_session::{Memory, denied, judge};
use nacre_appmgr_core::Uptime;
use nacre_appmgr_core::fleet::AppIndex;
use nacre_appmgr_core::lifecycle::Action;
use nacre_appmgr_core::notification_budget::{DENIED, WATCHED};
use nacre_diag::CauseChain;
use nacre_seccomp_policy::{Arch, is_watched};
use nacre_sys::seccomp_notify::{self, Answer, Notification, Received};
use nacre_wire::denial::Layer;

use crate::clock;
use crate::daemon::Daemon;
use crate::event_loop::{Interest, Source};

/// Calls answered of one app before the others get their turn.
const AT_ONCE: usize = 8;

impl Daemon {
    /// Answers calls of an app that wait, within its budget.
    pub(crate) fn serve_notifications(&mut self, app: AppIndex) {
        for _ in 0..AT_ONCE {
            let now = clock::now();
            let Some(slot) = self.slots.get_mut(app.0) else { return };
            let Some(listener) = slot.process.as_ref().and_then(|process| process.listener()) else { return };
            if let Some(until) = slot.notifications.pause_until(now) {
                // Its calls wait in the kernel, and cost nothing there but its own time.
                self.events.remove(listener);
                slot.unanswered_until = Some(until);
                return;
            }
            match seccomp_notify::receive(listener) {
                Ok(Received::Call(call)) => self.answer_call(app, &call, now),
                Ok(Received::Nothing) => return,
                // Its end is told by the process.
                Ok(Received::Ended) => return self.events.remove(listener),
                Err(error) => return self.give_up(app, &error),
            }
        }
    }

    /// Answers again to apps whose pause is over.
    pub(crate) fn resume_notifications(&mut self, now: Uptime) {
        let mut failed = Vec::new();
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if slot.unanswered_until.is_some_and(|until| until <= now) {
                slot.unanswered_until = None;
                if let Some(listener) = slot.process.as_ref().and_then(|process| process.listener())
                    && let Err(error) =
                        self.events.change(listener, Source::Notification(AppIndex(at)), Interest::Read)
                {
                    failed.push((AppIndex(at), error));
                }
            }
        }
        for (app, error) in failed {
            self.give_up(app, &error);
        }
    }

    /// An app whose calls can't be answered would wait in one for ever: it is ended.
    pub(crate) fn give_up(&mut self, app: AppIndex, error: &(dyn Error + 'static)) {
        self.log_for(app, &format!("its denied calls can't be answered: {}", CauseChain(error)));
        self.act(app, Action::KillGroup);
    }

    /// Whether the launcher is still at work, and a call that waits is its own: it executes the app's program.
    fn launches(&mut self, app: AppIndex) -> bool {
        // What it said last may be there unread: by the time that the app makes a call, the launcher has handed over.
        self.read_report(app);
        let process = self.slots.get(app.0).and_then(|slot| slot.process.as_ref());
        process.is_some_and(|process| process.report().is_some())
    }

    fn answer_call(&mut self, app: AppIndex, call: &Notification, now: Uptime) {
        let launcher = self.launches(app);
        let Some(slot) = self.slots.get(app.0) else { return };
        let (Some(installed), Some(process)) = (&slot.installed, &slot.process) else { return };
        let Some(listener) = process.listener() else { return };
        let memory = Memory::of(call.thread);
        let watched = installed.watched
            && Arch::of_audit_value(call.arch).is_some_and(|arch| is_watched(arch, call.number));
        let (told, answer, cost) = if watched {
            let refusal = if launcher { None } else { judge(&installed.access, call, &memory) };
            (refusal.map(|refusal| (Layer::Landlock, refusal)), Answer::Continue, WATCHED)
        } else {
            let (refusal, errno) = denied(call, &memory);
            (Some((Layer::Seccomp, refusal)), Answer::Error(errno), DENIED)
        };
        // Asked before the answer: with it the thread goes on, and its number may become another's.
        let valid = told.is_some() && seccomp_notify::is_valid(listener, call.id);
        let answered = seccomp_notify::answer(listener, call.id, answer);
        let after = clock::now();
        if let Some(slot) = self.slots.get_mut(app.0) {
            slot.notifications.spend(cost, after.since(now), after);
        }
        if let Err(error) = answered {
            return self.give_up(app, &error);
        }
        if let Some((layer, refusal)) = told.filter(|_| valid) {
            self.deny(app, layer, refusal);
        }
    }
}
