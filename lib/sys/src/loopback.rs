//! `SIOCSIFFLAGS` (netdevice(7)): bring the loopback interface up.

// glibc's ioctl takes the request as an unsigned long, musl's as an int: the kernel looks at 32 bits.
#![allow(clippy::cast_possible_wrap)]

use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// The loopback interface of this network namespace is still down.
#[derive(Debug, thiserror::Error)]
#[error("bring the loopback interface up")]
pub struct BringUpError(#[source] Errno);

/// Brings up `lo` of the caller's network namespace. A new namespace has it down, and then not even a
/// process's own 127.0.0.1 answers.
///
/// # Errors
///
/// [`BringUpError`] without `CAP_NET_ADMIN` over the namespace, or in a kernel without IPv4.
pub fn bring_up() -> Result<(), BringUpError> {
    let control = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .map_err(BringUpError)?;
    let mut name = [0; libc::IFNAMSIZ];
    for (to, from) in name.iter_mut().zip(*b"lo") {
        *to = libc::c_char::try_from(from).unwrap_or_default();
    }
    let flags = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or_default();
    let request =
        libc::ifreq { ifr_name: name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: flags } };
    // SAFETY: SIOCSIFFLAGS reads one `struct ifreq` with a terminated name; `request` is one and outlives
    // the call.
    let result =
        unsafe { libc::ioctl(control.as_raw_fd(), libc::SIOCSIFFLAGS as libc::Ioctl, &raw const request) };
    Errno::result(result).map(drop).map_err(BringUpError)
}
