//! The one writable filesystem: found by the name of its partition, mounted on `/data`.

use std::io;
use std::path::Path;

use nacre_sys::file::{names_in, open_folder, read_text_in};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount as mount_call};

/// Name of the partition in the GPT.
const PARTITION: &str = "data";
/// Longest `uevent` of a partition that is read, in bytes; it has five short lines.
const UEVENT_BYTES: u64 = 1024;

/// Why there is no `/data`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MountDataError {
    #[error("list /sys/class/block")]
    List(#[source] io::Error),
    #[error("no partition is named `{PARTITION}`")]
    Missing,
    #[error("two partitions are named `{PARTITION}`: {0} and {1}")]
    Twice(String, String),
    #[error("mount {device} on /data")]
    Mount { device: String, source: Errno },
}

/// Mounts it. The journal is replayed by the mount itself.
pub(crate) fn mount() -> Result<(), MountDataError> {
    let name = find(Path::new("/sys/class/block"))?;
    let device = format!("/dev/{name}");
    mount_call(
        Some(device.as_str()),
        "/data",
        Some("ext4"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOATIME,
        // usrquota: without it quotas are counted and not enforced. errors=remount-ro: a damaged filesystem
        // is not written to any further. noinit_itable and no_prefetch_block_bitmaps: the tables were written when it was
        // made, and a map is read when it is needed, so that no thread has anything to do behind the start.
        Some("usrquota,errors=remount-ro,noinit_itable,no_prefetch_block_bitmaps"),
    )
    .map_err(|source| MountDataError::Mount { device, source })
}

/// The name of the block device whose `uevent` names the partition.
fn find(class: &Path) -> Result<String, MountDataError> {
    let mut found: Option<String> = None;
    let devices = open_folder(class).map_err(MountDataError::List)?;
    for name in names_in(&devices).map_err(MountDataError::List)? {
        let name = name.to_string_lossy().into_owned();
        // A device that vanishes between the listing and the reading is not ours.
        let uevent = Path::new(&name).join("uevent");
        let Ok(uevent) = read_text_in(&devices, &uevent, UEVENT_BYTES) else { continue };
        if !uevent.lines().any(|line| line.strip_prefix("PARTNAME=") == Some(PARTITION)) {
            continue;
        }
        match found {
            None => found = Some(name),
            // Never guess: the wrong one may belong to an attacker's second disk.
            Some(first) => return Err(MountDataError::Twice(first, name)),
        }
    }
    found.ok_or(MountDataError::Missing)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn class(devices: &[(&str, &str)]) -> std::path::PathBuf {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("nacre-init-{}-{number}", std::process::id()));
        for (name, uevent) in devices {
            fs::create_dir_all(folder.join(name)).unwrap();
            fs::write(folder.join(name).join("uevent"), uevent).unwrap();
        }
        folder
    }

    #[test]
    fn data_partition_among_others_is_found_by_name() {
        let folder = class(&[
            ("vda", "MAJOR=254\nDEVTYPE=disk\n"),
            ("vda2", "DEVTYPE=partition\nPARTN=2\nPARTNAME=slot-a\n"),
            ("vda4", "DEVTYPE=partition\nPARTN=4\nPARTNAME=data\n"),
        ]);
        assert_eq!(find(&folder).unwrap(), "vda4");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn data_partition_named_twice_is_refused() {
        let folder = class(&[("vda4", "PARTNAME=data\n"), ("vdb1", "PARTNAME=data\n")]);
        assert!(matches!(find(&folder), Err(MountDataError::Twice(..))));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn data_partition_missing_is_an_error() {
        let folder = class(&[("vda1", "PARTNAME=database\n")]);
        assert!(matches!(find(&folder), Err(MountDataError::Missing)));
        fs::remove_dir_all(folder).unwrap();
    }
}
