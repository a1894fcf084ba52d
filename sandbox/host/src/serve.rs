//! The loop of a run, from the start of the app to its end.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nacre_app_session::app_socket::Listener;
use nacre_app_session::{Memory, denied, gentle_end, judge};
use nacre_appmgr_core::lifecycle::{STOP_GRACE, TOLD_GRACE};
use nacre_sandbox::{LISTENER_PACKET, MAX_REPORT_BYTES};
use nacre_seccomp_policy::{Arch, is_watched};
use nacre_sys::event_loop::Interest;
use nacre_sys::seccomp_notify::{self, Answer, Notification, Received};
use nacre_sys::{fd_passing, pidfd};
use nacre_wire::denial::Layer;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use crate::output::{Passed, pass};
use crate::session::{Session, Source, Stopping};
use crate::words::{Exit, Failure};

/// Calls answered before anything else gets its turn.
const AT_ONCE: usize = 32;

impl Session {
    /// Serves the app to its end; its exit code as a shell has it.
    pub(crate) fn serve(mut self) -> Result<u8, Failure> {
        loop {
            let failed = |error| Failure::new(Exit::Internal, "wait for the app").because(error);
            for source in self.events.wait(self.wait_at_most()).map_err(failed)? {
                match source {
                    Source::Process => return self.end(),
                    Source::Report => self.read_report(),
                    Source::Call => self.answer_calls(),
                    Source::Output(number) => self.pass_output(number)?,
                    Source::Signal => self.take_signal(),
                    Source::Socket => self.accept(),
                    Source::Connection(number) => self.serve_connection(number),
                }
            }
            self.look_at_the_clock();
        }
    }

    fn wait_at_most(&self) -> Option<Duration> {
        let stop = match self.stopping {
            Stopping::Told(at) | Stopping::Signalled(at) => Some(at),
            Stopping::No => self.silent_at,
            Stopping::Killed => None,
        };
        stop.map(|at| at.saturating_duration_since(Instant::now()))
    }

    fn look_at_the_clock(&mut self) {
        let now = Instant::now();
        match self.stopping {
            Stopping::Told(at) if now >= at => self.terminate(),
            Stopping::Signalled(at) if now >= at => self.kill(),
            Stopping::No if self.silent_at.is_some_and(|at| now >= at) => {
                let silence = self.manifest.health.map_or(0, |health| health.heartbeat_ms / 1000);
                self.words.notice(&format!("no heartbeat for {silence}s: it is killed, as on a device"));
                self.kill();
            }
            _ => {}
        }
    }

    /// The launcher's copy hands the listener over, or says why there is no app.
    fn read_report(&mut self) {
        let Some(report) = &self.report else { return };
        let mut packet = [0; MAX_REPORT_BYTES];
        match fd_passing::receive(report, &mut packet) {
            Err(fd_passing::ReceiveError::Kernel(Errno::EAGAIN | Errno::EINTR)) => {}
            Ok(fd_passing::Received { length, mut fds }) if length > 0 => {
                let said = packet.get(..length).unwrap_or_default();
                match fds.pop() {
                    Some(listener) if said == LISTENER_PACKET && self.listener.is_none() => {
                        let added = self.events.add(&listener, Source::Call, Interest::Read);
                        self.listener = Some(listener);
                        if added.is_err() || self.open_socket().is_err() {
                            self.kill();
                        }
                    }
                    _ => self.reported = String::from_utf8_lossy(said).trim_end().to_owned(),
                }
            }
            Ok(_) | Err(_) => {
                self.events.remove(report);
                self.report = None;
            }
        }
    }

    /// The socket has its name now: whoever connects is heard.
    fn open_socket(&mut self) -> io::Result<()> {
        let Some(socket) = self.socket.take() else { return Ok(()) };
        let socket = Listener::of(socket)?;
        self.events.add(&socket, Source::Socket, Interest::Read)?;
        self.listening = Some(socket);
        Ok(())
    }

    fn answer_calls(&mut self) {
        for _ in 0..AT_ONCE {
            let Some(listener) = &self.listener else { return };
            match seccomp_notify::receive(listener) {
                Ok(Received::Call(call)) => self.answer_call(&call),
                Ok(Received::Nothing) => return,
                Ok(Received::Ended) => return self.events.remove(listener),
                Err(error) => {
                    self.words.notice(&format!("its denied calls can't be answered: {error}"));
                    return self.kill();
                }
            }
        }
    }

    fn answer_call(&mut self, call: &Notification) {
        // By the time that the app makes a call, the launcher's copy has let go.
        self.read_report();
        let Some(listener) = &self.listener else { return };
        let memory = Memory::of(call.thread);
        let watched = Arch::of_audit_value(call.arch).is_some_and(|arch| is_watched(arch, call.number));
        let (told, answer) = if watched {
            let refusal = if self.report.is_some() { None } else { judge(&self.access, call, &memory) };
            (refusal.map(|refusal| (Layer::Landlock, refusal)), Answer::Continue)
        } else {
            let (refusal, errno) = denied(call, &memory);
            (Some((Layer::Seccomp, refusal)), Answer::Error(errno))
        };
        // Asked before the answer: with it the thread goes on, and its number may become another's.
        let told = told.filter(|_| seccomp_notify::is_valid(listener, call.id));
        if let Err(error) = seccomp_notify::answer(listener, call.id, answer) {
            self.words.notice(&format!("its denied calls can't be answered: {error}"));
            return self.kill();
        }
        if let Some((layer, refusal)) = told {
            self.deny(layer, refusal);
        }
    }

    pub(crate) fn pass_output(&mut self, number: usize) -> Result<(), Failure> {
        let Some(place) = self.outputs.get_mut(number) else { return Ok(()) };
        let Some(pipe) = place else { return Ok(()) };
        let passed = match number {
            0 => pass(pipe, &mut io::stdout().lock()),
            _ => pass(pipe, &mut io::stderr().lock()),
        };
        let passed = passed
            .map_err(|error| Failure::new(Exit::Internal, "pass the app's output on").because(error))?;
        if passed == Passed::Ended {
            self.events.remove(pipe.as_fd());
            *place = None;
        }
        Ok(())
    }

    /// The first one asks the app to end as a device would; the next one ends it.
    fn take_signal(&mut self) {
        let Ok(Some(info)) = self.signals.read_signal() else { return };
        let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
        if self.stopping != Stopping::No {
            return self.kill();
        }
        self.ended_as = signal;
        if self.announce_stop() {
            self.stopping = Stopping::Told(Instant::now() + TOLD_GRACE);
        } else {
            self.terminate();
        }
    }

    fn terminate(&mut self) {
        self.stopping = Stopping::Signalled(Instant::now() + STOP_GRACE);
        let _ = pidfd::send_signal(&self.process.pidfd, gentle_end(self.process.pid.as_raw()));
    }

    pub(crate) fn kill(&mut self) {
        self.stopping = Stopping::Killed;
        let _ = pidfd::send_signal(&self.process.pidfd, Signal::SIGKILL);
    }

    /// The process has ended, and all others of its namespace with it.
    fn end(mut self) -> Result<u8, Failure> {
        for number in 0..self.outputs.len() {
            self.pass_output(number)?;
        }
        let status = waitid(Id::PIDFd(self.process.pidfd.as_fd()), WaitPidFlag::WEXITED);
        self.read_report();
        if !self.reported.is_empty() {
            let failure = Failure::new(Exit::Internal, format!("can't start {}", self.manifest.app));
            let failure = failure.because(&self.reported);
            return Err(match hint(&self.reported) {
                Some(hint) => failure.hint(hint),
                None => failure,
            });
        }
        let by_signal = |signal: Signal| u8::try_from(128 + signal as i32).unwrap_or(u8::MAX);
        match (status, self.ended_as) {
            // What ended it was somebody's wish here, whatever it took.
            (Ok(WaitStatus::Signaled(..)), Some(signal)) => Ok(by_signal(signal)),
            (Ok(WaitStatus::Exited(_, code)), _) => Ok(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
            (Ok(WaitStatus::Signaled(_, signal, _)), None) => {
                self.words.notice(&format!("{} was ended by {signal}", self.manifest.app));
                Ok(by_signal(signal))
            }
            _ => Err(Failure::new(Exit::Internal, "learn how the app ended")),
        }
    }
}

/// What may help against a step that failed.
fn hint(report: &str) -> Option<&'static str> {
    let denied = report.contains("EPERM") || report.contains("EACCES");
    let namespace = ["map uid", "unshare", "make mounts private", "mount tmpfs"];
    if denied && namespace.iter().any(|step| report.starts_with(step)) {
        return Some(
            "this system lets users have no user namespace of full use (AppArmor or a container may say so); \
             run it as root",
        );
    }
    (report.starts_with("mount proc") && denied)
        .then_some("what lies over /proc here, as in many containers, forbids a new one; run it as root")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hint_is_given_where_it_helps() {
        assert!(hint("mount tmpfs of 1 bytes for uid 1000 on /x nosuid: EACCES: x").is_some());
        assert!(hint("mount proc on proc nosuid: EPERM: Operation not permitted").is_some());
        assert!(hint("execute /app/bin/x: ENOENT: No such file or directory").is_none());
    }
}
