//! `setgroups(2)`, `setresgid(2)` and `setresuid(2)` of the calling thread.
//!
//! The C library's functions change every thread of the process (nptl(7), "NPTL and signals"): for that musl blocks all
//! signals, takes its locks and lists the process's threads, and on ARM keeps numbers in floating-point registers
//! meanwhile, which turns the unit on for the process ([`crate::file`]). A process with one thread needs none of that.

use nix::errno::Errno;
use nix::unistd::{Gid, Uid};

#[cfg(not(target_arch = "arm"))]
use libc::{SYS_setgroups as SETGROUPS, SYS_setresgid as SETRESGID, SYS_setresuid as SETRESUID};
#[cfg(target_arch = "arm")]
use libc::{SYS_setgroups32 as SETGROUPS, SYS_setresgid32 as SETRESGID, SYS_setresuid32 as SETRESUID};

/// The calling thread is not who it was to become, and perhaps not who it was.
#[derive(Debug, thiserror::Error)]
#[error("{step}")]
pub struct BecomeUserError {
    step: &'static str,
    /// `EPERM` without `CAP_SETGID` or `CAP_SETUID`.
    #[source]
    pub cause: Errno,
}

/// Makes the calling thread, and no other, run as this uid and gid (real, effective and saved), with no supplementary
/// group. Groups go first: the right to change them goes with the uid.
///
/// # Errors
///
/// [`BecomeUserError`] names the call that failed.
pub fn become_user(uid: Uid, gid: Gid) -> Result<(), BecomeUserError> {
    let failed = |step| move |cause| BecomeUserError { step, cause };
    let (uid, gid) = (uid.as_raw(), gid.as_raw());
    // SAFETY: of an empty list the kernel reads nothing.
    let result = unsafe { libc::syscall(SETGROUPS, 0, std::ptr::null::<libc::gid_t>()) };
    Errno::result(result).map_err(failed("leave all groups"))?;
    // SAFETY: setresgid takes three numbers and touches no memory of the process.
    let result = unsafe { libc::syscall(SETRESGID, gid, gid, gid) };
    Errno::result(result).map_err(failed("change the gid"))?;
    // SAFETY: setresuid takes three numbers and touches no memory of the process.
    let result = unsafe { libc::syscall(SETRESUID, uid, uid, uid) };
    Errno::result(result).map(drop).map_err(failed("change the uid"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Only this thread changes, so this touches no other test.
    #[test]
    fn thread_becomes_another_user_alone_and_for_good() {
        let before = fs::read_to_string("/proc/self/status").unwrap();
        std::thread::spawn(|| {
            become_user(Uid::from_raw(20_001), Gid::from_raw(20_002))
                .expect("this test needs root (CAP_SETUID)");
            let status = fs::read_to_string("/proc/thread-self/status").unwrap();
            for (name, value) in [
                ("Uid:", "20001\t20001\t20001\t20001"),
                ("Gid:", "20002\t20002\t20002\t20002"),
                ("Groups:", ""),
            ] {
                let found = status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                assert_eq!(found, Some(value), "{name}");
            }
            let refused = become_user(Uid::from_raw(0), Gid::from_raw(0)).unwrap_err();
            assert_eq!((refused.to_string().as_str(), refused.cause), ("leave all groups", Errno::EPERM));
        })
        .join()
        .unwrap();
        let after = fs::read_to_string("/proc/self/status").unwrap();
        let of = |status: &str| -> Vec<String> {
            let kept = ["Uid:", "Gid:", "Groups:"];
            let lines = status.lines().filter(|line| kept.iter().any(|name| line.starts_with(name)));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(of(&before), of(&after));
    }
}
