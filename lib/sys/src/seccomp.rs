//! `seccomp(2)`: install a filter.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

/// One instruction of a filter as the kernel reads it: `struct sock_filter`, 8 bytes, little-endian.
pub type Instruction = [u8; size_of::<libc::sock_filter>()];

/// Why a filter was not installed.
#[derive(Debug, thiserror::Error)]
pub enum LoadFilterError {
    /// The kernel takes 1 to 4096 instructions (`BPF_MAXINSNS`); none at all would allow everything.
    #[error("load the seccomp filter: {0} instructions instead of 1 to 4096")]
    Length(usize),
    /// `EACCES` without `no_new_privs`, `EINVAL` if it is no valid program.
    #[error("load the seccomp filter")]
    Kernel(#[source] Errno),
}

/// Installs `filter` for the calling thread, for good, and gives the listener that is told of calls for which it
/// says `SECCOMP_RET_USER_NOTIF` ([`crate::seccomp_notify`]). Without a listener the kernel answers those with
/// `ENOSYS`. The listener is close-on-exec.
///
/// # Errors
///
/// As [`load`]; also `EBUSY` if the thread has a filter with a listener.
pub fn load_with_listener(filter: &[Instruction]) -> Result<OwnedFd, LoadFilterError> {
    let fd = install(filter, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER)?;
    // SAFETY: with this flag the kernel's answer is a descriptor that it has just opened for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Installs `filter` for the calling thread, for good; what it denies from now on stays denied in all
/// children and after `execve`. `no_new_privs` must be set.
///
/// It is the last step before `execve` because the filter denies most of what the other steps need.
///
/// # Errors
///
/// [`LoadFilterError`] if the filter is empty or too long, or if the kernel refuses it.
pub fn load(filter: &[Instruction]) -> Result<(), LoadFilterError> {
    install(filter, 0).map(drop)
}

fn install(filter: &[Instruction], flags: libc::c_ulong) -> Result<RawFd, LoadFilterError> {
    let length = match u16::try_from(filter.len()) {
        Ok(length @ 1..=4096) => length,
        _ => return Err(LoadFilterError::Length(filter.len())),
    };
    let program =
        libc::sock_fprog { len: length, filter: filter.as_ptr().cast::<libc::sock_filter>().cast_mut() };
    // SAFETY: the kernel copies `len` instructions of 8 bytes from `filter`, at any alignment, and checks
    // the program; both live for the whole call, and it writes to neither.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    let result = Errno::result(result).map_err(LoadFilterError::Kernel)?;
    // 0 or a descriptor.
    RawFd::try_from(result).map_err(|_| LoadFilterError::Kernel(Errno::EBADF))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_without_instructions_is_refused() {
        assert!(matches!(load(&[]), Err(LoadFilterError::Length(0))));
        assert!(matches!(load(&[[0; 8]; 4097]), Err(LoadFilterError::Length(4097))));
    }
}
