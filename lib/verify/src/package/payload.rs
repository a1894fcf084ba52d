//! The signed content of a package.

use alloc::string::String;
use alloc::vec::Vec;

use minicbor::{Decode, Encode};

use super::MAX_IMAGE_BYTES;
use crate::deterministic::{self, DecodeError};
use crate::digest::Digest;
use crate::envelope::{self, Kind, ParseToBeSignedError, VerifyEnvelopeError};
use crate::fs_verity;
use crate::key::{KeyId, PublicKey, SIGNATURE_BYTES, SigningKey};
use crate::target::Arch;
use crate::text::{is_component_id, is_name};

/// Bytes in a `struct sock_filter`.
const FILTER_INSTRUCTION_BYTES: usize = 8;

/// Largest seccomp filter, in bytes: the kernel's BPF_MAXINSNS of 4096 instructions.
pub const MAX_FILTER_BYTES: usize = 4096 * FILTER_INSTRUCTION_BYTES;

/// Largest app manifest inside the payload, in bytes.
pub const MAX_APP_MANIFEST_BYTES: usize = 16 * 1024;

/// The signed content of a package.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Payload {
    /// Component id of the app.
    #[n(0)]
    pub component: String,
    /// Version for people: 1 to 64 bytes of visible ASCII.
    #[n(1)]
    pub version: String,
    /// Version for machines: an older one never replaces a newer one.
    #[n(2)]
    pub rollback_index: u64,
    /// Instruction set of the app's program and of its filter.
    #[n(3)]
    pub arch: Arch,
    /// The validated manifest, in its own deterministic CBOR.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub manifest: Vec<u8>,
    /// Size of the image, in bytes.
    #[n(5)]
    pub image_bytes: u64,
    /// fs-verity digest of the image: SHA-256, 1024-byte blocks, no salt.
    #[n(6)]
    pub image_digest: Digest,
    /// The compiled seccomp filter: `struct sock_filter`s of 8 bytes, little endian.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub filter: Vec<u8>,
    /// SHA-256 of the filter.
    #[n(8)]
    pub filter_sha256: Digest,
}

/// What is wrong with the content of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPayload {
    /// Not a component id.
    #[error("the app's name is not a component id")]
    Component,
    /// Not 1 to 64 bytes of visible ASCII.
    #[error("the version is not 1 to 64 visible ASCII characters")]
    Version,
    /// No manifest, or more than [`MAX_APP_MANIFEST_BYTES`].
    #[error("a manifest cannot have {0} bytes")]
    Manifest(usize),
    /// No image, or more than [`MAX_IMAGE_BYTES`].
    #[error("an image cannot have {0} bytes")]
    ImageBytes(u64),
    /// No filter, no whole number of instructions, or more than the kernel takes.
    #[error("a seccomp filter cannot have {0} bytes")]
    FilterBytes(usize),
    /// A filter with other content than its hash says.
    #[error("the seccomp filter does not match its hash")]
    FilterDigest,
}

/// Why a signed payload is refused.
#[derive(Debug, thiserror::Error)]
pub enum VerifyManifestError {
    /// Larger than it may be.
    #[error("the signed manifest has {0} bytes, which is too many")]
    TooLarge(usize),
    /// Not signed by an app key.
    #[error("check the signature of the manifest")]
    Envelope(#[from] VerifyEnvelopeError),
    /// Signed, but not the content of a package.
    #[error("decode the package's content")]
    Decode(#[from] DecodeError),
    /// Content that breaks its rules.
    #[error("check the package's content")]
    Invalid(#[from] InvalidPayload),
}

/// Why bytes are not what an app key is asked to sign.
#[derive(Debug, thiserror::Error)]
pub enum ParseRequestError {
    /// Not what is signed of a package.
    #[error("read what is to be signed")]
    Envelope(#[from] ParseToBeSignedError),
    /// Not the content of a package.
    #[error("decode the package's content")]
    Decode(#[from] DecodeError),
    /// Content that breaks its rules.
    #[error("check the package's content")]
    Invalid(#[from] InvalidPayload),
}

impl Payload {
    /// Reads the bytes that an app key is asked to sign, as [`envelope::to_be_signed`] makes them of a payload; answers
    /// with it and with the key that is meant.
    ///
    /// # Errors
    /// When they are anything else: no key signs what nobody can read.
    pub fn parse_request(bytes: &[u8]) -> Result<(Self, KeyId), ParseRequestError> {
        let (payload, key) = envelope::parse_to_be_signed(Kind::App, bytes)?;
        let payload: Self = deterministic::decode(payload)?;
        payload.check()?;
        Ok((payload, key))
    }

    /// Takes over size and fs-verity digest of an image.
    pub fn describe_image(&mut self, image: &[u8]) {
        self.image_bytes = u64::try_from(image.len()).unwrap_or(u64::MAX);
        self.image_digest = fs_verity::digest(image, fs_verity::PACKAGE_BLOCK);
    }

    /// The payload in its one encoding, for [`envelope::to_be_signed`].
    ///
    /// # Errors
    /// When the content breaks the rules.
    pub fn encode(&self) -> Result<Vec<u8>, InvalidPayload> {
        self.check()?;
        Ok(deterministic::encode(self))
    }

    /// Signs the payload with an app key: the content of `manifest.cose`.
    ///
    /// # Errors
    /// When the content breaks the rules.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, InvalidPayload> {
        Ok(envelope::sign(Kind::App, &self.encode()?, key))
    }

    /// The signature alone, for a package that is elsewhere: [`envelope::assemble`] puts the two together.
    ///
    /// # Errors
    /// When the content breaks the rules.
    pub fn signature(&self, key: &SigningKey) -> Result<[u8; SIGNATURE_BYTES], InvalidPayload> {
        Ok(envelope::signature(Kind::App, &self.encode()?, key))
    }

    fn check(&self) -> Result<(), InvalidPayload> {
        if !is_component_id(&self.component) {
            return Err(InvalidPayload::Component);
        }
        if !is_name(&self.version) {
            return Err(InvalidPayload::Version);
        }
        if !(1..=MAX_APP_MANIFEST_BYTES).contains(&self.manifest.len()) {
            return Err(InvalidPayload::Manifest(self.manifest.len()));
        }
        if !usize::try_from(self.image_bytes).is_ok_and(|bytes| (1..=MAX_IMAGE_BYTES).contains(&bytes)) {
            return Err(InvalidPayload::ImageBytes(self.image_bytes));
        }
        let filter = self.filter.len();
        if !(1..=MAX_FILTER_BYTES).contains(&filter) || !filter.is_multiple_of(FILTER_INSTRUCTION_BYTES) {
            return Err(InvalidPayload::FilterBytes(filter));
        }
        if Digest::of(&self.filter) == self.filter_sha256 {
            Ok(())
        } else {
            Err(InvalidPayload::FilterDigest)
        }
    }
}

/// Verifies the content of `manifest.cose`; answers with it and with the key that signed it. The image is
/// left to fs-verity.
///
/// # Errors
/// When it is not signed by one of these keys, or breaks its rules.
pub fn verify_manifest(
    bytes: &[u8],
    app_keys: &[PublicKey],
) -> Result<(Payload, KeyId), VerifyManifestError> {
    if bytes.len() > super::MAX_MANIFEST_BYTES {
        return Err(VerifyManifestError::TooLarge(bytes.len()));
    }
    let verified = envelope::verify(Kind::App, bytes, app_keys)?;
    let payload: Payload = deterministic::decode(verified.payload)?;
    payload.check()?;
    Ok((payload, verified.key))
}
