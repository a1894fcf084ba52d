//! `pidfd_send_signal(2)`, `pidfd_open(2)`, `pidfd_getfd(2)`: a process that cannot be mistaken for another.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

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

/// A descriptor of another process was not borrowed.
#[derive(Debug, thiserror::Error)]
#[error("look at a descriptor of another process")]
pub struct BorrowFdError(
    /// `ESRCH` if the thread is gone, `EBADF` if it has no such descriptor, `EPERM` without the right to trace it.
    #[source]
    pub Errno,
);

/// `PIDFD_THREAD` (linux/pidfd.h, Linux 6.9): a thread, also one that is not the first of its process.
const PIDFD_THREAD: libc::c_uint = 0o200;

/// A duplicate of descriptor `number` of a thread, close-on-exec. It is the same open file: to be looked at, not
/// to be used.
///
/// # Errors
///
/// [`BorrowFdError`] if there is no such thread or descriptor, or it must not be traced.
pub fn borrow_fd(thread: u32, number: i32) -> Result<OwnedFd, BorrowFdError> {
    // SAFETY: pidfd_open takes any number; a wrong one is an error.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, thread, PIDFD_THREAD) };
    let pidfd = owned(pidfd)?;
    // SAFETY: pidfd_getfd takes any numbers; `pidfd` is open for the whole call.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) };
    owned(fd)
}

/// The descriptor that a call has just opened.
fn owned(result: libc::c_long) -> Result<OwnedFd, BorrowFdError> {
    let fd = Errno::result(result).map_err(BorrowFdError)?;
    let fd = i32::try_from(fd).map_err(|_| BorrowFdError(Errno::EBADF))?;
    // SAFETY: the kernel has just opened it for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write, pipe};

    use super::*;

    #[test]
    fn descriptor_of_a_thread_is_the_same_file_and_a_missing_one_is_an_error() {
        let (mut reader, writer) = pipe().unwrap();
        // This test runs in a thread that is not its process's first.
        let thread = nix::unistd::gettid().as_raw().cast_unsigned();
        let number = writer.as_raw_fd();
        let mut same = std::fs::File::from(borrow_fd(thread, number).unwrap());
        same.write_all(b"x").unwrap();
        drop((same, writer));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
        assert_eq!(borrow_fd(thread, 1 << 20).unwrap_err().0, Errno::EBADF);
        assert_eq!(borrow_fd(1 << 29, 0).unwrap_err().0, Errno::ESRCH);
    }
}
