//! An app's own data: a folder that belongs to its uid, and a hard quota on that uid.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};

use nacre_sys::file::{Kind, names, read_text, status};
use nix::errno::Errno;
use nix::sys::quota::{Dqblk, QuotaType, QuotaValidFlags, quotactl_get, quotactl_set};

/// Size of a block in `struct if_dqblk` (`quotactl(2)`).
const QUOTA_BLOCK: u64 = 1024;

/// Longest list of mounts that is read, in bytes: that of the most apps takes a tenth.
const MOUNTS_BYTES: u64 = 64 * 1024;

/// Files and folders that an app may have at least, and one more for each 4 KiB: without a bound, empty
/// files fill the filesystem's inode table.
const LEAST_INODES: u64 = 16;

/// An app's data could not be made ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrepareDataError {
    #[error("create its data folder")]
    Create(#[source] io::Error),
    #[error("give it its data folder")]
    Owner(#[source] io::Error),
    #[error("its data folder belongs to uid {found} and not to {uid}")]
    Foreign { found: u32, uid: u32 },
    #[error("find the filesystem of its data")]
    Filesystem,
    #[error("set its quota")]
    Quota(#[source] Errno),
}

/// Makes the folder if it is not there, and bounds what the uid may store to `bytes`, folders included.
pub(crate) fn prepare(folder: &Path, uid: u32, bytes: u64) -> Result<(), PrepareDataError> {
    // A link in the place of the apps' folder would put the data where no quota holds.
    let parent = folder.parent().ok_or(PrepareDataError::Filesystem)?;
    if !status(parent).is_ok_and(|found| found.kind == Kind::Folder) {
        return Err(PrepareDataError::Filesystem);
    }
    // The quota comes first: without it, no folder.
    set_quota(folder, uid, bytes)?;
    own(folder, uid)
}

/// Bytes that a uid has stored on the filesystem of its folder; none if it can't be told.
pub(crate) fn used(folder: &Path, uid: u32) -> u64 {
    let quota = device_for(folder).ok().zip(i32::try_from(uid).ok());
    let quota = quota.and_then(|(device, id)| quotactl_get(QuotaType::USRQUOTA, &device, id).ok());
    quota.and_then(|quota| quota.occupied_space()).unwrap_or(0)
}

fn own(folder: &Path, uid: u32) -> Result<(), PrepareDataError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => chown(folder, Some(uid), Some(uid)).map_err(PrepareDataError::Owner),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = status(folder).map_err(PrepareDataError::Owner)?;
            match found.owner {
                _ if found.kind != Kind::Folder => Err(PrepareDataError::Create(error)),
                // A power cut came between creating the folder and giving it away: it is empty.
                0 if uid != 0 && is_empty(folder) => {
                    chown(folder, Some(uid), Some(uid)).map_err(PrepareDataError::Owner)
                }
                found if found == uid => Ok(()),
                found => Err(PrepareDataError::Foreign { found, uid }),
            }
        }
        Err(error) => Err(PrepareDataError::Create(error)),
    }
}

fn is_empty(folder: &Path) -> bool {
    names(folder).is_ok_and(|names| names.is_empty())
}

fn device_for(folder: &Path) -> Result<PathBuf, PrepareDataError> {
    let parent = folder.parent().ok_or(PrepareDataError::Filesystem)?;
    let mounts = read_text(Path::new("/proc/self/mounts"), MOUNTS_BYTES);
    let mounts = mounts.map_err(|_| PrepareDataError::Filesystem)?;
    device_of(&mounts, parent).ok_or(PrepareDataError::Filesystem)
}

fn set_quota(folder: &Path, uid: u32, bytes: u64) -> Result<(), PrepareDataError> {
    let device = device_for(folder)?;
    let id = i32::try_from(uid).map_err(|_| PrepareDataError::Quota(Errno::EINVAL))?;
    let mut quota = Dqblk::default();
    quota.set_blocks_hard_limit(bytes.div_ceil(QUOTA_BLOCK));
    quota.set_inodes_hard_limit(LEAST_INODES.saturating_add(bytes / 4096));
    quotactl_set(QuotaType::USRQUOTA, &device, id, &quota, QuotaValidFlags::QIF_LIMITS)
        .map_err(PrepareDataError::Quota)
}

/// The device of the filesystem that a folder is on: the last mount whose point is the longest above it.
fn device_of(mounts: &str, folder: &Path) -> Option<PathBuf> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let mut fields = line.split(' ');
        let (Some(device), Some(point)) = (fields.next(), fields.next()) else { continue };
        let length = point.len();
        if folder.starts_with(point) && best.is_none_or(|(longest, _)| length >= longest) {
            best = Some((length, device));
        }
    }
    best.map(|(_, device)| device.into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn device_of_a_folder_is_that_of_the_longest_mount_point() {
        let mounts =
            "/dev/root / squashfs ro 0 0\nrun /run tmpfs rw 0 0\n/dev/vda4 /data ext4 rw,usrquota 0 0\n";
        for (folder, device) in [
            ("/data/apps", Some("/dev/vda4")),
            ("/database", Some("/dev/root")),
            ("/run/apps/x", Some("run")),
        ] {
            assert_eq!(device_of(mounts, Path::new(folder)), device.map(PathBuf::from), "{folder}");
        }
        assert_eq!(device_of("", Path::new("/data")), None);
    }

    #[test]
    fn folder_of_another_owner_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let me = nix::unistd::geteuid().as_raw();
        let folder = dir.path().join("org.nacre.a");
        own(&folder, me).unwrap();
        own(&folder, me).unwrap();
        fs::write(folder.join("file"), "x").unwrap();
        let other = me.wrapping_add(1);
        assert!(matches!(own(&folder, other), Err(PrepareDataError::Foreign { .. })));
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(own(&file, me), Err(PrepareDataError::Create(_))));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(matches!(own(&link, me), Err(PrepareDataError::Create(_))), "a link is no folder");
        let through = prepare(&link.join("org.nacre.b"), me, 4096);
        assert!(matches!(through, Err(PrepareDataError::Filesystem)), "nor is what lies behind one");
    }
}
