//! Which keys may sign what: the key set, signed by the root key.

use alloc::vec::Vec;

use minicbor::{Decode, Encode};

use crate::deterministic::{self, DecodeError};
use crate::envelope::{self, Kind, VerifyEnvelopeError};
use crate::key::{KeyId, PublicKey, SigningKey};

/// Most keys in one role: a set is read in the first stage, and a few generations are enough.
pub const MAX_KEYS_PER_ROLE: usize = 8;

/// Most revoked key ids.
pub const MAX_REVOKED: usize = 64;

/// The keys of an owner by role. A key has one role.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct KeySet {
    /// Version for people.
    #[n(0)]
    pub version: u64,
    /// Version for machines: an older set never replaces a newer one.
    #[n(1)]
    pub rollback_index: u64,
    /// True if anybody may hold the private halves: made on first use, for development only.
    #[n(2)]
    pub development: bool,
    /// Keys that may sign slots and update bundles; revoked ones included.
    #[n(3)]
    pub os: Vec<PublicKey>,
    /// Keys that may sign app packages; revoked ones included.
    #[n(4)]
    pub app: Vec<PublicKey>,
    /// Keys that may sign device capabilities; revoked ones included.
    #[n(5)]
    pub capability: Vec<PublicKey>,
    /// Keys that may sign nothing any more.
    #[n(6)]
    pub revoked: Vec<KeyId>,
}

/// What is wrong with the content of a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeySet {
    /// More than [`MAX_KEYS_PER_ROLE`] keys in a role.
    #[error("more than {MAX_KEYS_PER_ROLE} keys in one role")]
    TooManyKeys,
    /// More than [`MAX_REVOKED`] revoked keys.
    #[error("more than {MAX_REVOKED} revoked keys")]
    TooManyRevoked,
    /// A key that is there twice, or has two roles.
    #[error("key {0} is listed twice")]
    DuplicateKey(KeyId),
}

/// Why a key set is refused.
#[derive(Debug, thiserror::Error)]
pub enum VerifyKeySetError {
    /// Not signed by the root key.
    #[error("check the signature of the key set")]
    Envelope(#[from] VerifyEnvelopeError),
    /// Signed, but not a key set.
    #[error("decode the key set")]
    Decode(#[from] DecodeError),
    /// A key set that breaks its rules.
    #[error("check the content of the key set")]
    Invalid(#[from] InvalidKeySet),
}

impl KeySet {
    /// The payload in its one encoding, for [`envelope::to_be_signed`].
    ///
    /// # Errors
    /// When the content breaks the rules.
    pub fn encode(&self) -> Result<Vec<u8>, InvalidKeySet> {
        self.check()?;
        Ok(deterministic::encode(self))
    }

    /// Signs the set with the root key.
    ///
    /// # Errors
    /// When the content breaks the rules.
    pub fn sign(&self, root: &SigningKey) -> Result<Vec<u8>, InvalidKeySet> {
        Ok(envelope::sign(Kind::KeySet, &self.encode()?, root))
    }

    /// Checks a signed set against the root key.
    ///
    /// # Errors
    /// When the signature is not the root key's, or the content breaks the rules.
    pub fn verify(bytes: &[u8], root: &PublicKey) -> Result<Self, VerifyKeySetError> {
        let verified = envelope::verify(Kind::KeySet, bytes, core::slice::from_ref(root))?;
        let set: Self = deterministic::decode(verified.payload)?;
        set.check()?;
        Ok(set)
    }

    /// The keys that may sign slots and update bundles now.
    pub fn os_keys(&self) -> Vec<PublicKey> {
        self.not_revoked(&self.os)
    }

    /// The keys that may sign app packages now.
    pub fn app_keys(&self) -> Vec<PublicKey> {
        self.not_revoked(&self.app)
    }

    /// The keys that may sign device capabilities now.
    pub fn capability_keys(&self) -> Vec<PublicKey> {
        self.not_revoked(&self.capability)
    }

    /// Whether a key may sign nothing any more.
    pub fn is_revoked(&self, key: KeyId) -> bool {
        self.revoked.contains(&key)
    }

    fn not_revoked(&self, keys: &[PublicKey]) -> Vec<PublicKey> {
        keys.iter().filter(|key| !self.is_revoked(key.id())).copied().collect()
    }

    fn check(&self) -> Result<(), InvalidKeySet> {
        let roles = [&self.os, &self.app, &self.capability];
        if roles.iter().any(|keys| keys.len() > MAX_KEYS_PER_ROLE) {
            return Err(InvalidKeySet::TooManyKeys);
        }
        if self.revoked.len() > MAX_REVOKED {
            return Err(InvalidKeySet::TooManyRevoked);
        }
        let mut ids: Vec<KeyId> = roles.into_iter().flatten().map(PublicKey::id).collect();
        find_duplicate(&mut ids)?;
        find_duplicate(&mut self.revoked.clone())
    }
}

fn find_duplicate(ids: &mut [KeyId]) -> Result<(), InvalidKeySet> {
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair.first() == pair.last()) {
        Some([id, ..]) => Err(InvalidKeySet::DuplicateKey(*id)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn public(seed: u8) -> PublicKey {
        PublicKey::of(&key(seed))
    }

    fn set() -> KeySet {
        KeySet {
            version: 3,
            rollback_index: 2,
            development: true,
            os: vec![public(1), public(2)],
            app: vec![public(3), public(4)],
            capability: vec![public(5)],
            revoked: vec![public(2).id(), public(3).id(), public(99).id()],
        }
    }

    #[test]
    fn key_set_round_trips_and_its_encoding_is_bounded() {
        let bytes = set().sign(&key(0)).expect("a good set");
        assert_eq!(KeySet::verify(&bytes, &public(0)).expect("it verifies"), set());
        let ids = |from: u8| (from..).take(MAX_KEYS_PER_ROLE).map(public).collect::<Vec<_>>();
        let revoked = (0..64).map(|n| KeyId([n; 16])).collect();
        let largest = KeySet { os: ids(1), app: ids(50), capability: ids(100), revoked, ..set() };
        assert!(largest.sign(&key(0)).expect("a good set").len() < 4096);
    }

    #[test]
    fn revoked_keys_are_left_out_of_each_role() {
        let set = set();
        assert_eq!(set.os_keys(), [public(1)]);
        assert_eq!(set.app_keys(), [public(4)]);
        assert_eq!(set.capability_keys(), [public(5)]);
        assert!(set.is_revoked(public(99).id()) && !set.is_revoked(public(1).id()));
    }

    #[test]
    fn key_set_by_another_key_or_of_another_kind_is_refused() {
        let bytes = set().sign(&key(1)).expect("a good set");
        assert!(matches!(KeySet::verify(&bytes, &public(0)), Err(VerifyKeySetError::Envelope(_))));
        let other = envelope::sign(Kind::Slot, &set().encode().expect("a good set"), &key(0));
        assert!(matches!(KeySet::verify(&other, &public(0)), Err(VerifyKeySetError::Envelope(_))));
    }

    #[test]
    fn key_set_that_breaks_a_rule_is_neither_signed_nor_accepted() {
        let many = (1..=9).map(public).collect::<Vec<_>>();
        let cases = [
            (KeySet { os: many, ..set() }, InvalidKeySet::TooManyKeys),
            (KeySet { revoked: vec![KeyId([0; 16]); 65], ..set() }, InvalidKeySet::TooManyRevoked),
            (KeySet { os: vec![public(1), public(1)], ..set() }, InvalidKeySet::DuplicateKey(public(1).id())),
            (KeySet { app: vec![public(1)], ..set() }, InvalidKeySet::DuplicateKey(public(1).id())),
            (
                KeySet { revoked: vec![KeyId([7; 16]); 2], ..set() },
                InvalidKeySet::DuplicateKey(KeyId([7; 16])),
            ),
        ];
        for (bad, expected) in cases {
            assert_eq!(bad.sign(&key(0)), Err(expected));
            let signed = envelope::sign(Kind::KeySet, &deterministic::encode(&bad), &key(0));
            let refused = KeySet::verify(&signed, &public(0));
            assert!(matches!(refused, Err(VerifyKeySetError::Invalid(found)) if found == expected));
        }
    }

    #[test]
    fn signed_payload_that_is_no_key_set_is_refused() {
        let good = set().encode().expect("a good set");
        let mut weak_key = good.clone();
        let at =
            good.windows(32).position(|window| window == public(1).as_bytes()).expect("the key is there");
        weak_key[at..at + 32].fill(0);
        let longer = [&good[..], &[0]].concat();
        for payload in [&b""[..], b"\xa0", b"\x00", &weak_key, &longer] {
            let signed = envelope::sign(Kind::KeySet, payload, &key(0));
            assert!(matches!(KeySet::verify(&signed, &public(0)), Err(VerifyKeySetError::Decode(_))));
        }
    }
}
