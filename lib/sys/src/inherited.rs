//! Descriptors that a process finds open at its start, taken into ownership once.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;

/// Numbers taken so far, one bit each: a number has one owner.
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// Why an inherited descriptor was not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeInheritedError {
    /// Standard streams belong to std; numbers above 31 are not handed over in this system.
    #[error("take inherited descriptor {0}: only 3 to 31 can be taken")]
    OutOfRange(RawFd),
    /// It was taken before.
    #[error("take inherited descriptor {0}: it has an owner already")]
    Taken(RawFd),
    /// It is not open.
    #[error("take inherited descriptor {number}")]
    NotOpen {
        /// Which one.
        number: RawFd,
        /// The kernel's answer.
        #[source]
        cause: Errno,
    },
}

/// Takes ownership of descriptor `number` and sets close-on-exec, so that it goes no further than this
/// process. To be called at the start of `main`, before anything else opens a descriptor.
///
/// # Errors
///
/// [`TakeInheritedError`] if the number is not between 3 and 31, was taken before, or is not open.
pub fn take(number: RawFd) -> Result<OwnedFd, TakeInheritedError> {
    if !(3..32).contains(&number) {
        return Err(TakeInheritedError::OutOfRange(number));
    }
    if TAKEN.fetch_or(1 << number, Ordering::Relaxed) & (1 << number) != 0 {
        return Err(TakeInheritedError::Taken(number));
    }
    // SAFETY: F_SETFD has no precondition on the number; EBADF says that it is not open.
    let result = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    Errno::result(result).map_err(|cause| TakeInheritedError::NotOpen { number, cause })?;
    // SAFETY: it is open, as the call before has shown, and `TAKEN` gives each number out once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
