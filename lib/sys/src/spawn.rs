//! `clone3(2)` and `execve(2)`: start a program in a new PID namespace and a given cgroup.
//!
//! The process is in its cgroup and behind its pidfd from its first instruction: nothing it does is
//! charged to someone else, and its number is never mistaken for another's.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_char, c_int};
use nix::errno::Errno;
use nix::unistd::Pid;

use crate::signals;

/// Most descriptors that a program can be given.
pub const MAX_FDS: usize = 8;
/// Exit code of a child that could not even prepare for `execve`.
pub const EXIT_NOT_PREPARED: i32 = 126;
/// Exit code of a child whose `execve` failed.
pub const EXIT_NOT_EXECUTED: i32 = 127;

/// The program to start and what it gets. Nothing else is inherited but the working directory.
#[derive(Debug, Clone, Copy)]
pub struct SpawnRequest<'a> {
    /// Path of the program.
    pub program: &'a CStr,
    /// Its arguments, its name first.
    pub argv: &'a [&'a CStr],
    /// Its environment, `NAME=value`.
    pub env: &'a [&'a CStr],
    /// Its descriptors, numbered from 0 in this order; at most [`MAX_FDS`]. All others are closed.
    pub fds: &'a [BorrowedFd<'a>],
    /// Where its processes are numbered.
    pub pid_namespace: PidNamespace,
    /// Directory of the cgroup v2 to start it in; `None` for the caller's own.
    pub cgroup: Option<BorrowedFd<'a>>,
}

/// Where a new process's number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PidNamespace {
    /// It is process 1 of a new namespace, which ends with it (`CLONE_NEWPID`).
    New,
    /// The same, in a new user namespace, into which no uid is mapped yet (`CLONE_NEWUSER`): anybody may have one.
    NewWithUsers,
    /// The caller's.
    Inherited,
}

/// A process that was started.
#[derive(Debug)]
pub struct Spawned {
    /// Its number in the caller's PID namespace.
    pub pid: Pid,
    /// The process itself: readable when it has ended.
    pub pidfd: OwnedFd,
}

/// No process was started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// More than [`MAX_FDS`].
    #[error("start a process with {0} descriptors: at most {MAX_FDS} can be given")]
    TooManyFds(usize),
    /// `EBUSY` if the cgroup cannot hold processes, `EAGAIN` at a limit, `EPERM` without
    /// `CAP_SYS_ADMIN` for a new namespace.
    #[error("start a process")]
    Kernel(#[source] Errno),
}

/// `struct clone_args` up to `cgroup` (`CLONE_ARGS_SIZE_VER2`).
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_NEWUSER: u64 = 0x1000_0000;
const CLONE_NEWPID: u64 = 0x2000_0000;
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// What the child needs, prepared before it exists: between `clone3` and `execve` it must not allocate,
/// because another thread of the caller may have held the allocator's lock.
struct Prepared<'a> {
    program: &'a CStr,
    argv: Vec<*const c_char>,
    env: Vec<*const c_char>,
    descriptors: Descriptors,
}

/// The descriptors that a child keeps.
pub(crate) struct Descriptors {
    fds: [RawFd; MAX_FDS],
    count: c_int,
}

impl Descriptors {
    pub(crate) fn new(fds: &[BorrowedFd<'_>]) -> Result<Self, SpawnError> {
        let too_many = || SpawnError::TooManyFds(fds.len());
        if fds.len() > MAX_FDS {
            return Err(too_many());
        }
        let mut places = [-1; MAX_FDS];
        for (place, fd) in places.iter_mut().zip(fds) {
            *place = fd.as_raw_fd();
        }
        Ok(Self { fds: places, count: c_int::try_from(fds.len()).map_err(|_| too_many())? })
    }

    /// In the child: numbers them from 0 and closes all others. Only system calls.
    pub(crate) fn place(&mut self) {
        // Out of the way first, so that placing one does not overwrite another that is still to be placed.
        for fd in self.fds.iter_mut().filter(|fd| (0..self.count).contains(*fd)) {
            // SAFETY: F_DUPFD_CLOEXEC has no precondition; a bad number is an error.
            *fd = unsafe { libc::fcntl(*fd, libc::F_DUPFD_CLOEXEC, self.count) };
            if *fd < 0 {
                exit(EXIT_NOT_PREPARED);
            }
        }
        for (number, fd) in (0..self.count).zip(self.fds) {
            // SAFETY: dup2 has no precondition; what it closes belongs to this child alone.
            if unsafe { libc::dup2(fd, number) } < 0 {
                exit(EXIT_NOT_PREPARED);
            }
        }
        // SAFETY: this closes what no code of this child uses any more.
        if unsafe { libc::syscall(libc::SYS_close_range, self.count, libc::c_uint::MAX, 0) } < 0 {
            exit(EXIT_NOT_PREPARED);
        }
    }
}

/// Starts a program in a session of its own, with no signal blocked or handled, and none ignored that was not ignored
/// when the caller itself began.
///
/// That `execve` failed is seen in the child's exit code, [`EXIT_NOT_EXECUTED`].
///
/// # Errors
///
/// [`SpawnError`] if there are too many descriptors or the kernel starts no process.
pub fn spawn(request: &SpawnRequest<'_>) -> Result<Spawned, SpawnError> {
    let mut prepared = Prepared {
        program: request.program,
        argv: pointers(request.argv),
        env: pointers(request.env),
        descriptors: Descriptors::new(request.fds)?,
    };
    match clone(request.pid_namespace, request.cgroup)? {
        Cloned::Parent(spawned) => Ok(spawned),
        Cloned::Child => become_program(&mut prepared),
    }
}

/// Which of the two processes this is after [`clone`].
pub(crate) enum Cloned {
    Parent(Spawned),
    /// A copy of the caller, with the one thread that called.
    Child,
}

/// The child has only what is async-signal-safe, if the caller has more than one thread.
pub(crate) fn clone(
    pid_namespace: PidNamespace,
    cgroup: Option<BorrowedFd<'_>>,
) -> Result<Cloned, SpawnError> {
    let mut pidfd: c_int = -1;
    let mut args = CloneArgs {
        flags: CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
        // Exposed: the kernel writes through this number.
        pidfd: (&raw mut pidfd).expose_provenance() as u64,
        exit_signal: u64::try_from(libc::SIGCHLD).unwrap_or_default(),
        ..CloneArgs::default()
    };
    args.flags |= match pid_namespace {
        PidNamespace::New => CLONE_NEWPID,
        PidNamespace::NewWithUsers => CLONE_NEWPID | CLONE_NEWUSER,
        PidNamespace::Inherited => 0,
    };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::try_from(cgroup.as_raw_fd()).unwrap_or(u64::MAX);
    }
    // SAFETY: without CLONE_VM and without a stack the child is a copy of the caller, as after fork(2); `args` and
    // `pidfd` live on the caller's stack for the whole call.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<CloneArgs>()) };
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    let pid = Errno::result(pid).map_err(SpawnError::Kernel)?;
    // SAFETY: clone3 succeeded with CLONE_PIDFD, so it has stored a new descriptor that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    // Process numbers are at most 2^22 (proc(5), pid_max).
    Ok(Cloned::Parent(Spawned { pid: Pid::from_raw(i32::try_from(pid).unwrap_or(-1)), pidfd }))
}

/// Addresses of the strings, ended by a null pointer, as `execve` wants them.
fn pointers(strings: &[&CStr]) -> Vec<*const c_char> {
    strings.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
}

/// The child's whole life before its program: only system calls, no allocation, no return.
fn become_program(prepared: &mut Prepared<'_>) -> ! {
    prepared.descriptors.place();
    begin_session();
    // SAFETY: the path is a C string and both arrays end with a null pointer; the strings they point to
    // are borrowed by the request, so they are still there.
    unsafe { libc::execve(prepared.program.as_ptr(), prepared.argv.as_ptr(), prepared.env.as_ptr()) };
    exit(EXIT_NOT_EXECUTED)
}

/// In the child: a session of its own, SIGPIPE as at first, no signal blocked. Only system calls.
pub(crate) fn begin_session() {
    // SAFETY: setsid takes nothing; a new child leads no process group, so it succeeds.
    unsafe { libc::setsid() };
    signals::reset();
    let mut none = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: sigemptyset initialises the set that it is given.
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    // SAFETY: the set is initialised, and a null pointer asks for no copy of the old mask.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) };
}

/// Ends the child without running what the parent registered for its own exit.
pub(crate) fn exit(code: c_int) -> ! {
    // SAFETY: _exit has no precondition and runs no code of the process.
    unsafe { libc::_exit(code) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::fd::AsFd;

    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

    use super::*;
    use nix::sys::signal::Signal;

    fn request<'a>(argv: &'a [&'a CStr], fds: &'a [BorrowedFd<'a>]) -> SpawnRequest<'a> {
        SpawnRequest {
            program: argv[0],
            argv,
            env: &[c"GREETING=hello"],
            fds,
            pid_namespace: PidNamespace::Inherited,
            cgroup: None,
        }
    }

    fn wait(child: &Spawned) -> WaitStatus {
        waitid(Id::PIDFd(child.pidfd.as_fd()), WaitPidFlag::WEXITED).unwrap()
    }

    #[test]
    fn child_gets_the_descriptors_in_order_and_the_environment_only() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let fds = [null.as_fd(), writer.as_fd(), writer.as_fd(), null.as_fd()];
        let script = c"echo $GREETING; ls -1 /proc/self/fd | tr '\\n' ' '; grep SigIgn /proc/self/status";
        let child = spawn(&request(&[c"/bin/sh", c"-c", script], &fds)).unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        // What this process was born with; SIGPIPE is what std ignores.
        let own = fs::read_to_string("/proc/self/status").unwrap();
        let ignored = own.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
        let ignored = u64::from_str_radix(ignored, 16).unwrap();
        assert_ne!(ignored & 1 << 12, 0, "the test sees nothing: SIGPIPE is not ignored here");
        // `ls` itself has one more open: the directory.
        assert_eq!(text, format!("hello\n0 1 2 3 4 SigIgn:\t{:016x}\n", ignored & !(1 << 12)));
        assert_eq!(wait(&child), WaitStatus::Exited(child.pid, 0));
    }

    #[test]
    fn program_that_is_missing_ends_with_127() {
        let child = spawn(&request(&[c"/no/such/program"], &[])).unwrap();
        assert_eq!(wait(&child), WaitStatus::Exited(child.pid, EXIT_NOT_EXECUTED));
    }

    #[test]
    fn signal_through_the_pidfd_ends_the_child() {
        let child = spawn(&request(&[c"/bin/sleep", c"60"], &[])).unwrap();
        crate::pidfd::send_signal(&child.pidfd, Signal::SIGTERM).unwrap();
        assert_eq!(wait(&child), WaitStatus::Signaled(child.pid, Signal::SIGTERM, false));
        let gone = crate::pidfd::send_signal(&child.pidfd, Signal::SIGTERM).unwrap_err();
        assert_eq!(gone.cause, Errno::ESRCH);
    }

    #[test]
    fn ninth_descriptor_is_refused() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let fds = [null.as_fd(); 9];
        assert!(matches!(spawn(&request(&[c"/bin/true"], &fds)), Err(SpawnError::TooManyFds(9))));
    }
}
