//! `NETLINK_EXT_ACK` and `NETLINK_CAP_ACK` (netlink(7)): short answers that say in words what was wrong.

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

/// The kernel's answers stay as they were.
#[derive(Debug, thiserror::Error)]
#[error("ask for netlink answers in words")]
pub struct SetAnswersError(#[source] Errno);

/// Lets the kernel add words to its answers on a netlink socket, and leave the request out of them: an answer
/// is then a few hundred bytes at most, however long the request was.
///
/// # Errors
///
/// [`SetAnswersError`] if the descriptor is no netlink socket.
pub fn set_answers(socket: impl AsFd) -> Result<(), SetAnswersError> {
    for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
        let on: libc::c_int = 1;
        let length = libc::socklen_t::try_from(size_of_val(&on)).unwrap_or_default();
        // SAFETY: both options take an int; the kernel reads `length` bytes from `on`, which outlives the call.
        let result = unsafe {
            libc::setsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_NETLINK,
                option,
                (&raw const on).cast(),
                length,
            )
        };
        Errno::result(result).map_err(SetAnswersError)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

    use super::*;

    #[test]
    fn netlink_socket_takes_the_options_and_another_one_does_not() {
        let route =
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute);
        set_answers(route.unwrap()).unwrap();
        let unix = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None);
        assert!(set_answers(unix.unwrap()).is_err());
    }
}
