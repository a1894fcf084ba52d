//! A launched app: its process, its pipes, and how it ended.

use std::os::fd::{AsFd, OwnedFd};

use nacre_app_session::gentle_end;
use nacre_appmgr_core::end::End;
use nacre_appmgr_core::log_line::printable;
use nacre_sandbox::{LISTENER_PACKET, MAX_REPORT_BYTES};
use nacre_sys::fd_passing::{self, ReceiveError, Received};
use nacre_sys::pidfd;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use crate::launch::Launched;
use crate::log_capture::Capture;

/// One run of an app.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pidfd: OwnedFd,
    /// Standard output and standard error, while open.
    pub(crate) output: [Option<Capture>; 2],
    report: Option<OwnedFd>,
    reported: Vec<u8>,
    /// Tells of calls that the filter denies, from before the app runs to the end of all its processes.
    listener: Option<OwnedFd>,
    oom_kills_before: u64,
    /// SIGTERM was carried out for it.
    terminated: bool,
}

/// What the launcher's socket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handover {
    /// It is still at work.
    Pending,
    /// It handed over the listener of its filter, and goes on.
    Listening,
    /// It executed the app.
    Done,
    /// It told why not, and ends.
    Failed,
}

impl Process {
    /// Takes over a launch. `oom_kills` is the group's count so far.
    pub(crate) fn new(launched: Launched, oom_kills: u64) -> Self {
        Self {
            pid: launched.pid,
            pidfd: launched.pidfd,
            output: [launched.stdout, launched.stderr].map(|pipe| Some(Capture::new(pipe))),
            report: Some(launched.report),
            reported: Vec::new(),
            listener: None,
            oom_kills_before: oom_kills,
            terminated: false,
        }
    }

    /// Readable when the process has ended.
    pub(crate) fn pidfd(&self) -> &OwnedFd {
        &self.pidfd
    }

    /// Readable when the launcher has something to say, or has handed over.
    pub(crate) fn report(&self) -> Option<&OwnedFd> {
        self.report.as_ref()
    }

    /// Readable when a call waits that the filter denied.
    pub(crate) fn listener(&self) -> Option<&OwnedFd> {
        self.listener.as_ref()
    }

    /// Sends SIGTERM. The first process of a PID namespace gets no signal that it has no handler for
    /// (`pid_namespaces(7)`), so an app without one would only wait for its end: for it, the signal's default
    /// is carried out here. That the process is gone already is no error.
    pub(crate) fn terminate(&mut self) {
        let signal = gentle_end(self.pid);
        self.terminated = signal == Signal::SIGKILL;
        let _ = pidfd::send_signal(&self.pidfd, signal);
    }

    /// Reads what the launcher says; at its end the socket is closed.
    pub(crate) fn hand_over(&mut self) -> Handover {
        let Some(socket) = &self.report else { return Handover::Pending };
        let mut packet = [0; MAX_REPORT_BYTES];
        match fd_passing::receive(socket, &mut packet) {
            // Reset: it ended before it read its description.
            Ok(Received { length: 0, .. }) | Err(ReceiveError::Kernel(Errno::ECONNRESET)) => {
                self.report = None;
                if self.reported.is_empty() { Handover::Done } else { Handover::Failed }
            }
            Ok(Received { length, mut fds }) => {
                let said = packet.get(..length).unwrap_or_default();
                match fds.pop() {
                    Some(listener) if said == LISTENER_PACKET && self.listener.is_none() => {
                        self.listener = Some(listener);
                        Handover::Listening
                    }
                    _ => {
                        self.reported = said.to_vec();
                        Handover::Pending
                    }
                }
            }
            Err(ReceiveError::Kernel(Errno::EAGAIN | Errno::EINTR)) => Handover::Pending,
            Err(error) => {
                self.report = None;
                self.reported = error.to_string().into_bytes();
                Handover::Failed
            }
        }
    }

    /// How it ended, once it has. `oom_kills` is the group's count now.
    pub(crate) fn end(&mut self, oom_kills: impl Fn() -> u64) -> Option<End> {
        let end = end_of(&self.pidfd)?;
        // The rest of a report that came with the end: at most a listener, its text and its end.
        for _ in 0..3 {
            self.hand_over();
        }
        if !self.reported.is_empty() {
            let text = printable(self.reported.trim_ascii());
            return Some(End::NotStarted(text));
        }
        if end != End::Signalled(Signal::SIGKILL as i32) {
            return Some(end);
        }
        if oom_kills() > self.oom_kills_before {
            return Some(End::OutOfMemory);
        }
        Some(if self.terminated { End::Signalled(Signal::SIGTERM as i32) } else { end })
    }
}

/// How a child process ended, once it has.
pub(crate) fn end_of(pidfd: &OwnedFd) -> Option<End> {
    match waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
        Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => None,
        Ok(WaitStatus::Exited(_, code)) => Some(End::Exited(code)),
        Ok(WaitStatus::Signaled(_, signal, _)) => Some(End::Signalled(signal as i32)),
        // The process is gone and its status is lost: nothing better is known.
        Ok(_) | Err(_) => Some(End::Signalled(0)),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use nacre_sys::spawn::{PidNamespace, SpawnRequest, spawn};
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    use super::*;

    /// A process that runs a shell script, with a report that says what it is given.
    fn process(script: &std::ffi::CStr, report: &str) -> Process {
        let argv = [c"/bin/sh", c"-c", script];
        let request = SpawnRequest {
            program: argv[0],
            argv: &argv,
            env: &[],
            fds: &[],
            pid_namespace: PidNamespace::Inherited,
            cgroup: None,
        };
        let child = spawn(&request).unwrap();
        let (reader, writer) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        if !report.is_empty() {
            fd_passing::send(&writer, report.as_bytes(), &[]).unwrap();
        }
        let empty = || io::pipe().unwrap().0;
        let (pid, pidfd) = (child.pid.as_raw(), child.pidfd);
        Process::new(Launched { pid, pidfd, stdout: empty(), stderr: empty(), report: reader }, 3)
    }

    fn wait(process: &mut Process, oom_kills: u64) -> End {
        loop {
            if let Some(end) = process.end(|| oom_kills) {
                return end;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    #[test]
    fn process_ends_are_told_apart() {
        for (script, report, oom_kills, end) in [
            (c"exit 7", "", 3, End::Exited(7)),
            (c"kill -SEGV $$", "", 3, End::Signalled(11)),
            (c"kill -KILL $$", "", 3, End::Signalled(9)),
            (c"kill -KILL $$", "", 5, End::OutOfMemory),
            (c"exit 3", "", 5, End::Exited(3)),
            (c"exit 1", "mount /tmp: EPERM\n", 3, End::NotStarted("mount /tmp: EPERM".into())),
        ] {
            assert_eq!(wait(&mut process(script, report), oom_kills), end, "{script:?}");
        }
    }

    #[test]
    fn process_hand_over_is_seen_when_the_pipe_closes() {
        let mut running = process(c"sleep 60", "");
        assert_eq!(running.end(|| 0), None);
        assert_eq!(running.hand_over(), Handover::Done);
        assert!(running.report().is_none());
        running.terminate();
        assert_eq!(wait(&mut running, 0), End::Signalled(15));
        let mut failed = process(c"exit 1", "no");
        assert_eq!((failed.hand_over(), failed.hand_over()), (Handover::Pending, Handover::Failed));
    }
}
