//! No input makes a decoder panic, and none but the right one is accepted.

use nacre_verify::capability::Capability;
use nacre_verify::digest::Digest;
use nacre_verify::envelope::{self, Kind};
use nacre_verify::key::{PublicKey, SigningKey};
use nacre_verify::key_set::KeySet;
use nacre_verify::package::{Payload, open_package, verify_manifest, write_package};
use nacre_verify::slot::{Contents, EnvelopeArea, Parts, Slot, VerifyOptions, verify_slot, write_slot};
use nacre_verify::target::{Arch, Profile};
use proptest::prelude::*;
use proptest::sample::Index;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn public() -> PublicKey {
    PublicKey::of(&key())
}

/// Gives bytes to every decoder; answers whether one of them accepted.
fn decode_all(bytes: &[u8]) -> bool {
    let keys = [public()];
    let envelope = Kind::ALL.into_iter().any(|kind| envelope::verify(kind, bytes, &keys).is_ok());
    envelope
        | KeySet::verify(bytes, &public()).is_ok()
        | verify_manifest(bytes, &keys).is_ok()
        | open_package(bytes, &keys).is_ok()
        | Payload::parse_request(bytes).is_ok()
        | Capability::verify(bytes, &keys).is_ok()
        | EnvelopeArea::parse(bytes).is_ok()
        | verify_slot(bytes, &public(), &VerifyOptions::default()).is_ok()
}

/// Signs arbitrary bytes as each kind, so that they reach the decoders behind the signature.
fn decode_signed(payload: &[u8]) -> bool {
    let manifest = envelope::sign(Kind::App, payload, &key());
    let key_set = envelope::sign(Kind::KeySet, payload, &key());
    let slot = slot_around(&good_key_set(), &envelope::sign(Kind::Slot, payload, &key()));
    let capability = envelope::sign(Kind::Capability, payload, &key());
    verify_manifest(&manifest, &[public()]).is_ok()
        | Capability::verify(&capability, &[public()]).is_ok()
        | KeySet::verify(&key_set, &public()).is_ok()
        | verify_slot(&slot, &public(), &VerifyOptions::default()).is_ok()
}

/// 64 KiB of zeros and an envelope area.
fn slot_around(key_set: &[u8], slot: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 65536];
    bytes.extend(EnvelopeArea { key_set, slot }.encode().expect("it fits"));
    bytes
}

fn key_set() -> KeySet {
    let (os, app) = (vec![public()], vec![PublicKey::of(&SigningKey::from_bytes(&[2; 32]))]);
    KeySet { version: 1, rollback_index: 1, development: false, os, app, capability: vec![], revoked: vec![] }
}

fn good_key_set() -> Vec<u8> {
    key_set().sign(&key()).expect("a good key set")
}

fn payload() -> Payload {
    let mut payload = Payload {
        component: "org.nacre.demo".into(),
        version: "1".into(),
        rollback_index: 300,
        arch: Arch::X86_64,
        manifest: vec![0xa0],
        image_bytes: 0,
        image_digest: Digest([0; 32]),
        filter: vec![0; 8],
        filter_sha256: Digest::of(&[0; 8]),
    };
    payload.describe_image(b"image");
    payload
}

fn slot() -> (Slot, Vec<u8>) {
    let contents = Contents { rootfs: &[1; 5000], kernel: b"kernel", device_tree: b"tree" };
    let slot = Slot {
        image: "demo".into(),
        version: "1".into(),
        rollback_index: 1,
        profile: Profile::Production,
        board: "board".into(),
        arch: Arch::Armv7,
        slot_bytes: 65536 * 2,
        parts: Parts::of(&contents),
        arguments: String::new(),
        critical: vec![],
        board_digest: Digest::of(b"board"),
    };
    let signed = envelope::sign(Kind::Slot, &slot.encode().expect("a good slot"), &key());
    let area = EnvelopeArea { key_set: &good_key_set(), slot: &signed };
    let bytes = write_slot(&slot, &contents, &area).expect("it fits");
    (slot, bytes)
}

/// A change to bytes that leaves most of them.
#[derive(Debug, Clone)]
enum Mutation {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Cut(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let bytes = prop::collection::vec(any::<u8>(), 1..12);
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (any::<Index>(), bytes).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (any::<Index>(), 1..12_usize).prop_map(|(at, count)| Mutation::Remove(at, count)),
        any::<Index>().prop_map(Mutation::Cut),
    ]
}

fn mutate(bytes: &[u8], mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for mutation in mutations {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match mutation {
            Mutation::Set(at, byte) => bytes[at.index(length)] = *byte,
            Mutation::Insert(at, more) => {
                let at = at.index(length);
                bytes.splice(at..at, more.iter().copied());
            }
            Mutation::Remove(at, count) => {
                let at = at.index(length);
                bytes.drain(at..(at + count).min(length));
            }
            Mutation::Cut(at) => bytes.truncate(at.index(length)),
        }
    }
    bytes
}

proptest! {
    #[test]
    fn random_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        prop_assert!(!decode_all(&bytes));
        prop_assert!(!decode_signed(&bytes));
    }

    #[test]
    fn random_envelope_area_is_refused_without_panic(start in prop::collection::vec(any::<u8>(), 8..256), at: Index) {
        let mut bytes = vec![0; 65536];
        bytes[..start.len()].copy_from_slice(&start);
        bytes[..8].copy_from_slice(b"NACRESLT");
        bytes[8 + at.index(8)] = 0;
        prop_assert!(verify_slot(&bytes, &public(), &VerifyOptions::default()).is_err());
        let _ = EnvelopeArea::parse(&bytes);
    }

    #[test]
    fn mutated_files_are_refused_without_panic(mutations in prop::collection::vec(mutation(), 1..4)) {
        let package = write_package(&payload().sign(&key()).expect("a good payload"), b"image").expect("it fits");
        for good in [good_key_set(), package, slot().1] {
            let altered = mutate(&good, &mutations);
            if altered != good {
                prop_assert!(!decode_all(&altered));
            }
        }
    }

    #[test]
    fn mutated_payloads_never_panic_and_stay_deterministic(mutations in prop::collection::vec(mutation(), 1..4)) {
        let keys = [public()];
        let altered = mutate(&payload().encode().expect("a good payload"), &mutations);
        if let Ok((found, _)) = verify_manifest(&envelope::sign(Kind::App, &altered, &key()), &keys) {
            prop_assert_eq!(found.encode().expect("it was accepted"), altered);
        }
        let altered = mutate(&key_set().encode().expect("a good set"), &mutations);
        if let Ok(found) = KeySet::verify(&envelope::sign(Kind::KeySet, &altered, &key()), &public()) {
            prop_assert_eq!(found.encode().expect("it was accepted"), altered);
        }
        let (good, mut bytes) = slot();
        let altered = mutate(&good.encode().expect("a good slot"), &mutations);
        let signed = envelope::sign(Kind::Slot, &altered, &key());
        let area = EnvelopeArea { key_set: &good_key_set(), slot: &signed }.encode().expect("it fits");
        bytes[65536..].copy_from_slice(&area);
        if let Ok(found) = verify_slot(&bytes, &public(), &VerifyOptions::default()) {
            prop_assert_eq!(found.slot.encode().expect("it was accepted"), altered);
        }
    }

    #[test]
    fn package_of_any_content_round_trips(
        image in prop::collection::vec(any::<u8>(), 1..5000),
        manifest in prop::collection::vec(any::<u8>(), 1..500),
        filter in prop::collection::vec(any::<[u8; 8]>(), 1..50),
        rollback_index: u64,
    ) {
        let filter = filter.concat();
        let filter_sha256 = Digest::of(&filter);
        let mut payload = Payload { manifest, filter, filter_sha256, rollback_index, ..payload() };
        payload.describe_image(&image);
        let bytes = write_package(&payload.sign(&key()).expect("a good payload"), &image).expect("it fits");
        let package = open_package(&bytes, &[public()]).expect("it is good");
        prop_assert_eq!(&bytes[package.image_range], image);
        prop_assert_eq!(package.payload, payload);
    }

    #[test]
    fn slot_of_any_content_round_trips(
        rootfs in prop::collection::vec(any::<u8>(), 1..20000),
        kernel in prop::collection::vec(any::<u8>(), 1..9000),
        device_tree in prop::collection::vec(any::<u8>(), 0..5000),
        spare in 0..4_u64,
    ) {
        let contents = Contents { rootfs: &rootfs, kernel: &kernel, device_tree: &device_tree };
        let parts = Parts::of(&contents);
        let slot = Slot { parts, slot_bytes: parts.slot_bytes_needed() + spare * 4096, ..slot().0 };
        let signed = envelope::sign(Kind::Slot, &slot.encode().expect("a good slot"), &key());
        let area = EnvelopeArea { key_set: &good_key_set(), slot: &signed };
        let bytes = write_slot(&slot, &contents, &area).expect("it fits");
        let verified = verify_slot(&bytes, &public(), &VerifyOptions::default()).expect("it is good");
        prop_assert_eq!(verified.slot, slot);
    }
}
