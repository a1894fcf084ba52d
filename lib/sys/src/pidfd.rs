//! `pidfd_send_signal(2)`: a signal to a process that cannot be mistaken for another.

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::signal::Signal;

/// The signal was not sent.
#[derive(Debug, thiserror::Error)]
#[error("send {signal} to a process")]
pub struct SendSignalError {
    signal: Signal,
    /// The kernel's answer: `ESRCH` if the process is gone and was waited for.
    #[source]
    pub cause: Errno,
}

/// Sends `signal` to the process of `pidfd`. The first process of a PID namespace ignores what it has
/// no handler for, but SIGKILL and SIGSTOP from outside always arrive (pid_namespaces(7)).
///
/// # Errors
///
/// [`SendSignalError`] with `ESRCH` if the process is gone, `EPERM` without the right to signal it.
pub fn send_signal(pidfd: impl AsFd, signal: Signal) -> Result<(), SendSignalError> {
    let fd = pidfd.as_fd().as_raw_fd();
    let number = signal as libc::c_int;
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null `info` is allowed and means what kill(2) would send; `fd` is open while borrowed.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, no_info, 0) };
    Errno::result(result).map(drop).map_err(|cause| SendSignalError { signal, cause })
}
