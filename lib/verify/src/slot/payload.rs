//! The signed description of a slot.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use minicbor::{Decode, Encode};

use super::command_line::{self, InvalidArguments};
use super::envelope_area::ENVELOPE_AREA_BYTES;
use crate::deterministic::{self, DecodeError};
use crate::digest::Digest;
use crate::target::{Arch, Profile};
use crate::text::{is_component_id, is_name};
use crate::tree::{self, BlockSize};

/// Parts begin at multiples of this many bytes, which is also dm-verity's block size here.
pub const PART_ALIGNMENT: u64 = 4096;

/// Largest slot, in bytes: far more than the flash of such devices, and small enough for a 32-bit address.
pub const MAX_SLOT_BYTES: u64 = 256 * 1024 * 1024;

/// Most critical apps.
const MAX_CRITICAL_APPS: usize = 32;

/// The signed description of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Slot {
    /// Name of the image: 1 to 64 bytes of visible ASCII.
    #[n(0)]
    pub image: String,
    /// Version for people, of the same form.
    #[n(1)]
    pub version: String,
    /// Version for machines: an older one never replaces a newer one.
    #[n(2)]
    pub rollback_index: u64,
    /// Production or development.
    #[n(3)]
    pub profile: Profile,
    /// Name of the board, of the same form as the image's.
    #[n(4)]
    pub board: String,
    /// Instruction set of kernel and programs.
    #[n(5)]
    pub arch: Arch,
    /// Size of the slot, in bytes: a multiple of [`PART_ALIGNMENT`].
    #[n(6)]
    pub slot_bytes: u64,
    /// Where the parts are, and their hashes.
    #[n(7)]
    pub parts: Parts,
    /// Arguments for the kernel beside those that are made from the parts; see [`Slot::command_line_template`].
    #[n(8)]
    pub arguments: String,
    /// Apps without which a boot has failed.
    #[n(9)]
    pub critical: Vec<CriticalApp>,
    /// SHA-256 of the board's description, the file that travels beside the slot and says how a virtual
    /// machine of the board is started.
    #[n(10)]
    pub board_digest: Digest,
}

/// Where the parts of a slot are, and their hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Parts {
    /// The root filesystem, at offset 0.
    #[n(0)]
    pub rootfs: RootFilesystem,
    /// Its hash tree.
    #[n(1)]
    pub tree: Part,
    /// The kernel image, not empty.
    #[n(2)]
    pub kernel: HashedPart,
    /// The device tree; of 0 bytes where the machine supplies one.
    #[n(3)]
    pub device_tree: HashedPart,
}

/// The root filesystem. It begins at offset 0, where dm-verity wants its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RootFilesystem {
    /// Size in bytes with its zero padding: a multiple of 4096.
    #[n(0)]
    pub bytes: u64,
    /// dm-verity root hash: SHA-256, 4096-byte blocks, no salt.
    #[n(1)]
    pub root_hash: Digest,
}

/// A part whose content follows from something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Part {
    /// First byte, counted from the start of the slot.
    #[n(0)]
    pub offset: u64,
    /// Size in bytes.
    #[n(1)]
    pub bytes: u64,
}

/// A part with the digest of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct HashedPart {
    /// First byte, counted from the start of the slot.
    #[n(0)]
    pub offset: u64,
    /// Size in bytes, without padding.
    #[n(1)]
    pub bytes: u64,
    /// SHA-256 of the content.
    #[n(2)]
    pub sha256: Digest,
}

/// An app without which a boot has failed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CriticalApp {
    /// Its component id.
    #[n(0)]
    pub app: String,
    /// The smallest rollback index that is good enough.
    #[n(1)]
    pub min_rollback_index: u64,
}

/// A part of a slot, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotPart {
    /// The root filesystem.
    RootFilesystem,
    /// Its hash tree.
    HashTree,
    /// The kernel image.
    Kernel,
    /// The device tree.
    DeviceTree,
    /// What must be zero between and after the parts.
    Padding,
    /// The last 64 KiB.
    Envelope,
}

impl fmt::Display for SlotPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RootFilesystem => "root filesystem",
            Self::HashTree => "hash tree",
            Self::Kernel => "kernel",
            Self::DeviceTree => "device tree",
            Self::Padding => "padding",
            Self::Envelope => "envelope",
        })
    }
}

/// What is wrong with the content of a slot's description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSlot {
    /// Image, version or board is not 1 to 64 bytes of visible ASCII.
    #[error("`{0}` is not 1 to 64 visible ASCII characters")]
    Name(&'static str),
    /// Not a multiple of 4096, too large, or too small for the envelope area.
    #[error("a slot cannot have {0} bytes")]
    SlotBytes(u64),
    /// A part that is not at a multiple of 4096, overlaps another, or does not fit.
    #[error("the {0} does not fit where it is said to be")]
    Place(SlotPart),
    /// A part whose size is wrong: a root filesystem of no whole number of blocks, a tree that does not
    /// belong to it, an empty kernel.
    #[error("the {0} cannot have this size")]
    Size(SlotPart),
    /// Arguments that could change which root filesystem or program is started.
    #[error("check the kernel arguments")]
    Arguments(#[from] InvalidArguments),
    /// Too many critical apps, one twice, or a name that is no component id.
    #[error("the list of critical apps is not valid")]
    CriticalApps,
}

impl Slot {
    /// The payload in its one encoding, for [`crate::envelope::to_be_signed`].
    ///
    /// # Errors
    /// When the content breaks the rules.
    pub fn encode(&self) -> Result<Vec<u8>, InvalidSlot> {
        self.check()?;
        Ok(deterministic::encode(self))
    }

    /// Reads a payload without checking its content: see [`Slot::check`].
    pub(super) fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        deterministic::decode(payload)
    }

    /// Checks everything that can be checked without the slot's bytes.
    ///
    /// # Errors
    /// Naming the first rule that is broken.
    pub fn check(&self) -> Result<(), InvalidSlot> {
        for (what, text) in [("image", &self.image), ("version", &self.version), ("board", &self.board)] {
            if !is_name(text) {
                return Err(InvalidSlot::Name(what));
            }
        }
        self.ranges()?;
        command_line::check_arguments(&self.arguments)?;
        let apps = &self.critical;
        let is_new =
            |(at, app): (usize, &CriticalApp)| apps.iter().take(at).all(|other| other.app != app.app);
        let good = apps.len() <= MAX_CRITICAL_APPS
            && apps.iter().all(|app| is_component_id(&app.app))
            && apps.iter().enumerate().all(is_new);
        if good { Ok(()) } else { Err(InvalidSlot::CriticalApps) }
    }

    /// Offset of the envelope area.
    pub(super) fn envelope_offset(&self) -> Result<u64, InvalidSlot> {
        let bytes = self.slot_bytes;
        let offset = bytes.checked_sub(ENVELOPE_AREA_BYTES).filter(|_| bytes <= MAX_SLOT_BYTES);
        offset.filter(|_| bytes.is_multiple_of(PART_ALIGNMENT)).ok_or(InvalidSlot::SlotBytes(bytes))
    }

    /// Where the parts are, in order, checked: aligned, not overlapping, before the envelope area.
    pub(super) fn ranges(&self) -> Result<[(SlotPart, Range<u64>); 4], InvalidSlot> {
        let limit = self.envelope_offset()?;
        let Parts { rootfs, tree, kernel, device_tree } = self.parts;
        let blocks = rootfs.bytes / PART_ALIGNMENT;
        if rootfs.bytes == 0 || !rootfs.bytes.is_multiple_of(PART_ALIGNMENT) {
            return Err(InvalidSlot::Size(SlotPart::RootFilesystem));
        }
        if tree::tree_bytes(blocks, BlockSize::B4096) != Some(tree.bytes) {
            return Err(InvalidSlot::Size(SlotPart::HashTree));
        }
        if kernel.bytes == 0 {
            return Err(InvalidSlot::Size(SlotPart::Kernel));
        }
        let mut end = 0;
        let mut place = |part, offset: u64, bytes: u64| {
            let past = offset.checked_add(bytes).filter(|past| *past <= limit);
            let past = past.filter(|_| offset >= end && offset.is_multiple_of(PART_ALIGNMENT));
            end = past.ok_or(InvalidSlot::Place(part))?;
            Ok::<_, InvalidSlot>((part, offset..end))
        };
        Ok([
            place(SlotPart::RootFilesystem, 0, rootfs.bytes)?,
            place(SlotPart::HashTree, tree.offset, tree.bytes)?,
            place(SlotPart::Kernel, kernel.offset, kernel.bytes)?,
            place(SlotPart::DeviceTree, device_tree.offset, device_tree.bytes)?,
        ])
    }
}

/// A slot description that keeps the rules, for the tests of this crate.
#[cfg(test)]
pub(super) fn example() -> Slot {
    let hashed = |offset, bytes| HashedPart { offset, bytes, sha256: Digest([9; 32]) };
    Slot {
        image: "demo".into(),
        version: "1.0.0".into(),
        rollback_index: 1,
        profile: Profile::Production,
        board: "qemu-armv7".into(),
        arch: Arch::Armv7,
        slot_bytes: 32768 + ENVELOPE_AREA_BYTES,
        parts: Parts {
            rootfs: RootFilesystem { bytes: 8192, root_hash: Digest([7; 32]) },
            tree: Part { offset: 8192, bytes: 4096 },
            kernel: hashed(12288, 5000),
            device_tree: hashed(20480, 0),
        },
        arguments: "console=ttyAMA0".into(),
        critical: [CriticalApp { app: "org.nacre.recorder".into(), min_rollback_index: 1 }].into(),
        board_digest: Digest([8; 32]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_description_round_trips() {
        let slot = example();
        let bytes = slot.encode().expect("it keeps the rules");
        assert_eq!(Slot::decode(&bytes).expect("it decodes"), slot);
    }

    #[test]
    fn slot_description_that_breaks_a_rule_is_refused() {
        use InvalidSlot::{Arguments, CriticalApps, Name, Place, Size, SlotBytes};
        use SlotPart::{DeviceTree, HashTree, Kernel, RootFilesystem};
        type Alter = fn(&mut Slot);
        let cases: [(Alter, InvalidSlot); 23] = [
            (|s| s.image.clear(), Name("image")),
            (|s| s.version = "1 0".into(), Name("version")),
            (|s| s.board = "x".repeat(65), Name("board")),
            (|s| s.slot_bytes = 0, SlotBytes(0)),
            (|s| s.slot_bytes = 65535, SlotBytes(65535)),
            (|s| s.slot_bytes += 1, SlotBytes(98305)),
            (|s| s.slot_bytes = u64::MAX - 4095, SlotBytes(u64::MAX - 4095)),
            (|s| s.slot_bytes = 65536 + 4096, Place(RootFilesystem)),
            (|s| s.parts.rootfs.bytes = 0, Size(RootFilesystem)),
            (|s| s.parts.rootfs.bytes = 8191, Size(RootFilesystem)),
            (|s| s.parts.rootfs.bytes = u64::MAX - 4095, Size(HashTree)),
            (|s| s.parts.tree.bytes = 8192, Size(HashTree)),
            (|s| s.parts.tree.offset = 4096, Place(HashTree)),
            (|s| s.parts.tree.offset = u64::MAX - 4095, Place(HashTree)),
            (|s| s.parts.kernel.bytes = 0, Size(Kernel)),
            (|s| s.parts.kernel.offset += 1, Place(Kernel)),
            (|s| s.parts.kernel.offset = 0, Place(Kernel)),
            (|s| s.parts.kernel.bytes = u64::MAX, Place(Kernel)),
            (|s| s.parts.device_tree.offset = 16384, Place(DeviceTree)),
            (|s| s.parts.device_tree.bytes = 32768 - 20480 + 1, Place(DeviceTree)),
            (|s| s.arguments = "init=/x".into(), Arguments(InvalidArguments::Reserved("init=/x".into()))),
            (|s| s.critical[0].app = "../x".into(), CriticalApps),
            (|s| s.critical.push(s.critical[0].clone()), CriticalApps),
        ];
        for (alter, expected) in cases {
            let mut slot = example();
            alter(&mut slot);
            assert_eq!(slot.check(), Err(expected.clone()), "{slot:?}");
            assert_eq!(slot.encode(), Err(expected));
        }
    }
}
