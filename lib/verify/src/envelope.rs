//! The one signed form: COSE_Sign1 (RFC 9052, section 4.2) in exactly one encoding.
//!
//! ```text
//! 18([ protected: << {1: -8 (EdDSA), 3: content type, 4: key id} >>, {}, payload: bstr, signature: bstr .size 64 ])
//! ```
//!
//! The content type is under the signature, so a signature of one kind of thing is never good for another.
//! An envelope in any other encoding is refused: tag and both headers are there as above, lengths are as
//! short as they can be, and nothing follows.

use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;

use ed25519_dalek::Signer as _;
use minicbor::data::Tag;
use minicbor::{Decoder, Encoder};

use crate::key::{KeyId, PublicKey, SIGNATURE_BYTES, SigningKey};

/// CBOR tag of COSE_Sign1.
const TAG_COSE_SIGN1: u64 = 18;
/// COSE header label "alg".
const LABEL_ALGORITHM: u8 = 1;
/// COSE header label "content type".
const LABEL_CONTENT_TYPE: u8 = 3;
/// COSE header label "kid".
const LABEL_KEY_ID: u8 = 4;
/// COSE algorithm EdDSA (RFC 9053, section 2.2).
const ALGORITHM_EDDSA: i8 = -8;

/// What a signature is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A slot: a bootable system.
    Slot,
    /// An app package.
    App,
    /// A key set.
    KeySet,
    /// An update bundle.
    UpdateBundle,
    /// A device capability.
    Capability,
}

impl Kind {
    /// Every kind there is.
    pub const ALL: [Self; 5] = [Self::Slot, Self::App, Self::KeySet, Self::UpdateBundle, Self::Capability];

    /// The content type in the protected header.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Slot => "application/vnd.nacre.slot+cbor",
            Self::App => "application/vnd.nacre.app+cbor",
            Self::KeySet => "application/vnd.nacre.key-set+cbor",
            Self::UpdateBundle => "application/vnd.nacre.update+cbor",
            Self::Capability => "application/vnd.nacre.capability+cbor",
        }
    }

    fn from_content_type(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.content_type() == text)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slot => "slot",
            Self::App => "app package",
            Self::KeySet => "key set",
            Self::UpdateBundle => "update bundle",
            Self::Capability => "capability",
        })
    }
}

/// The content of an envelope whose signature is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<'a> {
    /// What was signed.
    pub payload: &'a [u8],
    /// The key that signed it.
    pub key: KeyId,
}

/// Why an envelope is refused.
#[derive(Debug, thiserror::Error)]
pub enum VerifyEnvelopeError {
    /// Not a COSE_Sign1 of the expected shape.
    #[error("not a signed envelope")]
    Malformed(#[source] minicbor::decode::Error),
    /// The right content, written another way.
    #[error("the envelope is not in the deterministic encoding")]
    NotDeterministic,
    /// A signature on another kind of thing.
    #[error("the envelope holds a signed {found}, not a signed {wanted}")]
    WrongKind {
        /// What was asked for.
        wanted: Kind,
        /// What it is.
        found: Kind,
    },
    /// Signed by a key that may not sign this.
    #[error("the envelope is signed by key {0}, which is not trusted for it")]
    UnknownKey(KeyId),
    /// Changed after it was signed, or signed by somebody else in this key's name.
    #[error("the envelope's signature by key {0} does not match")]
    BadSignature(KeyId),
}

/// Why bytes are not what a key is asked to sign.
#[derive(Debug, thiserror::Error)]
pub enum ParseToBeSignedError {
    /// Not the Sig_structure of an envelope.
    #[error("not what is signed of an envelope")]
    Malformed(#[source] minicbor::decode::Error),
    /// The right content, written another way.
    #[error("not in the deterministic encoding")]
    NotDeterministic,
    /// What is signed of another kind of thing.
    #[error("it is for a signed {found}, not for a signed {wanted}")]
    WrongKind {
        /// What was asked for.
        wanted: Kind,
        /// What it is.
        found: Kind,
    },
}

/// Signs a payload.
pub fn sign(kind: Kind, payload: &[u8], key: &SigningKey) -> Vec<u8> {
    assemble(kind, payload, PublicKey::of(key).id(), &signature(kind, payload, key))
}

/// The signature alone, for [`assemble`] elsewhere. No key signs bytes that are not of a kind.
pub fn signature(kind: Kind, payload: &[u8], key: &SigningKey) -> [u8; SIGNATURE_BYTES] {
    key.sign(&to_be_signed(kind, payload, PublicKey::of(key).id())).to_bytes()
}

/// The bytes that a key signs: the Sig_structure of RFC 9052, section 4.4. With [`assemble`] this allows a
/// key to be elsewhere.
pub fn to_be_signed(kind: Kind, payload: &[u8], key: KeyId) -> Vec<u8> {
    encoded(|e| {
        e.array(4)?.str("Signature1")?.bytes(&protected_header(kind, key))?.bytes(b"")?.bytes(payload)?.ok()
    })
}

/// Takes [`to_be_signed`] apart again, so that whoever holds the key sees what it is asked for: the payload, and the
/// key that is meant.
///
/// # Errors
/// When it is anything but the one form of this kind.
pub fn parse_to_be_signed(kind: Kind, bytes: &[u8]) -> Result<(&[u8], KeyId), ParseToBeSignedError> {
    let (found, key, payload) = parse_signature1(bytes).map_err(ParseToBeSignedError::Malformed)?;
    if to_be_signed(found, payload, key) != bytes {
        return Err(ParseToBeSignedError::NotDeterministic);
    }
    if found != kind {
        return Err(ParseToBeSignedError::WrongKind { wanted: kind, found });
    }
    Ok((payload, key))
}

fn parse_signature1(bytes: &[u8]) -> Result<(Kind, KeyId, &[u8]), minicbor::decode::Error> {
    let mut d = Decoder::new(bytes);
    require(d.array()? == Some(4), "not an array of 4")?;
    require(d.str()? == "Signature1", "not for a COSE_Sign1")?;
    let (kind, key) = parse_protected_header(d.bytes()?)?;
    require(d.bytes()?.is_empty(), "there is external data")?;
    Ok((kind, key, d.bytes()?))
}

/// An envelope from its parts. Nothing is checked: [`verify`] does that.
pub fn assemble(kind: Kind, payload: &[u8], key: KeyId, signature: &[u8; SIGNATURE_BYTES]) -> Vec<u8> {
    encoded(|e| {
        e.tag(Tag::new(TAG_COSE_SIGN1))?.array(4)?;
        e.bytes(&protected_header(kind, key))?.map(0)?.bytes(payload)?.bytes(signature)?.ok()
    })
}

/// Checks that an envelope is of this kind and signed by one of these keys.
///
/// # Errors
/// When it is not, or when its encoding is not the one that [`sign`] makes.
pub fn verify<'a>(
    kind: Kind,
    bytes: &'a [u8],
    keys: &[PublicKey],
) -> Result<Verified<'a>, VerifyEnvelopeError> {
    let found = Parts::parse(bytes).map_err(VerifyEnvelopeError::Malformed)?;
    if assemble(found.kind, found.payload, found.key, found.signature) != bytes {
        return Err(VerifyEnvelopeError::NotDeterministic);
    }
    if found.kind != kind {
        return Err(VerifyEnvelopeError::WrongKind { wanted: kind, found: found.kind });
    }
    let key =
        keys.iter().find(|key| key.id() == found.key).ok_or(VerifyEnvelopeError::UnknownKey(found.key))?;
    key.verify(&to_be_signed(kind, found.payload, found.key), found.signature)
        .map_err(|_| VerifyEnvelopeError::BadSignature(found.key))?;
    Ok(Verified { payload: found.payload, key: found.key })
}

/// An envelope taken apart, nothing verified.
struct Parts<'a> {
    kind: Kind,
    key: KeyId,
    payload: &'a [u8],
    signature: &'a [u8; SIGNATURE_BYTES],
}

impl<'a> Parts<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, minicbor::decode::Error> {
        let mut d = Decoder::new(bytes);
        require(d.tag()?.as_u64() == TAG_COSE_SIGN1, "no COSE_Sign1 tag")?;
        require(d.array()? == Some(4), "not an array of 4")?;
        let (kind, key) = parse_protected_header(d.bytes()?)?;
        require(d.map()? == Some(0), "unprotected header is not empty")?;
        let payload = d.bytes()?;
        let signature = d.bytes()?.try_into().map_err(|_| message("signature is not of 64 bytes"))?;
        Ok(Self { kind, key, payload, signature })
    }
}

fn parse_protected_header(bytes: &[u8]) -> Result<(Kind, KeyId), minicbor::decode::Error> {
    let mut d = Decoder::new(bytes);
    require(d.map()? == Some(3), "protected header is not a map of 3")?;
    require(d.u8()? == LABEL_ALGORITHM && d.i8()? == ALGORITHM_EDDSA, "algorithm is not EdDSA")?;
    require(d.u8()? == LABEL_CONTENT_TYPE, "no content type")?;
    let kind = Kind::from_content_type(d.str()?).ok_or_else(|| message("unknown content type"))?;
    require(d.u8()? == LABEL_KEY_ID, "no key id")?;
    let key = d.bytes()?.try_into().map_err(|_| message("key id is not of 16 bytes"))?;
    Ok((kind, KeyId(key)))
}

fn protected_header(kind: Kind, key: KeyId) -> Vec<u8> {
    encoded(|e| {
        e.map(3)?.u8(LABEL_ALGORITHM)?.i8(ALGORITHM_EDDSA)?;
        e.u8(LABEL_CONTENT_TYPE)?.str(kind.content_type())?.u8(LABEL_KEY_ID)?.bytes(&key.0)?.ok()
    })
}

type EncodeResult = Result<(), minicbor::encode::Error<Infallible>>;

fn encoded(write: impl FnOnce(&mut Encoder<Vec<u8>>) -> EncodeResult) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    match write(&mut encoder) {
        Ok(()) => encoder.into_writer(),
        // Writing to a Vec does not fail; no decoder takes the empty answer.
        Err(_) => Vec::new(),
    }
}

fn require(condition: bool, text: &'static str) -> Result<(), minicbor::decode::Error> {
    if condition { Ok(()) } else { Err(message(text)) }
}

fn message(text: &'static str) -> minicbor::decode::Error {
    minicbor::decode::Error::message(text)
}

#[cfg(test)]
mod tests;
