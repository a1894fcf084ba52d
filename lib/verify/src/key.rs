//! Ed25519 public keys (RFC 8032) and their ids.

use core::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use minicbor::{Decode, Encode};

pub use ed25519_dalek::SigningKey;

use crate::digest::Digest;

/// Bytes in a public key.
pub const PUBLIC_KEY_BYTES: usize = 32;

/// Bytes in a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// Bytes in a key id.
pub const KEY_ID_BYTES: usize = 16;

/// Short name of a public key: the first 16 bytes of its SHA-256. Displays as lowercase hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct KeyId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; KEY_ID_BYTES]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A public key that is a point of the curve and not of small order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    id: KeyId,
}

/// Bytes that are no usable public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 public key")]
pub struct ParsePublicKeyError;

/// A signature that is not this key's signature of these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match")]
pub struct BadSignature;

impl PublicKey {
    /// Takes the 32 bytes of RFC 8032, section 5.1.2.
    ///
    /// # Errors
    /// When they are no point of the curve, or one of small order, for which anybody can make signatures.
    pub fn from_bytes(bytes: &[u8; PUBLIC_KEY_BYTES]) -> Result<Self, ParsePublicKeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| ParsePublicKeyError)?;
        if key.is_weak() { Err(ParsePublicKeyError) } else { Ok(Self::new(key)) }
    }

    /// The public half of a signing key.
    pub fn of(key: &SigningKey) -> Self {
        Self::new(key.verifying_key())
    }

    fn new(key: VerifyingKey) -> Self {
        let mut id = [0; KEY_ID_BYTES];
        id.iter_mut().zip(Digest::of(key.as_bytes()).0).for_each(|(to, from)| *to = from);
        Self { key, id: KeyId(id) }
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        self.key.as_bytes()
    }

    /// Its short name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Checks a signature of a message with the strict rules: one message, key and signature have one
    /// verdict, and no key or commitment of small order passes.
    ///
    /// # Errors
    /// When it does not match.
    pub fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> Result<(), BadSignature> {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).map_err(|_| BadSignature)
    }
}

impl<C> Encode<C> for PublicKey {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.as_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for PublicKey {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let refuse = || minicbor::decode::Error::message("not an Ed25519 public key");
        let bytes = d.bytes()?.try_into().map_err(|_| refuse())?;
        Self::from_bytes(bytes).map_err(|_| refuse())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        core::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex digits"))
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn key_of_rfc_8032_verifies_its_signature_and_no_other() {
        let public: [u8; 32] = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signature: [u8; 64] = bytes(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        let key = PublicKey::from_bytes(&public).expect("a key");
        assert_eq!(key.as_bytes(), &public);
        assert_eq!(key.verify(b"\x72", &signature), Ok(()));
        assert_eq!(key.verify(b"\x73", &signature), Err(BadSignature));
        assert_eq!(key.verify(b"", &signature), Err(BadSignature));
    }

    #[test]
    fn signature_with_s_not_reduced_is_refused() {
        // The order of the group added to S: the same signature for a lenient verifier.
        let order: [u8; 32] = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let key = SigningKey::from_bytes(&[7; 32]);
        let good: [u8; 64] = ed25519_dalek::Signer::sign(&key, b"m").to_bytes();
        let (mut altered, mut carry) = (good, 0_u16);
        for (to, add) in altered[32..].iter_mut().zip(order) {
            let sum = u16::from(*to) + u16::from(add) + carry;
            *to = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        assert_eq!(PublicKey::of(&key).verify(b"m", &good), Ok(()));
        assert_eq!(PublicKey::of(&key).verify(b"m", &altered), Err(BadSignature));
    }

    #[test]
    fn key_of_small_order_or_off_the_curve_is_refused() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        // y = 0 has order 4; y = -1 has order 2; y = 2 is not on the curve.
        let minus_one = bytes("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        for bad in [neutral, [0; 32], minus_one, off_curve] {
            assert_eq!(PublicKey::from_bytes(&bad), Err(ParsePublicKeyError), "{bad:02x?}");
        }
    }

    #[test]
    fn key_id_is_the_start_of_the_digest() {
        let key = PublicKey::of(&SigningKey::from_bytes(&[1; 32]));
        let digest = Digest::of(key.as_bytes()).to_string();
        assert_eq!(key.id().to_string(), digest[..32]);
    }
}
