//! An app package: one app in one file.
//!
//! A tar archive of exactly two members, in this order: `manifest.cose`, a signed [`Payload`], and `app.img`,
//! the app's filesystem. On the device the two lie beside each other; the image is checked at every read by
//! fs-verity, whose digest the payload carries.

mod payload;
mod tar;

use alloc::vec::Vec;
use core::ops::Range;

pub use payload::{
    InvalidPayload, MAX_APP_MANIFEST_BYTES, MAX_FILTER_BYTES, ParseRequestError, Payload,
    VerifyManifestError, verify_manifest,
};
pub use tar::{MalformedArchive, WriteArchiveError};

use crate::fs_verity;
use crate::key::{KeyId, PublicKey};

/// Name of the first member: the signed payload.
pub const MANIFEST_MEMBER: &str = "manifest.cose";

/// Name of the second member: the filesystem image.
pub const IMAGE_MEMBER: &str = "app.img";

/// Largest signed payload, in bytes: it is read into memory at every start of the system.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024;

/// Largest filesystem image, in bytes: half of the flash of such a device.
pub const MAX_IMAGE_BYTES: usize = 8 * 1024 * 1024;

/// A package that is what its signer made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its signed content.
    pub payload: Payload,
    /// The app key that signed it.
    pub signed_by: KeyId,
    /// Where `manifest.cose` is in the file.
    pub manifest_range: Range<usize>,
    /// Where `app.img` is in the file.
    pub image_range: Range<usize>,
}

/// Why a package is refused.
#[derive(Debug, thiserror::Error)]
pub enum OpenPackageError {
    /// Not an archive of the two members.
    #[error("read the package's archive")]
    Archive(#[from] MalformedArchive),
    /// A payload that is not signed by an app key, or breaks its rules.
    #[error("verify {MANIFEST_MEMBER} of the package")]
    Manifest(#[from] VerifyManifestError),
    /// An image of another size than was signed.
    #[error("{IMAGE_MEMBER} has {found} bytes and not the {signed} that were signed")]
    ImageLength {
        /// Bytes there are.
        found: u64,
        /// Bytes there should be.
        signed: u64,
    },
    /// An image with other content than was signed.
    #[error("{IMAGE_MEMBER} does not match its hash")]
    ImageDigest,
}

/// Verifies a whole package: signature, size and content of the image.
///
/// # Errors
/// When anything about it is not as one of these keys signed it.
pub fn open_package(bytes: &[u8], app_keys: &[PublicKey]) -> Result<Package, OpenPackageError> {
    let members = tar::read(bytes)?;
    let (payload, signed_by) = verify_manifest(members.manifest, app_keys)?;
    let found = u64::try_from(members.image.len()).unwrap_or(u64::MAX);
    if found != payload.image_bytes {
        return Err(OpenPackageError::ImageLength { found, signed: payload.image_bytes });
    }
    if fs_verity::digest(members.image, fs_verity::PACKAGE_BLOCK) != payload.image_digest {
        return Err(OpenPackageError::ImageDigest);
    }
    Ok(Package {
        payload,
        signed_by,
        manifest_range: members.manifest_range,
        image_range: members.image_range,
    })
}

/// Where `manifest.cose` and `app.img` are in the file. Nothing is verified: [`open_package`] does that.
///
/// # Errors
/// When it is not an archive of the two members.
pub fn members(bytes: &[u8]) -> Result<(Range<usize>, Range<usize>), MalformedArchive> {
    let members = tar::read(bytes)?;
    Ok((members.manifest_range, members.image_range))
}

/// Puts a package together from its two members. Nothing is verified: [`open_package`] does that.
///
/// # Errors
/// When a member is empty or too large.
pub fn write_package(manifest_cose: &[u8], image: &[u8]) -> Result<Vec<u8>, WriteArchiveError> {
    tar::write(manifest_cose, image)
}
