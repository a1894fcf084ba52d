//! A device capability: what one device lets its holder do, for so many boots and so much uptime.
//!
//! A device has no clock to be trusted, so that nothing in it is a date. What makes one capability the answer to one
//! question is the device's nonce, which the device changes when it takes one.

use alloc::vec::Vec;

use minicbor::{Decode, Encode};

use crate::deterministic::{self, DecodeError};
use crate::digest::Digest;
use crate::envelope::{self, Kind, VerifyEnvelopeError};
use crate::key::{KeyId, PublicKey, SigningKey};

/// Bytes in a nonce.
pub const NONCE_BYTES: usize = 16;

/// Most boots that a capability lasts.
pub const MAX_BOOTS: u32 = 1000;

/// Longest uptime that a capability lasts, in seconds: thirty days.
pub const MAX_UPTIME_S: u32 = 30 * 86_400;

/// Longest capability with its signature, in bytes.
pub const MAX_BYTES: usize = 512;

/// Who a device is: the SHA-256 of its public key.
pub type DeviceId = Digest;

/// What a device asks a capability to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Nonce(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; NONCE_BYTES]);

/// Something that a production image refuses without a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Permission {
    /// Install and remove app packages over the device channel.
    #[n(0)]
    Sideload,
}

impl Permission {
    /// Every permission there is.
    pub const ALL: [Self; 1] = [Self::Sideload];

    /// Its word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sideload => "sideload",
        }
    }
}

/// The signed content of a capability.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Capability {
    /// The device that it is for.
    #[n(0)]
    pub device: DeviceId,
    /// The device's nonce that it answers.
    #[n(1)]
    pub nonce: Nonce,
    /// What it permits, each once.
    #[n(2)]
    pub allow: Vec<Permission>,
    /// Boots that it lasts, the one in which it is presented included: 1 to [`MAX_BOOTS`].
    #[n(3)]
    pub boots: u32,
    /// Uptime that it lasts over all these boots, in seconds: 1 to [`MAX_UPTIME_S`].
    #[n(4)]
    pub uptime_s: u32,
}

/// What is wrong with the content of a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCapability {
    /// It permits nothing, or something twice.
    #[error("it permits nothing, or something twice")]
    Allow,
    /// No boots, or more than [`MAX_BOOTS`].
    #[error("it can't last {0} boots")]
    Boots(u32),
    /// No uptime, or more than [`MAX_UPTIME_S`].
    #[error("it can't last {0} s of uptime")]
    Uptime(u32),
}

/// Why a capability is refused.
#[derive(Debug, thiserror::Error)]
pub enum VerifyCapabilityError {
    /// Larger than any is.
    #[error("a capability cannot have {0} bytes")]
    TooLarge(usize),
    /// Not signed by a capability key.
    #[error("check the signature of the capability")]
    Envelope(#[from] VerifyEnvelopeError),
    /// Signed, but not a capability.
    #[error("decode the capability")]
    Decode(#[from] DecodeError),
    /// Content that breaks its rules.
    #[error("check the content of the capability")]
    Invalid(#[from] InvalidCapability),
}

impl Capability {
    /// Signs it with a capability key.
    ///
    /// # Errors
    /// When the content breaks the rules.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, InvalidCapability> {
        self.check()?;
        Ok(envelope::sign(Kind::Capability, &deterministic::encode(self), key))
    }

    /// Checks a signed capability; answers with it and with the key that signed it. Whether it is for this device, and
    /// answers its nonce, is for the device to say.
    ///
    /// # Errors
    /// When it is not signed by one of these keys, or breaks its rules.
    pub fn verify(bytes: &[u8], keys: &[PublicKey]) -> Result<(Self, KeyId), VerifyCapabilityError> {
        if bytes.len() > MAX_BYTES {
            return Err(VerifyCapabilityError::TooLarge(bytes.len()));
        }
        let verified = envelope::verify(Kind::Capability, bytes, keys)?;
        let capability: Self = deterministic::decode(verified.payload)?;
        capability.check()?;
        Ok((capability, verified.key))
    }

    fn check(&self) -> Result<(), InvalidCapability> {
        let once = |of: &Permission| self.allow.iter().filter(|other| *other == of).count() == 1;
        if self.allow.is_empty() || !self.allow.iter().all(once) {
            return Err(InvalidCapability::Allow);
        }
        if !(1..=MAX_BOOTS).contains(&self.boots) {
            return Err(InvalidCapability::Boots(self.boots));
        }
        if !(1..=MAX_UPTIME_S).contains(&self.uptime_s) {
            return Err(InvalidCapability::Uptime(self.uptime_s));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn good() -> Capability {
        Capability {
            device: Digest([3; 32]),
            nonce: Nonce([4; NONCE_BYTES]),
            allow: vec![Permission::Sideload],
            boots: 2,
            uptime_s: 3600,
        }
    }

    #[test]
    fn capability_by_a_capability_key_is_what_was_signed() {
        let bytes = good().sign(&key(1)).expect("it is good");
        assert!(bytes.len() < MAX_BYTES / 2, "{}", bytes.len());
        let (found, by) = Capability::verify(&bytes, &[PublicKey::of(&key(1))]).expect("it verifies");
        assert_eq!((found, by), (good(), PublicKey::of(&key(1)).id()));
    }

    #[test]
    fn capability_by_another_key_or_of_another_kind_is_refused() {
        let keys = [PublicKey::of(&key(1))];
        let other = good().sign(&key(2)).expect("it is good");
        let as_app = envelope::sign(Kind::App, &deterministic::encode(&good()), &key(1));
        for bytes in [other, as_app] {
            let refused = Capability::verify(&bytes, &keys);
            assert!(matches!(refused, Err(VerifyCapabilityError::Envelope(_))), "{refused:?}");
        }
        let long = Capability::verify(&[0; MAX_BYTES + 1], &keys);
        assert!(matches!(long, Err(VerifyCapabilityError::TooLarge(_))), "{long:?}");
    }

    #[test]
    fn capability_that_breaks_a_rule_is_neither_signed_nor_accepted() {
        let allow = vec![Permission::Sideload; 2];
        for (bad, expected) in [
            (Capability { allow: vec![], ..good() }, InvalidCapability::Allow),
            (Capability { allow, ..good() }, InvalidCapability::Allow),
            (Capability { boots: 0, ..good() }, InvalidCapability::Boots(0)),
            (Capability { boots: MAX_BOOTS + 1, ..good() }, InvalidCapability::Boots(MAX_BOOTS + 1)),
            (Capability { uptime_s: 0, ..good() }, InvalidCapability::Uptime(0)),
            (Capability { uptime_s: u32::MAX, ..good() }, InvalidCapability::Uptime(u32::MAX)),
        ] {
            assert_eq!(bad.sign(&key(1)), Err(expected));
            let signed = envelope::sign(Kind::Capability, &deterministic::encode(&bad), &key(1));
            let refused = Capability::verify(&signed, &[PublicKey::of(&key(1))]);
            assert!(matches!(refused, Err(VerifyCapabilityError::Invalid(found)) if found == expected));
        }
    }
}
