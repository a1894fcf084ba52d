//! `close_range(2)`: close every descriptor of a range.

use std::os::fd::RawFd;

use nix::errno::Errno;

/// Descriptors that were meant to be closed are still open.
#[derive(Debug, thiserror::Error)]
#[error("close the descriptors from {first} to {last}")]
pub struct CloseRangeError {
    first: u32,
    last: u32,
    #[source]
    cause: Errno,
}

/// Marks every open descriptor from `first` to `last`, both included, to be closed by the next
/// `execve` (`CLOSE_RANGE_CLOEXEC`). None is closed now, so no owned descriptor becomes invalid.
///
/// `None` as `last` means all that follow.
///
/// # Errors
///
/// [`CloseRangeError`] if `first` is negative or greater than `last` (`EINVAL`), or if the kernel lacks
/// the call (it came with Linux 5.9, the flag with 5.11).
pub fn close_on_exec(first: RawFd, last: Option<RawFd>) -> Result<(), CloseRangeError> {
    let number = |fd: RawFd| u32::try_from(fd).unwrap_or(u32::MAX);
    let (first, last) = (number(first), last.map_or(u32::MAX, number));
    // SAFETY: the kernel takes any two numbers; with CLOEXEC no descriptor changes its meaning now.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC) };
    Errno::result(result).map(drop).map_err(|cause| CloseRangeError { first, last, cause })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn descriptor_in_range_gets_close_on_exec() {
        let file = File::open("/dev/null").unwrap();
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        close_on_exec(file.as_raw_fd(), Some(file.as_raw_fd())).unwrap();
        assert_eq!(fcntl(&file, FcntlArg::F_GETFD).unwrap(), FdFlag::FD_CLOEXEC.bits());
    }

    #[test]
    fn range_that_runs_backwards_is_refused() {
        let refused = close_on_exec(9, Some(3)).unwrap_err();
        assert_eq!(refused.cause, Errno::EINVAL);
        assert_eq!(refused.to_string(), "close the descriptors from 9 to 3");
    }
}
