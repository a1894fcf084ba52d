//! What an attacker would try first. `Ok` means that it worked.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::ptrace;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{Pid, Uid, setuid};

/// A port on loopback that nothing else uses.
const ADDRESS: &str = "127.0.0.1:7777";

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

pub(crate) fn mount_tmpfs() -> Result<(), Errno> {
    mount(Some("tmpfs"), "/tmp", Some("tmpfs"), MsFlags::empty(), None::<&str>)
}

pub(crate) fn unshare_namespaces() -> Result<(), Errno> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS)
}

/// Attaches to a child of its own: no permission but the right to call ptrace at all is in question.
pub(crate) fn trace_child() -> Result<(), Errno> {
    let program = std::env::current_exe().map_err(|error| errno(&error))?;
    let mut child = Command::new(program).arg("wait").spawn().map_err(|error| errno(&error))?;
    let pid = i32::try_from(child.id()).map(Pid::from_raw).map_err(|_| Errno::ERANGE)?;
    let outcome = ptrace::attach(pid);
    // Killed whether traced or not; a failure here would show as a task too many later on.
    let _ = child.kill();
    let _ = child.wait();
    outcome
}

pub(crate) fn open_raw_socket() -> Result<(), Errno> {
    socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), SockProtocol::Icmp).map(drop)
}

pub(crate) fn write_outside() -> Result<(), Errno> {
    fs::write("/run/outside", "x").map_err(|error| errno(&error))
}

pub(crate) fn listen_tcp() -> Result<(), Errno> {
    TcpListener::bind(ADDRESS).map(drop).map_err(|error| errno(&error))
}

/// Connects to a listener of its own if it may have one; to where one would be otherwise.
pub(crate) fn connect_tcp() -> Result<(), Errno> {
    let _listener = TcpListener::bind(ADDRESS);
    TcpStream::connect(ADDRESS).map(drop).map_err(|error| errno(&error))
}

pub(crate) fn become_root() -> Result<(), Errno> {
    setuid(Uid::from_raw(0))
}

/// PID 1 in an app's own namespace is the app itself: what is asked is whether anybody else is seen.
pub(crate) fn see_other_processes() -> Result<(), Errno> {
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").map_err(|error| errno(&error))?;
    let others = entries.flatten().filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.bytes().all(|byte| byte.is_ascii_digit()) && name != own
    });
    if others.count() > 0 { Ok(()) } else { Err(Errno::ENOENT) }
}

/// Through this file a process writes to its own pages whatever their protection, also to its code.
pub(crate) fn write_own_memory() -> Result<(), Errno> {
    fs::OpenOptions::new().write(true).open("/proc/self/mem").map(drop).map_err(|error| errno(&error))
}

/// The disk's first partition, if it could be made.
pub(crate) fn make_device_node() -> Result<(), Errno> {
    let path = "/tmp/disk";
    mknod(path, SFlag::S_IFBLK, Mode::S_IRUSR, makedev(254, 1))?;
    fs::remove_file(path).map_err(|error| errno(&error))
}

/// A file that lies on no mount, so that no `noexec` holds for it.
pub(crate) fn make_memory_file() -> Result<(), Errno> {
    memfd_create("code", MFdFlags::empty()).map(drop)
}

pub(crate) fn read_packages() -> Result<(), Errno> {
    fs::read_dir("/data/packages").map(drop).map_err(|error| errno(&error))
}
