//! The app's user namespace (user_namespaces(7)): a single uid, and no further namespace inside.

use std::error::Error;
use std::os::fd::OwnedFd;

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;

use crate::prepared::write_proc;

/// Enters a new user namespace and maps the one uid and gid of this process into it.
///
/// It comes after the other namespaces, so that those belong to the OS: the capabilities that a process
/// has inside a new user namespace, and all that it may do with them, end at its border.
pub(crate) fn enter(proc: &OwnedFd, inside: u32, outside: u32) -> Result<(), Box<dyn Error>> {
    unshare(CloneFlags::CLONE_NEWUSER)?;
    map(proc, inside, outside)
}

/// Maps the one uid and gid into the user namespace that this process is in, and has no uid of yet.
pub(crate) fn map(proc: &OwnedFd, inside: u32, outside: u32) -> Result<(), Box<dyn Error>> {
    // After a change of uid the process is not dumpable and its files in /proc belong to root, who has no
    // place in the new namespace. execve makes it dumpable anyway.
    prctl::set_dumpable(true)?;
    write_proc(proc, "self/uid_map", &format!("{inside} {outside} 1"))?;
    // The kernel wants it before a process without CAP_SETGID may map its gid.
    write_proc(proc, "self/setgroups", "deny")?;
    write_proc(proc, "self/gid_map", &format!("{inside} {outside} 1"))
}

/// Lets nobody make a user namespace inside this one, where he would have every capability again. The
/// filter denies the calls as well.
pub(crate) fn allow_none_inside(proc: &OwnedFd) -> Result<(), Box<dyn Error>> {
    write_proc(proc, "sys/user/max_user_namespaces", "0")
}
