//! Mounts of the app's tree, and `pivot_root(2)` onto it.

use std::error::Error;
use std::path::Path;

use nacre_sys::file::{Kind, status};
use nix::mount::{MntFlags, MsFlags, mount as mount_fs, umount2};
use nix::unistd::{chdir, pivot_root};

use crate::step::{Devices, Execute, Mount, Source, Write};

const NONE: Option<&str> = None;

/// Cuts all mounts off from the namespace that they were copied from. Without it each mount that follows
/// would appear in the OS as well.
pub(crate) fn make_private() -> nix::Result<()> {
    mount_fs(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)
}

/// Mounts one thing.
pub(crate) fn mount(mount: &Mount) -> Result<(), Box<dyn Error>> {
    require_mount_point(mount)?;
    let target = mount.target.as_str();
    let flags = flags_of(mount);
    match &mount.source {
        Source::Folder(from) | Source::File(from) => {
            mount_fs(Some(from.as_str()), target, NONE, MsFlags::MS_BIND, NONE)?;
            // The first call ignores all other flags (mount(2), "Creating a bind mount").
            mount_fs(NONE, target, NONE, flags | MsFlags::MS_BIND | MsFlags::MS_REMOUNT, NONE)?;
        }
        Source::Proc => mount_fs(Some("proc"), target, Some("proc"), flags, Some("hidepid=2,subset=pid"))?,
        Source::Tmpfs { bytes, uid } => {
            // Each file costs the kernel about a page besides its content, so as many as there are pages.
            let files = bytes / 4096 + 8;
            let options = format!("mode=0700,uid={uid},gid={uid},size={bytes},nr_inodes={files}");
            mount_fs(Some("tmp"), target, Some("tmpfs"), flags, Some(options.as_str()))?;
        }
    }
    Ok(())
}

fn flags_of(mount: &Mount) -> MsFlags {
    let mut flags = MsFlags::MS_NOSUID;
    flags.set(MsFlags::MS_RDONLY, mount.write == Write::Denied);
    flags.set(MsFlags::MS_NODEV, mount.devices == Devices::Denied);
    flags.set(MsFlags::MS_NOEXEC, mount.execute == Execute::Denied);
    flags
}

/// An app's image is foreign: a link in the place of a mount point would lead the mount out of it. The
/// image cannot change between this look and the mount, because it is mounted read-only.
fn require_mount_point(mount: &Mount) -> Result<(), Box<dyn Error>> {
    let target = Path::new(&mount.target);
    let kind = status(target)?.kind;
    let fits = match mount.source {
        Source::File(_) => {
            let folder = target.parent().unwrap_or(target);
            kind == Kind::File && status(folder)?.kind == Kind::Folder
        }
        _ => kind == Kind::Folder,
    };
    if fits { Ok(()) } else { Err("the place for it in the image is neither a folder nor a file".into()) }
}

/// Makes the working directory the root of the mount namespace and detaches the old one, so that nothing of the OS can
/// be reached by a path. The old root comes to lie on the new one for a moment (pivot_root(2), "Notes"),
/// which needs no place for it in the image.
pub(crate) fn pivot() -> nix::Result<()> {
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")
}
