//! What a key is asked to sign, as a file that travels to where the key is.
//!
//! It is the Sig_structure of RFC 9052, section 4.4, and nothing else: any Ed25519 signer can sign it. The key's id is
//! inside, in the protected header, so that a request is for one key. The app's filesystem isn't; its hash is.

use nacre_verify::digest::Digest;
use nacre_verify::envelope::{self, Kind};
use nacre_verify::key::{KeyId, PublicKey, SIGNATURE_BYTES};
use nacre_verify::package::{InvalidPayload, ParseRequestError, Payload, write_package};

use super::open::{Content, PackageFile, ReadContentError};

/// What a key is asked to sign.
#[derive(Debug)]
pub struct Request {
    /// What it says.
    pub content: Content,
    /// The key that is meant.
    pub key: KeyId,
    /// The bytes to sign.
    pub bytes: Vec<u8>,
}

/// Why bytes are no request to sign a package.
#[derive(Debug, thiserror::Error)]
pub enum ReadRequestError {
    /// Not what an app key signs.
    #[error("no request to sign an app package")]
    Parse(#[from] ParseRequestError),
    /// A package that no device would open.
    #[error("a request for a package that no device opens")]
    Content(#[from] ReadContentError),
}

impl Request {
    /// Asks a key to sign a package's content.
    ///
    /// # Errors
    /// When the content breaks its rules.
    pub fn new(content: &Content, key: KeyId) -> Result<Self, InvalidPayload> {
        let bytes = envelope::to_be_signed(Kind::App, &content.payload.encode()?, key);
        Ok(Self { content: content.clone(), key, bytes })
    }

    /// Reads one. What is not a package's, or not in its one form, is none.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadRequestError> {
        let (payload, key) = Payload::parse_request(bytes)?;
        Ok(Self { content: Content::of(payload)?, key, bytes: bytes.to_vec() })
    }

    /// SHA-256 of the bytes to sign: what two people compare.
    pub fn sha256(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// The package with another signature on the same content; nothing if none of the keys made it.
pub fn with_signature(
    package: &PackageFile,
    signature: &[u8; SIGNATURE_BYTES],
    keys: &[PublicKey],
) -> Option<(Vec<u8>, KeyId)> {
    let payload = package.content.payload.encode().ok()?;
    let made = |key: &&PublicKey| {
        key.verify(&envelope::to_be_signed(Kind::App, &payload, key.id()), signature).is_ok()
    };
    let key = keys.iter().find(made)?.id();
    let signed = envelope::assemble(Kind::App, &payload, key, signature);
    Some((write_package(&signed, &package.image).ok()?, key))
}
