//! An app's image: measured by the kernel, then mounted in place.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nacre_sys::file::status_of;
use nacre_sys::verity::{self, EnableVerityError, MeasureVerityError};
use nacre_verify::package::IMAGE_MEMBER;
use nix::errno::Errno;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::package_store::Package;
use crate::plain_file;

/// Bytes in a block of the image's hash tree: that of the data filesystem, `PACKAGE_BLOCK` of nacre-verify.
const VERITY_BLOCK: u32 = 1024;
const _: () = assert!(nacre_verify::fs_verity::PACKAGE_BLOCK.bytes() == 1024);

/// Why an image is not mounted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MountImageError {
    #[error("open {IMAGE_MEMBER}")]
    Open(#[source] io::Error),
    #[error("{IMAGE_MEMBER} has {found} bytes and not the {signed} that were signed")]
    Length { found: u64, signed: u64 },
    #[error("have {IMAGE_MEMBER} checked at every read")]
    Enable(#[source] EnableVerityError),
    #[error("measure {IMAGE_MEMBER}")]
    Measure(#[from] MeasureVerityError),
    #[error("{IMAGE_MEMBER} does not match its hash")]
    Digest,
    #[error("create {}", .0.display())]
    MountPoint(PathBuf, #[source] io::Error),
    #[error("mount {IMAGE_MEMBER}")]
    Mount(#[source] Errno),
}

/// An image that is mounted.
#[derive(Debug)]
pub(crate) struct MountedImage(File);

impl MountedImage {
    /// Has the kernel forget what it keeps of the file itself. All of it that the app has read is kept unpacked as well,
    /// in the mount; what is read later is checked again.
    pub(crate) fn forget_packed(&self) {
        // Only advice: what stays costs memory until somebody needs it.
        let _ = posix_fadvise(&self.0, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    }
}

/// Opens the image and checks its length and fs-verity digest. From then on the kernel checks each block that it reads.
pub(crate) fn check_image(package: &Package) -> Result<File, MountImageError> {
    let file = plain_file::open(&package.image).map_err(MountImageError::Open)?;
    let found = status_of(&file).map_err(MountImageError::Open)?.bytes;
    if found != package.image_bytes {
        return Err(MountImageError::Length { found, signed: package.image_bytes });
    }
    let digest = match verity::measure(&file)? {
        Some(digest) => Some(digest),
        // It was not installed by this app manager, nor made by the image builder.
        None => {
            verity::enable(&file, VERITY_BLOCK).map_err(MountImageError::Enable)?;
            verity::measure(&file)?
        }
    };
    if digest == Some(package.image_digest) { Ok(file) } else { Err(MountImageError::Digest) }
}

/// Checks the image and mounts it read-only on `root`.
pub(crate) fn mount_image(package: &Package, root: &Path) -> Result<MountedImage, MountImageError> {
    let file = check_image(package)?;
    for folder in [root.parent().unwrap_or(root), root] {
        match fs::create_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // One that an earlier app manager mounted; there is none after a boot.
                let _ = umount2(root, MntFlags::MNT_DETACH);
            }
            made => made.map_err(|source| MountImageError::MountPoint(folder.into(), source))?,
        }
    }
    // By descriptor: what is mounted is the file that was measured, whatever the path names by now.
    let source = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    // Compressed blocks need not stay: what is read is kept unpacked, and the file's own pages have them once more
    // (kernel: `filesystems/erofs.rst`).
    let options = Some("cache_strategy=disabled");
    mount(Some(source.as_str()), root, Some("erofs"), flags, options).map_err(MountImageError::Mount)?;
    Ok(MountedImage(file))
}
