//! From parts to the bytes of a slot.

use alloc::vec::Vec;

use super::envelope_area::{ENVELOPE_AREA_BYTES, EncodeEnvelopeAreaError, EnvelopeArea};
use super::payload::{HashedPart, InvalidSlot, PART_ALIGNMENT, Part, Parts, RootFilesystem, Slot};
use crate::digest::Digest;
use crate::tree::{self, BlockSize, Tree};

/// What goes into a slot.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    /// Root filesystem image; it is filled with zeros to a multiple of 4096 bytes.
    pub rootfs: &'a [u8],
    /// Kernel image.
    pub kernel: &'a [u8],
    /// Device tree; empty where the machine supplies one.
    pub device_tree: &'a [u8],
}

/// Why a slot cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteSlotError {
    /// More content than the slot has room for.
    #[error("the slot needs {needed} bytes and has {available}")]
    TooLarge {
        /// Bytes needed, envelope area included.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
    /// A description that breaks its rules.
    #[error("check the slot description")]
    Invalid(#[from] InvalidSlot),
    /// A description of other content.
    #[error("the slot description does not belong to this content")]
    OtherContents,
    /// Envelopes that do not fit.
    #[error("write the envelope area")]
    EnvelopeArea(#[from] EncodeEnvelopeAreaError),
}

impl Parts {
    /// Where the parts of this content go, and their hashes.
    pub fn of(contents: &Contents<'_>) -> Self {
        Self::with_tree(contents, &tree::hash_tree(contents.rootfs, BlockSize::B4096))
    }

    fn with_tree(contents: &Contents<'_>, tree: &Tree) -> Self {
        let rootfs_bytes = aligned(length(contents.rootfs));
        let tree_part = Part { offset: rootfs_bytes, bytes: length(&tree.bytes) };
        let kernel = hashed(aligned(tree_part.offset.saturating_add(tree_part.bytes)), contents.kernel);
        let device_tree = hashed(aligned(kernel.offset.saturating_add(kernel.bytes)), contents.device_tree);
        let rootfs = RootFilesystem { bytes: rootfs_bytes, root_hash: tree.root };
        Self { rootfs, tree: tree_part, kernel, device_tree }
    }

    /// Bytes that a slot with these parts needs at least, envelope area included.
    pub fn slot_bytes_needed(&self) -> u64 {
        let end = self.device_tree.offset.saturating_add(self.device_tree.bytes);
        aligned(end).saturating_add(ENVELOPE_AREA_BYTES)
    }
}

/// Puts a slot together: its parts, zeros, and the envelope area with the two signed envelopes. Nothing is
/// verified: [`super::verify_slot`] does that.
///
/// # Errors
/// When the content does not fit or is not what the description describes.
pub fn write_slot(
    slot: &Slot,
    contents: &Contents<'_>,
    envelopes: &EnvelopeArea<'_>,
) -> Result<Vec<u8>, WriteSlotError> {
    let tree = tree::hash_tree(contents.rootfs, BlockSize::B4096);
    let needed = slot.parts.slot_bytes_needed();
    if needed > slot.slot_bytes {
        return Err(WriteSlotError::TooLarge { needed, available: slot.slot_bytes });
    }
    slot.check()?;
    if Parts::with_tree(contents, &tree) != slot.parts {
        return Err(WriteSlotError::OtherContents);
    }
    let mut bytes = Vec::new();
    for part in [contents.rootfs, &tree.bytes, contents.kernel, contents.device_tree] {
        bytes.extend_from_slice(part);
        bytes.resize(bytes.len().next_multiple_of(BlockSize::B4096.bytes()), 0);
    }
    let area_offset =
        usize::try_from(slot.envelope_offset()?).map_err(|_| InvalidSlot::SlotBytes(slot.slot_bytes))?;
    bytes.resize(area_offset, 0);
    bytes.extend_from_slice(&envelopes.encode()?);
    Ok(bytes)
}

fn hashed(offset: u64, content: &[u8]) -> HashedPart {
    HashedPart { offset, bytes: length(content), sha256: Digest::of(content) }
}

fn aligned(bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(PART_ALIGNMENT).unwrap_or(u64::MAX)
}

fn length(bytes: &[u8]) -> u64 {
    // usize is at most 64 bits wide on every target.
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
