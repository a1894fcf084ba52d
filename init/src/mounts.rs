//! The filesystems that the kernel makes, mounted before anything else runs.

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

/// A step of [`kernel_filesystems`] that failed.
#[derive(Debug, thiserror::Error)]
#[error("mount {filesystem} on {target}")]
pub(crate) struct MountError {
    filesystem: &'static str,
    target: &'static str,
    source: Errno,
}

struct Mount {
    filesystem: &'static str,
    target: &'static str,
    flags: MsFlags,
    options: Option<&'static str>,
}

const HARDENED: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

/// In order: cgroup2 needs the folder that sysfs brings. devtmpfs is mounted by the kernel
/// (CONFIG_DEVTMPFS_MOUNT) and only gets its flags here.
const MOUNTS: [Mount; 6] = [
    Mount { filesystem: "proc", target: "/proc", flags: HARDENED, options: Some("hidepid=invisible") },
    Mount { filesystem: "sysfs", target: "/sys", flags: HARDENED, options: None },
    Mount {
        filesystem: "devtmpfs",
        target: "/dev",
        flags: MsFlags::MS_REMOUNT.union(MsFlags::MS_NOSUID).union(MsFlags::MS_NOEXEC),
        options: None,
    },
    // Sockets and mount points only: 64 KiB is more than they take.
    Mount { filesystem: "tmpfs", target: "/run", flags: HARDENED, options: Some("mode=0755,size=64k") },
    Mount { filesystem: "tmpfs", target: "/tmp", flags: HARDENED, options: Some("mode=0700,size=64k") },
    Mount { filesystem: "cgroup2", target: "/sys/fs/cgroup", flags: HARDENED, options: Some("nsdelegate") },
];

/// Mounts them all, or names the one that failed (mount(2)).
pub(crate) fn kernel_filesystems() -> Result<(), MountError> {
    for Mount { filesystem, target, flags, options } in MOUNTS {
        mount(Some(filesystem), target, Some(filesystem), flags, options).map_err(|source| MountError {
            filesystem,
            target,
            source,
        })?;
    }
    Ok(())
}
