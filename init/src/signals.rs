//! What wakes PID 1: a child's end, a request, or the time.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Why signals can't be received.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignalsError {
    #[error("block signals")]
    Block(#[source] Errno),
    #[error("make a signalfd")]
    Descriptor(#[source] Errno),
}

/// Signals as a descriptor (signalfd(2)), so that they arrive between steps and never within one.
pub(crate) struct Signals(SignalFd);

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// SIGTERM, or SIGINT from the console.
    Reboot,
    /// SIGUSR1.
    PowerOff,
    /// SIGCHLD.
    Child,
    /// The time is up.
    Time,
}

impl Signals {
    /// Blocks the four signals that PID 1 answers to and opens a descriptor for them.
    pub(crate) fn block() -> Result<Self, SignalsError> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1] {
            set.add(signal);
        }
        set.thread_block().map_err(SignalsError::Block)?;
        SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map(Self)
            .map_err(SignalsError::Descriptor)
    }

    /// Waits for a signal, at most `limit` if there is one.
    pub(crate) fn wait(&self, limit: Option<Duration>) -> Wake {
        let timeout = match limit {
            None => PollTimeout::NONE,
            Some(limit) => PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX),
        };
        let mut descriptors = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        // EINTR and an empty read both count as time: the caller looks at the clock anyway.
        let _ = poll(&mut descriptors, timeout);
        let Ok(Some(info)) = self.0.read_signal() else { return Wake::Time };
        match i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok()) {
            Some(Signal::SIGCHLD) => Wake::Child,
            Some(Signal::SIGTERM | Signal::SIGINT) => Wake::Reboot,
            Some(Signal::SIGUSR1) => Wake::PowerOff,
            _ => Wake::Time,
        }
    }
}

/// Reaps every child that has ended: pid and how, in words.
pub(crate) fn reap() -> Vec<(u32, String)> {
    let mut gone = Vec::new();
    loop {
        let (pid, how) = match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => (pid, format!("exited with code {code}")),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, format!("was ended by {signal}")),
            Ok(WaitStatus::StillAlive) | Err(_) => return gone,
            Ok(_) => continue,
        };
        if let Ok(pid) = u32::try_from(pid.as_raw()) {
            gone.push((pid, how));
        }
    }
}
