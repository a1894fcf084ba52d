//! `clone3(2)` without `execve(2)`: go on in a child, in a new PID namespace and a given cgroup.
//!
//! What [`crate::spawn`] does for another program, this does for a function of the same one. The child shares what is
//! in memory already, so that nothing is read, checked or linked before its first line.

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

use crate::spawn::{Cloned, Descriptors, PidNamespace, SpawnError, Spawned, begin_session, clone, exit};

/// Exit code of a child that panicked where that does not abort.
pub const EXIT_PANICKED: i32 = 125;

/// What the child gets.
#[derive(Debug, Clone, Copy)]
pub struct ForkRequest<'a> {
    /// Its standard streams.
    pub streams: [BorrowedFd<'a>; 3],
    /// Descriptors that it owns, at most five.
    pub fds: &'a [BorrowedFd<'a>],
    /// Where its processes are numbered.
    pub pid_namespace: PidNamespace,
    /// Directory of the cgroup v2 to start it in; `None` for the caller's own.
    pub cgroup: Option<BorrowedFd<'a>>,
}

/// No child was made.
#[derive(Debug, thiserror::Error)]
pub enum ForkError {
    /// In the child the others would be gone, with what they had locked.
    #[error("fork with more than one thread")]
    Threads(#[source] Errno),
    /// As when a program is started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

/// Runs `child` in a child process, in a session of its own, with no signal blocked or handled. It ends with the code
/// that comes back. Its descriptors are those of `request.fds`, close-on-exec and in this order; all others of the
/// caller are closed there, so values that own one are of no use in it.
///
/// # Errors
///
/// [`ForkError`] if the caller has more than one thread, there are too many descriptors, or the kernel makes no
/// process.
pub fn fork(
    request: &ForkRequest<'_>,
    child: impl FnOnce(Vec<OwnedFd>) -> i32,
) -> Result<Spawned, ForkError> {
    // Changes nothing where there is one thread, and is refused where there are more (unshare(2)).
    // SAFETY: it takes flags alone and touches no memory of the process.
    Errno::result(unsafe { libc::unshare(libc::CLONE_THREAD) }).map_err(ForkError::Threads)?;
    let all: Vec<BorrowedFd<'_>> = request.streams.iter().chain(request.fds).copied().collect();
    let mut descriptors = Descriptors::new(&all)?;
    match clone(request.pid_namespace, request.cgroup)? {
        Cloned::Parent(spawned) => Ok(spawned),
        Cloned::Child => {
            let _end = EndOnUnwind;
            descriptors.place();
            begin_session();
            let own = (3..).take(request.fds.len()).map(|number| {
                // SAFETY: F_SETFD has no precondition; the number is open, `place` has just made it.
                unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
                // SAFETY: it is open, and what owned it before is out of this child's reach.
                unsafe { OwnedFd::from_raw_fd(number) }
            });
            exit(child(own.collect()))
        }
    }
}

/// A panic must not unwind into the caller's frames, where it would go on as a second caller.
struct EndOnUnwind;

impl Drop for EndOnUnwind {
    fn drop(&mut self) {
        exit(EXIT_PANICKED)
    }
}
