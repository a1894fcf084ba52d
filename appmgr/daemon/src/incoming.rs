//! A package on its way: its two members, written piece by piece into a folder beside the installed ones.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nacre_appmgr_core::Uptime;
use nacre_verify::key::PublicKey;
use nacre_verify::package::{IMAGE_MEMBER, MANIFEST_MEMBER, MAX_IMAGE_BYTES, MAX_MANIFEST_BYTES};

use crate::package_mount::{MountImageError, check_image};
use crate::package_store::{self, OpenPackageError, Package};
use crate::plain_file;

/// Why a package is not received.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    #[error("a package can't have a signed part of {manifest} and an image of {image} bytes")]
    Lengths { manifest: u32, image: u32 },
    #[error("a piece came that does not follow the one before")]
    Order,
    #[error("its image has {announced} bytes and not the {signed} that were signed")]
    ImageLength { announced: u64, signed: u64 },
    #[error("it is not whole: {received} of {whole} bytes came")]
    CutOff { received: u64, whole: u64 },
    #[error("write it to the data partition")]
    Write(#[source] io::Error),
    #[error(transparent)]
    Open(#[from] OpenPackageError),
    #[error(transparent)]
    Image(#[from] MountImageError),
}

/// A package that is being received.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) session: u32,
    /// When its last piece came.
    pub(crate) heard: Uptime,
    folder: PathBuf,
    manifest_bytes: u64,
    image_bytes: u64,
    received: u64,
    /// The member that is being written.
    file: File,
    /// What is signed, once that is there and good.
    package: Option<Package>,
}

impl Incoming {
    /// Makes the folder anew and begins to receive.
    pub(crate) fn begin(
        folder: &Path,
        session: u32,
        (manifest, image): (u32, u32),
        now: Uptime,
    ) -> Result<Self, ReceiveError> {
        let fits =
            |bytes: u32, most: usize| bytes > 0 && usize::try_from(bytes).is_ok_and(|bytes| bytes <= most);
        if !fits(manifest, MAX_MANIFEST_BYTES) || !fits(image, MAX_IMAGE_BYTES) {
            return Err(ReceiveError::Lengths { manifest, image });
        }
        plain_file::remove_tree(folder).map_err(ReceiveError::Write)?;
        DirBuilder::new().mode(0o755).create(folder).map_err(ReceiveError::Write)?;
        let file = plain_file::create(&folder.join(MANIFEST_MEMBER), 0o644).map_err(ReceiveError::Write)?;
        Ok(Self {
            session,
            heard: now,
            folder: folder.into(),
            manifest_bytes: manifest.into(),
            image_bytes: image.into(),
            received: 0,
            file,
            package: None,
        })
    }

    /// Takes the next bytes. With the last one of the signed part that is checked, and given back: before any byte of the
    /// image is written.
    pub(crate) fn take(
        &mut self,
        offset: u32,
        bytes: &[u8],
        keys: &[PublicKey],
    ) -> Result<Option<&Package>, ReceiveError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let end = self.received.saturating_add(length);
        let in_manifest = self.received < self.manifest_bytes;
        let most = if in_manifest { self.manifest_bytes } else { self.whole() };
        if u64::from(offset) != self.received || length == 0 || end > most {
            return Err(ReceiveError::Order);
        }
        self.file.write_all(bytes).map_err(ReceiveError::Write)?;
        self.received = end;
        if !in_manifest || end < self.manifest_bytes {
            return Ok(None);
        }
        self.file.sync_all().map_err(ReceiveError::Write)?;
        let package = package_store::open_any(&self.folder, keys)?;
        if package.image_bytes != self.image_bytes {
            let (announced, signed) = (self.image_bytes, package.image_bytes);
            return Err(ReceiveError::ImageLength { announced, signed });
        }
        self.file =
            plain_file::create(&self.folder.join(IMAGE_MEMBER), 0o644).map_err(ReceiveError::Write)?;
        Ok(Some(self.package.insert(package)))
    }

    /// Everything came: has the kernel hash the image, compares, and puts both members on the disk for good.
    pub(crate) fn finish(self) -> Result<Package, ReceiveError> {
        let (received, whole) = (self.received, self.whole());
        let cut_off = || ReceiveError::CutOff { received, whole };
        let Self { folder, file, package, .. } = self;
        let package = package.filter(|_| received == whole).ok_or_else(cut_off)?;
        // fs-verity is for files that nobody has open for writing.
        drop(file);
        let image = check_image(&package)?;
        image.sync_all().and_then(|()| plain_file::sync_folder(&folder)).map_err(ReceiveError::Write)?;
        Ok(package)
    }

    fn whole(&self) -> u64 {
        self.manifest_bytes.saturating_add(self.image_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn begin(folder: &Path, lengths: (u32, u32)) -> Result<Incoming, ReceiveError> {
        Incoming::begin(folder, 1, lengths, Uptime::default())
    }

    #[test]
    fn lengths_that_no_package_has_are_refused_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("incoming");
        for lengths in [(0, 1), (1, 0), (65_537, 1), (1, 8_388_609), (u32::MAX, u32::MAX)] {
            let refused = begin(&folder, lengths);
            assert!(matches!(refused, Err(ReceiveError::Lengths { .. })), "{lengths:?}");
            assert!(!folder.exists());
        }
        begin(&folder, (65_536, 8_388_608)).unwrap();
    }

    #[test]
    fn pieces_out_of_order_or_over_a_members_end_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (offset, bytes) in [(4u32, 4usize), (0, 9), (1, 1), (0, 0), (u32::MAX, 1)] {
            let mut incoming = begin(&dir.path().join("incoming"), (8, 100)).unwrap();
            let refused = incoming.take(offset, &vec![7; bytes], &[]);
            assert!(matches!(refused, Err(ReceiveError::Order)), "{offset} {bytes}");
        }
        let mut incoming = begin(&dir.path().join("incoming"), (8, 100)).unwrap();
        assert!(incoming.take(0, &[7; 4], &[]).unwrap().is_none());
        assert!(matches!(incoming.take(0, &[7; 4], &[]), Err(ReceiveError::Order)), "the same again");
        // The signed part is whole, and nothing that was signed: no image is even begun.
        assert!(matches!(incoming.take(4, &[7; 4], &[]), Err(ReceiveError::Open(_))));
        assert!(!dir.path().join("incoming").join(IMAGE_MEMBER).exists());
    }

    #[test]
    fn package_that_is_not_whole_is_refused_and_the_next_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("incoming");
        let mut incoming = begin(&folder, (8, 100)).unwrap();
        incoming.take(0, &[7; 4], &[]).unwrap();
        assert!(matches!(incoming.finish(), Err(ReceiveError::CutOff { received: 4, whole: 108 })));
        begin(&folder, (8, 100)).unwrap();
        assert_eq!(fs::read(folder.join(MANIFEST_MEMBER)).unwrap(), b"");
    }
}
