//! `capset(2)` and `prctl(2)`: keep some capabilities, and none beside them (capabilities(7)).

use nix::errno::Errno;

/// Use the reserved ports below 1024 (`CAP_NET_BIND_SERVICE`).
pub const NET_BIND_SERVICE: u32 = 10;

/// Set links, addresses, routes and the packet filter (`CAP_NET_ADMIN`).
pub const NET_ADMIN: u32 = 12;

/// More than any kernel has: the sets have 64 bits.
const NUMBERS: u32 = 64;

/// `_LINUX_CAPABILITY_VERSION_3`: sets of 64 bits, in two halves.
const VERSION: u32 = 0x2008_0522;

/// Why there are more capabilities than wanted.
#[derive(Debug, thiserror::Error)]
pub enum KeepCapabilitiesError {
    /// `EPERM` without `CAP_SETPCAP`.
    #[error("drop capability {0} from the bounding set")]
    Bounding(u32, #[source] Errno),
    /// The ambient set is as it was.
    #[error("clear the ambient capabilities")]
    Ambient(#[source] Errno),
    /// `EPERM` if one to keep is not there.
    #[error("set the capabilities")]
    Set(#[source] Errno),
}

/// `struct __user_cap_header_struct`.
#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

/// `struct __user_cap_data_struct`.
#[repr(C)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Drops every capability but those of `kept` from the bounding set, also those that came after this program was
/// written: no program that is executed from now on can have another. Needs `CAP_SETPCAP`, so it goes before
/// [`keep`].
///
/// # Errors
///
/// [`KeepCapabilitiesError::Bounding`] with the number of the capability.
pub fn keep_bounding(kept: &[u32]) -> Result<(), KeepCapabilitiesError> {
    for number in (0..NUMBERS).filter(|number| !kept.contains(number)) {
        // SAFETY: PR_CAPBSET_DROP takes a number and touches no memory of the process.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) };
        match Errno::result(result) {
            Ok(_) => {}
            // The kernel has no more.
            Err(Errno::EINVAL) => break,
            Err(cause) => return Err(KeepCapabilitiesError::Bounding(number, cause)),
        }
    }
    Ok(())
}

/// Makes `kept` the calling thread's effective and permitted capabilities; inheritable and ambient ones are none.
///
/// # Errors
///
/// [`KeepCapabilitiesError::Set`] if one of them is not permitted before.
pub fn keep(kept: &[u32]) -> Result<(), KeepCapabilitiesError> {
    let clear = libc::c_ulong::try_from(libc::PR_CAP_AMBIENT_CLEAR_ALL).unwrap_or_default();
    // SAFETY: PR_CAP_AMBIENT takes numbers and touches no memory of the process.
    let result = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, clear, 0, 0, 0) };
    Errno::result(result).map_err(KeepCapabilitiesError::Ambient)?;
    let half = |first: u32| {
        let bits = kept.iter().filter_map(|number| number.checked_sub(first)).filter(|bit| *bit < 32);
        let bits = bits.fold(0, |set, bit| set | 1 << bit);
        Half { effective: bits, permitted: bits, inheritable: 0 }
    };
    let header = Header { version: VERSION, pid: 0 };
    let halves = [half(0), half(32)];
    // SAFETY: this version reads a header and two halves; both live for the whole call, and pid 0 is the caller.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, halves.as_ptr()) };
    Errno::result(result).map(drop).map_err(KeepCapabilitiesError::Set)
}

/// Whether the calling thread has a capability in any of its five sets, of all that the kernel knows. The ambient set
/// is not asked about: it has none that isn't both permitted and inheritable (capabilities(7), "Thread capability sets").
///
/// # Errors
///
/// None of the calls can fail for the caller itself; what the kernel answered otherwise.
pub fn any_left() -> Result<bool, Errno> {
    let header = Header { version: VERSION, pid: 0 };
    let mut halves = [const { Half { effective: 0, permitted: 0, inheritable: 0 } }; 2];
    // SAFETY: this version writes two halves, which live for the whole call; pid 0 is the caller.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw const header, halves.as_mut_ptr()) };
    Errno::result(result)?;
    if halves.iter().any(|half| half.effective | half.permitted | half.inheritable != 0) {
        return Ok(true);
    }
    for number in (0..NUMBERS).map(libc::c_ulong::from) {
        // SAFETY: PR_CAPBSET_READ takes a number and touches no memory of the process.
        match Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_READ, number, 0, 0, 0) }) {
            Ok(0) => {}
            Ok(_) => return Ok(true),
            // The kernel has no more.
            Err(Errno::EINVAL) => break,
            Err(cause) => return Err(cause),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn thread_that_keeps_none_has_none_left_in_any_set() {
        std::thread::spawn(|| {
            assert_eq!(any_left(), Ok(true), "this test needs root (CAP_SETPCAP)");
            keep_bounding(&[]).unwrap();
            assert_eq!(any_left(), Ok(true));
            keep(&[]).unwrap();
            assert_eq!(any_left(), Ok(false));
        })
        .join()
        .unwrap();
        std::thread::spawn(|| {
            // Only the bounding set is not empty.
            keep(&[]).unwrap();
            assert_eq!(any_left(), Ok(true));
        })
        .join()
        .unwrap();
    }

    /// Capabilities are a thread's own, so this touches no other test.
    #[test]
    fn thread_keeps_what_it_names_and_cannot_get_back_the_rest() {
        std::thread::spawn(|| {
            keep_bounding(&[NET_ADMIN, NET_BIND_SERVICE]).expect("this test needs root (CAP_SETPCAP)");
            keep(&[NET_ADMIN, NET_BIND_SERVICE]).unwrap();
            let status = fs::read_to_string("/proc/thread-self/status").unwrap();
            for line in [
                "CapInh:\t0000000000000000",
                "CapPrm:\t0000000000001400",
                "CapEff:\t0000000000001400",
                "CapBnd:\t0000000000001400",
                "CapAmb:\t0000000000000000",
            ] {
                assert!(status.lines().any(|found| found == line), "{line}\n{status}");
            }
            assert!(matches!(keep(&[NET_ADMIN, 21]), Err(KeepCapabilitiesError::Set(Errno::EPERM))));
            assert_eq!(any_left(), Ok(true));
            let refused = keep_bounding(&[]).unwrap_err();
            assert!(matches!(refused, KeepCapabilitiesError::Bounding(0, Errno::EPERM)), "{refused}");
        })
        .join()
        .unwrap();
    }
}
