//! `unshare(2)` and `setns(2)` with `CLONE_NEWNET`: a network namespace that somebody else will use.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use nix::sys::stat::Mode;

use crate::loopback::{self, BringUpError};
use crate::sysctl::Settings;

/// The calling thread's own namespace. `/proc/self` would be that of the process's first thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace, held by descriptors. It is there for as long as one of them is, or a process in it.
#[derive(Debug)]
pub struct NetworkNamespace {
    /// The namespace itself, for `setns(2)`.
    pub namespace: OwnedFd,
    /// A `NETLINK_ROUTE` socket that was opened inside (rtnetlink(7)): who has it can set interfaces up there
    /// without going in, which would take `CAP_SYS_ADMIN`.
    pub routes: OwnedFd,
}

/// There is no new namespace.
#[derive(Debug, thiserror::Error)]
pub enum MakeNamespaceError {
    /// The way back is taken first.
    #[error("hold the own network namespace")]
    Hold(#[source] Errno),
    /// `EPERM` without `CAP_SYS_ADMIN`, `EINVAL` in a kernel without them.
    #[error("make a network namespace")]
    Unshare(#[source] Errno),
    /// Something inside it.
    #[error("open the new network namespace")]
    Open(#[source] Errno),
    /// Its socket.
    #[error("open a netlink socket in the new network namespace")]
    Netlink(#[source] Errno),
    /// A kernel setting.
    #[error("open /proc/sys")]
    Settings(#[source] Errno),
    /// The same.
    #[error("set {name} in the new network namespace")]
    Setting {
        /// Its name.
        name: String,
        /// The kernel's answer.
        #[source]
        cause: Errno,
    },
    /// The loopback interface.
    #[error(transparent)]
    Loopback(#[from] BringUpError),
    /// The calling thread is in the new namespace and cannot leave it: everything that it opens and starts from
    /// now on is in the wrong one. The process has to end.
    #[error("go back to the own network namespace")]
    Return(#[source] Errno),
}

/// Makes a namespace with its loopback interface up and with these settings (name below `/proc/sys`, value), and
/// nothing else in it. The calling thread goes in for a moment and is back at the end.
///
/// # Errors
///
/// [`MakeNamespaceError`]. After [`MakeNamespaceError::Return`] the process must end; after any other error the
/// thread is where it was.
pub fn make(settings: &[(&str, &str)]) -> Result<NetworkNamespace, MakeNamespaceError> {
    let own = open_own().map_err(MakeNamespaceError::Hold)?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(MakeNamespaceError::Unshare)?;
    let made = furnish(settings);
    setns(&own, CloneFlags::CLONE_NEWNET).map_err(MakeNamespaceError::Return)?;
    made
}

fn open_own() -> nix::Result<OwnedFd> {
    open(OWN, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
}

/// What is done inside.
fn furnish(settings: &[(&str, &str)]) -> Result<NetworkNamespace, MakeNamespaceError> {
    let namespace = open_own().map_err(MakeNamespaceError::Open)?;
    let routes = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        Some(SockProtocol::NetlinkRoute),
    )
    .map_err(MakeNamespaceError::Netlink)?;
    let kernel = Settings::open().map_err(MakeNamespaceError::Settings)?;
    for (name, value) in settings {
        kernel
            .set(name, value)
            .map_err(|cause| MakeNamespaceError::Setting { name: (*name).into(), cause })?;
    }
    loopback::bring_up()?;
    Ok(NetworkNamespace { namespace, routes })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{TcpListener, UdpSocket};
    use std::os::fd::AsFd;

    use nix::sys::stat::fstat;

    use super::*;

    /// Runs `body` in a thread that has gone into the namespace.
    fn inside<T: Send>(namespace: &NetworkNamespace, body: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let work = || {
                setns(&namespace.namespace, CloneFlags::CLONE_NEWNET).unwrap();
                body()
            };
            scope.spawn(work).join().unwrap()
        })
    }

    fn identity(fd: impl AsFd) -> u64 {
        fstat(fd).unwrap().st_ino
    }

    fn made(settings: &[(&str, &str)]) -> NetworkNamespace {
        make(settings).expect("a network namespace; this test needs root (CAP_SYS_ADMIN)")
    }

    #[test]
    fn namespace_made_is_another_one_with_loopback_and_nothing_else() {
        let before = identity(open_own().unwrap());
        let namespace = made(&[]);
        assert_eq!(identity(open_own().unwrap()), before, "the thread is back");
        assert_ne!(identity(&namespace.namespace), before);
        inside(&namespace, || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let outside = UdpSocket::bind("0.0.0.0:0").unwrap().connect("192.0.2.1:9").unwrap_err();
            assert_eq!(outside.raw_os_error(), Some(libc::ENETUNREACH));
            let text = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
            let interfaces: Vec<&str> =
                text.lines().skip(2).filter_map(|line| line.split(':').next()).collect();
            assert!(interfaces.iter().any(|name| name.trim() == "lo"), "{interfaces:?}");
            assert!(!interfaces.iter().any(|name| name.trim() == "eth0"), "{interfaces:?}");
        });
    }

    #[test]
    fn settings_are_those_of_the_new_namespace_alone() {
        let setting = "net/ipv4/ip_unprivileged_port_start";
        let read = || fs::read_to_string(format!("/proc/sys/{setting}")).unwrap();
        let before = read();
        let namespace = made(&[(setting, "7")]);
        assert_eq!(read(), before);
        assert_eq!(inside(&namespace, read).trim(), "7");
    }

    #[test]
    fn setting_that_is_not_there_is_named_and_the_thread_is_back() {
        let before = identity(open_own().unwrap());
        let refused = make(&[("net/ipv4/no_such_setting", "1")]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "set net/ipv4/no_such_setting in the new network namespace",
            "this test needs root (CAP_SYS_ADMIN)"
        );
        assert_eq!(identity(open_own().unwrap()), before);
    }
}
