//! Calls that an app's filter denies: the kernel lets the thread wait and tells the app manager, which says what was
//! tried and lets the call fail (seccomp_unotify(2)).
//!
//! It only looks: what is read of the app's memory makes the text, and decides nothing. In a development image the
//! filter tells of some allowed calls too ([`nacre_seccomp_policy::WATCHED`]); those go on, and Landlock judges them.

use nacre_appmgr_core::Uptime;
use nacre_appmgr_core::denials::Refusal;
use nacre_appmgr_core::fleet::AppIndex;
use nacre_appmgr_core::notification_budget::{DENIED, WATCHED};
use nacre_seccomp_policy::explain::{self, Attempt, UNKNOWN, Why, explain};
use nacre_seccomp_policy::{Arch, Grant, is_watched};
use nacre_sys::seccomp_notify::{self, Answer, Notification, Received};
use nacre_wire::denial::{Layer, Remedy};

use crate::clock;
use crate::daemon::Daemon;
use crate::event_loop::{Interest, Source};
use crate::foreign_memory::Memory;
use crate::watched_call;

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
                Ok(Received::Call(call)) => self.answer_call(app, call, now),
                Ok(Received::Nothing) => return,
                // Its end is told by the process.
                Ok(Received::Ended) => return self.events.remove(listener),
                Err(error) => {
                    self.events.remove(listener);
                    let text = nacre_diag::CauseChain(&error).to_string();
                    return self.complain(app, &format!("its denied calls are no longer answered: {text}"));
                }
            }
        }
    }

    /// Answers again to apps whose pause is over.
    pub(crate) fn resume_notifications(&mut self, now: Uptime) {
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if slot.unanswered_until.is_some_and(|until| until <= now) {
                slot.unanswered_until = None;
                if let Some(listener) = slot.process.as_ref().and_then(|process| process.listener())
                    && let Err(error) =
                        self.events.change(listener, Source::Notification(AppIndex(at)), Interest::Read)
                {
                    self.log.own(&format!("wait for denied calls of {}: {error}", slot.id));
                }
            }
        }
    }

    fn answer_call(&mut self, app: AppIndex, call: Notification, now: Uptime) {
        let watched = self.image.info.development
            && Arch::of_audit_value(call.arch).is_some_and(|arch| is_watched(arch, call.number));
        let (told, answer, cost) = if watched {
            (self.judge_watched(app, &call), Answer::Continue, WATCHED)
        } else {
            let (refusal, errno) = denied(&call);
            (Some((Layer::Seccomp, refusal)), Answer::Error(errno), DENIED)
        };
        let Some(slot) = self.slots.get_mut(app.0) else { return };
        slot.notifications.spend(cost, now);
        let Some(listener) = slot.process.as_ref().and_then(|process| process.listener()) else { return };
        // Asked before the answer: with it the thread goes on, and its number may become another's.
        let valid = seccomp_notify::is_valid(listener, call.id);
        if let Err(error) = seccomp_notify::answer(listener, call.id, answer) {
            let text = nacre_diag::CauseChain(&error).to_string();
            return self.complain(app, &text);
        }
        if let Some((layer, refusal)) = told.filter(|_| valid) {
            self.deny(app, layer, refusal);
        }
    }

    fn judge_watched(&self, app: AppIndex, call: &Notification) -> Option<(Layer, Refusal)> {
        let installed = self.slots.get(app.0)?.installed.as_ref()?;
        Some((Layer::Landlock, watched_call::judge(&installed.access, call)?))
    }
}

/// A denied call in words, and the error that it gets.
fn denied(call: &Notification) -> (Refusal, i32) {
    let Some(arch) = Arch::of_audit_value(call.arch) else {
        // The filter kills these; nobody else could have sent one.
        let remedy = Remedy::never("it is made for another architecture");
        return (Refusal { tried: format!("system call {}", call.number), remedy }, UNKNOWN);
    };
    let attempt = Attempt { arch, number: call.number, arguments: call.arguments };
    let mut memory = None;
    let mut read = |address| memory.get_or_insert_with(|| Memory::of(call.thread)).text(address);
    let explanation = explain(&attempt, &mut read);
    let remedy = match explanation.why {
        Why::Lacks(grant) => {
            let (field, line) = line_of(grant);
            Remedy::manifest("", field, line)
        }
        Why::Never(reason) => Remedy::never(reason),
        Why::Unknown => Remedy::never("the kernel has no such call"),
    };
    let errno = explanation.why.errno();
    debug_assert!(errno == explain::DENIED || errno == UNKNOWN);
    (Refusal { tried: explanation.tried, remedy }, errno)
}

/// The line that gives a grant. Which machine, line or port is meant is not known when the call fails.
const fn line_of(grant: Grant) -> (&'static str, &'static str) {
    match grant {
        Grant::Network => ("network.connect", "tcp:HOST:PORT"),
        Grant::Gpio => ("devices.gpio", "LINE"),
        Grant::Uart => ("devices.uart", "PORT"),
        Grant::WritableExecutable => ("memory.writable-executable", "true"),
    }
}
