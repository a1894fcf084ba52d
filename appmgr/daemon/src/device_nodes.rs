//! The `/dev` that every app sees: a small filesystem made once, bound read-only into each app.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};

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
    Node(&'static str, #[source] Errno),
}

/// Makes `<mounts>/dev`.
pub(crate) fn make(mounts: &Path) -> Result<(), MakeDevicesError> {
    let dev = mounts.join("dev");
    for folder in [mounts, &dev] {
        match fs::create_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // One that an earlier app manager made; there is none after a boot.
                let _ = umount2(&dev, MntFlags::MNT_DETACH);
            }
            made => made.map_err(|source| MakeDevicesError::Folder(folder.into(), source))?,
        }
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let options = "size=4k,nr_inodes=8,mode=0755";
    mount(Some("dev"), &dev, Some("tmpfs"), flags, Some(options)).map_err(MakeDevicesError::Mount)?;
    let everybody = Mode::from_bits_truncate(0o666);
    // It would take bits away.
    let before = umask(Mode::empty());
    let mut made = NODES.iter().map(|(name, minor)| {
        mknod(&dev.join(name), SFlag::S_IFCHR, everybody, makedev(1, *minor))
            .map_err(|source| MakeDevicesError::Node(name, source))
    });
    let made = made.try_for_each(|made| made);
    umask(before);
    made
}
