//! Whole slots: good ones pass, and nothing in them can be changed.

use std::collections::BTreeSet;

use nacre_verify::digest::Digest;
use nacre_verify::envelope::{self, Kind};
use nacre_verify::key::{PublicKey, SigningKey};
use nacre_verify::key_set::KeySet;
use nacre_verify::slot::{
    Contents, Depth, EnvelopeArea, Parts, ReadAt, ReadError, Slot, SlotError, SlotPart, VerifyOptions,
    WriteSlotError, verify_slot, verify_slot_from, write_slot,
};
use nacre_verify::target::{Arch, Profile};
use nacre_verify::tree::verity_tree;

const SLOT_BYTES: u64 = 40960 + 65536;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn root() -> PublicKey {
    PublicKey::of(&key(0))
}

fn key_set() -> KeySet {
    KeySet {
        version: 1,
        rollback_index: 5,
        development: true,
        os: vec![PublicKey::of(&key(1)), PublicKey::of(&key(2))],
        app: vec![PublicKey::of(&key(3))],
        capability: vec![],
        revoked: vec![PublicKey::of(&key(2)).id()],
    }
}

struct Fixture {
    rootfs: Vec<u8>,
    kernel: Vec<u8>,
    device_tree: Vec<u8>,
    slot: Slot,
}

/// A slot with a gap after each part: root filesystem 0..8192, tree ..12288, kernel ..17288, device tree
/// 20480..20580, zeros from there to 40960.
fn fixture() -> Fixture {
    let (rootfs, kernel, device_tree) = (vec![0x11; 8000], vec![0x22; 5000], vec![0x33; 100]);
    let contents = Contents { rootfs: &rootfs, kernel: &kernel, device_tree: &device_tree };
    let slot = Slot {
        image: "demo".into(),
        version: "1.0.0".into(),
        rollback_index: 7,
        profile: Profile::Development,
        board: "qemu-armv7".into(),
        arch: Arch::Armv7,
        slot_bytes: SLOT_BYTES,
        parts: Parts::of(&contents),
        arguments: "console=ttyAMA0".into(),
        critical: vec![],
        board_digest: Digest::of(b"board"),
    };
    Fixture { rootfs, kernel, device_tree, slot }
}

impl Fixture {
    fn contents(&self) -> Contents<'_> {
        Contents { rootfs: &self.rootfs, kernel: &self.kernel, device_tree: &self.device_tree }
    }

    fn bytes(&self) -> Vec<u8> {
        self.signed_by(&key_set(), &key(1))
    }

    fn signed_by(&self, set: &KeySet, os_key: &SigningKey) -> Vec<u8> {
        let set = set.sign(&key(0)).expect("a good key set");
        let slot = envelope::sign(Kind::Slot, &self.slot.encode().expect("a good slot"), os_key);
        write_slot(&self.slot, &self.contents(), &EnvelopeArea { key_set: &set, slot: &slot })
            .expect("it fits")
    }
}

fn verify(bytes: &[u8]) -> Result<Slot, SlotError> {
    verify_slot(bytes, &root(), &VerifyOptions::default()).map(|verified| verified.slot)
}

#[test]
fn slot_as_written_passes() {
    let fixture = fixture();
    let bytes = fixture.bytes();
    assert_eq!(bytes.len() as u64, SLOT_BYTES);
    let verified = verify_slot(&bytes, &root(), &VerifyOptions::default()).expect("it is good");
    assert_eq!(verified.slot, fixture.slot);
    assert_eq!(verified.key_set, key_set());
    assert_eq!(verified.signed_by, PublicKey::of(&key(1)).id());
    assert_eq!(bytes[8192..12288], verity_tree(&bytes[..8192]).bytes);
    assert_eq!(bytes[12288..17288], fixture.kernel);
}

#[test]
fn slot_with_a_byte_changed_is_refused_and_the_part_named() {
    let bytes = fixture().bytes();
    let part_at = |at: usize| match at {
        0..8192 => SlotPart::RootFilesystem,
        8192..12288 => SlotPart::HashTree,
        12288..17288 => SlotPart::Kernel,
        20480..20580 => SlotPart::DeviceTree,
        40960.. => SlotPart::Envelope,
        _ => SlotPart::Padding,
    };
    // Bytes around each border, all of the signed envelopes, and every 97th byte.
    let borders = [0, 8000, 8192, 12288, 17288, 20480, 20580, 40960, bytes.len()];
    let mut places: BTreeSet<usize> = (0..bytes.len()).step_by(97).chain(40960..42000).collect();
    places.extend(borders.iter().flat_map(|at| at.saturating_sub(3)..(at + 3).min(bytes.len())));
    for at in places {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        let error = verify(&altered).expect_err("a changed byte");
        assert_eq!(error.part(), Some(part_at(at)), "byte {at}: {error}");
        match error {
            SlotError::RootFilesystem { block } => assert_eq!(block, at as u64 / 4096),
            SlotError::HashTree { block } => assert_eq!(block, 0),
            SlotError::Padding { offset } => assert_eq!(offset, at as u64),
            _ => {}
        }
    }
}

#[test]
fn root_filesystem_changed_with_its_tree_is_refused() {
    let mut bytes = fixture().bytes();
    bytes[5] ^= 1;
    let tree = verity_tree(&bytes[..8192]).bytes;
    bytes[8192..12288].copy_from_slice(&tree);
    assert!(matches!(verify(&bytes), Err(SlotError::RootHash)));
}

#[test]
fn slot_cut_or_extended_is_refused() {
    let bytes = fixture().bytes();
    for end in [0, 1, 65535, 65536, bytes.len() - 1] {
        assert!(verify(&bytes[..end]).is_err(), "{end} bytes");
    }
    let longer = [&bytes[..40960], &[0; 4096], &bytes[40960..]].concat();
    assert!(
        matches!(verify(&longer), Err(SlotError::Length { found, signed: SLOT_BYTES }) if found == SLOT_BYTES + 4096)
    );
    let shorter = [&bytes[..36864], &bytes[40960..]].concat();
    assert!(matches!(verify(&shorter), Err(SlotError::Length { .. })));
}

#[test]
fn slot_signed_by_a_key_without_the_role_is_refused() {
    let fixture = fixture();
    // Revoked, an app key, and one that is in no role.
    for seed in [2, 3, 4] {
        let bytes = fixture.signed_by(&key_set(), &key(seed));
        assert!(matches!(verify(&bytes), Err(SlotError::Signature(_))), "key {seed}");
    }
    let other_root = verify_slot(&fixture.bytes(), &PublicKey::of(&key(9)), &VerifyOptions::default());
    assert!(matches!(other_root, Err(SlotError::KeySet(_))));
}

#[test]
fn slot_signed_but_against_the_rules_is_refused() {
    let good = fixture();
    let set = key_set().sign(&key(0)).expect("a good key set");
    let payload = good.slot.encode().expect("a good slot");
    let at = payload.windows(15).position(|window| window == b"console=ttyAMA0").expect("the arguments");
    let mut altered = payload.clone();
    altered[at..at + 15].copy_from_slice(b"init=/app/evil0");
    for (payload, decodes) in [(altered, true), ([&payload[..], &[0]].concat(), false), (vec![], false)] {
        let slot = envelope::sign(Kind::Slot, &payload, &key(1));
        let area = EnvelopeArea { key_set: &set, slot: &slot }.encode().expect("it fits");
        let mut bytes = good.bytes();
        bytes[40960..].copy_from_slice(&area);
        match verify(&bytes).expect_err("against the rules") {
            SlotError::Invalid(_) => assert!(decodes),
            SlotError::Decode(_) => assert!(!decodes),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn slot_that_is_not_the_one_asked_for_is_refused() {
    let bytes = fixture().bytes();
    let fits = VerifyOptions {
        depth: Depth::Whole,
        profile: Some(Profile::Development),
        board: Some("qemu-armv7"),
        arch: Some(Arch::Armv7),
        min_rollback_index: 7,
        min_key_set_rollback_index: 5,
    };
    verify_slot(&bytes, &root(), &fits).expect("it is what was asked for");
    let others = [
        VerifyOptions { profile: Some(Profile::Production), ..fits.clone() },
        VerifyOptions { board: Some("qemu-x86_64"), ..fits.clone() },
        VerifyOptions { arch: Some(Arch::X86_64), ..fits.clone() },
        VerifyOptions { min_rollback_index: 8, ..fits.clone() },
        VerifyOptions { min_key_set_rollback_index: 6, ..fits.clone() },
    ];
    for options in others {
        let error = verify_slot(&bytes, &root(), &options).expect_err("not what was asked for");
        assert!(matches!(error, SlotError::WrongTarget { .. } | SlotError::RolledBack { .. }), "{error}");
        assert_eq!(error.part(), None);
    }
}

#[test]
fn boot_depth_leaves_the_root_filesystem_to_the_kernel() {
    let good = fixture().bytes();
    let boot = VerifyOptions { depth: Depth::Boot, ..VerifyOptions::default() };
    for (at, passes) in
        [(5, true), (8200, true), (30000, true), (12300, false), (20480, false), (41000, false)]
    {
        let mut altered = good.clone();
        altered[at] ^= 1;
        assert_eq!(verify_slot(&altered, &root(), &boot).is_ok(), passes, "byte {at}");
    }
}

#[test]
fn slot_that_cannot_be_read_is_not_called_bad() {
    struct Broken(Vec<u8>);
    impl ReadAt for Broken {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
            if offset < 4096 { Err("bad sector".into()) } else { self.0.as_slice().read_at(offset, buffer) }
        }
    }
    let error = verify_slot_from(&mut Broken(fixture().bytes()), &root(), &VerifyOptions::default());
    let error = error.expect_err("a bad sector");
    assert!(matches!(error, SlotError::Read { offset: 0, .. }), "{error}");
    assert_eq!(error.part(), None);
}

#[test]
fn slot_with_two_tree_levels_and_no_device_tree_passes() {
    let rootfs: Vec<u8> = (0..130 * 4096_u32).map(|at| (at / 4096).to_le_bytes()[0]).collect();
    let contents = Contents { rootfs: &rootfs, kernel: b"kernel", device_tree: b"" };
    let mut fixture = fixture();
    fixture.slot.parts = Parts::of(&contents);
    fixture.slot.slot_bytes = fixture.slot.parts.slot_bytes_needed();
    let fixture =
        Fixture { rootfs: rootfs.clone(), kernel: b"kernel".to_vec(), device_tree: vec![], ..fixture };
    let mut bytes = fixture.bytes();
    verify(&bytes).expect("it is good");
    assert_eq!(fixture.slot.parts.tree.bytes, 3 * 4096);
    bytes[129 * 4096] ^= 1;
    assert!(matches!(verify(&bytes), Err(SlotError::RootFilesystem { block: 129 })));
    bytes[129 * 4096] ^= 1;
    bytes[132 * 4096] ^= 1;
    assert!(matches!(verify(&bytes), Err(SlotError::HashTree { block: 2 })));
}

#[test]
fn slot_of_other_contents_or_too_small_is_not_written() {
    let fixture = fixture();
    let area = EnvelopeArea { key_set: b"k", slot: b"s" };
    let other = Contents { kernel: b"another", ..fixture.contents() };
    assert!(matches!(write_slot(&fixture.slot, &other, &area), Err(WriteSlotError::OtherContents)));
    let small = Slot { slot_bytes: 65536, ..fixture.slot.clone() };
    let refused = write_slot(&small, &fixture.contents(), &area);
    assert!(
        matches!(refused, Err(WriteSlotError::TooLarge { needed: 90112, available: 65536 })),
        "{refused:?}"
    );
}
