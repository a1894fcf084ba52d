//! `PR_SET_MDWE` (memory-deny-write-execute, prctl(2)): what could be written never becomes executable.

use nix::errno::Errno;

/// `PR_SET_MDWE` (linux/prctl.h), since Linux 6.3.
const SET: libc::c_int = 65;
/// `PR_MDWE_REFUSE_EXEC_GAIN`.
const REFUSE_EXEC_GAIN: libc::c_ulong = 1;

/// `PR_GET_MDWE`.
const GET: libc::c_int = 66;

/// Whether the kernel knows it.
pub fn can_deny_write_execute() -> bool {
    // SAFETY: PR_GET_MDWE takes numbers and touches no memory of the process.
    unsafe { libc::prctl(GET, 0, 0, 0, 0) >= 0 }
}

/// It could not be set.
#[derive(Debug, thiserror::Error)]
#[error("deny executable memory that was writable")]
pub struct DenyWriteExecuteError(#[source] Errno);

/// From now on, for good, in this process, its children and what they execute: no mapping is writable and
/// executable, and none becomes executable later.
///
/// # Errors
///
/// [`DenyWriteExecuteError`] with `EINVAL` if the kernel doesn't know it.
pub fn deny_write_execute() -> Result<(), DenyWriteExecuteError> {
    // SAFETY: PR_SET_MDWE takes numbers and touches no memory of the process.
    let result = unsafe { libc::prctl(SET, REFUSE_EXEC_GAIN, 0, 0, 0) };
    Errno::result(result).map(drop).map_err(DenyWriteExecuteError)
}
