//! The `/dev` that every app sees: a small filesystem made once, bound read-only into each app.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

/// Name and minor number; all are memory devices, major 1 (kernel: `admin-guide/devices.txt`).
const NODES: [(&str, u64); 5] = [("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)];

/// The devices for apps could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeDevicesError {
    #[error("create {}", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    #[error("mount a filesystem for the apps' devices")]
    Mount(#[source] Errno),
    #[error("make device {0}")]
    Node(&'static str, #[source] io::Error),
}

/// Makes `<mounts>/dev`.
pub(crate) fn make(mounts: &Path) -> Result<(), MakeDevicesError> {
    let dev = mounts.join("dev");
    fs::create_dir_all(&dev).map_err(|source| MakeDevicesError::Folder(dev.clone(), source))?;
    // One that an earlier app manager made; there is none after a boot.
    let _ = umount2(&dev, MntFlags::MNT_DETACH);
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let options = "size=4k,nr_inodes=8,mode=0755";
    mount(Some("dev"), &dev, Some("tmpfs"), flags, Some(options)).map_err(MakeDevicesError::Mount)?;
    for (name, minor) in NODES {
        let path = dev.join(name);
        let everybody = Mode::from_bits_truncate(0o666);
        mknod(&path, SFlag::S_IFCHR, everybody, makedev(1, minor))
            .map_err(io::Error::from)
            // The umask took bits away.
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o666)))
            .map_err(|source| MakeDevicesError::Node(name, source))?;
    }
    Ok(())
}
