//! `PR_SET_SECUREBITS` (capabilities(7)): uid 0 and set-uid programs never give capabilities again.

use nix::errno::Errno;

/// `SECBIT_NOROOT`, `SECBIT_NO_SETUID_FIXUP`, `SECBIT_NO_CAP_AMBIENT_RAISE`, and a lock on each of them
/// and on `SECBIT_KEEP_CAPS` (linux/securebits.h).
const ALL_LOCKED: libc::c_ulong = 0b1110_1111;

/// The secure bits are as they were.
#[derive(Debug, thiserror::Error)]
#[error("lock the secure bits")]
pub struct LockSecureBitsError(#[source] Errno);

/// Sets every secure bit but `SECBIT_KEEP_CAPS` and locks all of them, that one cleared. Needs
/// `CAP_SETPCAP`, so it goes before the capabilities are dropped.
///
/// # Errors
///
/// [`LockSecureBitsError`] with `EPERM` without the capability or if they were locked otherwise before.
pub fn lock() -> Result<(), LockSecureBitsError> {
    // SAFETY: PR_SET_SECUREBITS takes a number and touches no memory of the process.
    let result = unsafe { libc::prctl(libc::PR_SET_SECUREBITS, ALL_LOCKED, 0, 0, 0) };
    Errno::result(result).map(drop).map_err(LockSecureBitsError)
}
