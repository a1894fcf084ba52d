//! Bytes of a slot and the root key to a verdict.

use alloc::vec::Vec;
use core::ops::Range;

use super::envelope_area::{ENVELOPE_AREA_BYTES, EnvelopeArea};
use super::error::SlotError;
use super::payload::{HashedPart, Slot};
use super::read_at::ReadAt;
use crate::digest::{DIGEST_BYTES, Hasher};
use crate::envelope::{self, Kind};
use crate::key::{KeyId, PublicKey};
use crate::key_set::KeySet;
use crate::target::{Arch, Profile};
use crate::tree::{BlockSize, Leaves};

/// How much is read at once, in bytes: a multiple of a block.
const CHUNK_BYTES: usize = 64 * 1024;
const BLOCK_BYTES: usize = BlockSize::B4096.bytes();

/// How much of a slot is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// Every byte.
    #[default]
    Whole,
    /// What is used before the kernel checks the rest at every read: envelope, kernel, device tree.
    Boot,
}

/// What a slot has to be, beside signed and whole. The default demands nothing more.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions<'a> {
    /// How much is looked at.
    pub depth: Depth,
    /// The only profile that is accepted.
    pub profile: Option<Profile>,
    /// The only board that is accepted.
    pub board: Option<&'a str>,
    /// The only architecture that is accepted.
    pub arch: Option<Arch>,
    /// Slots with a smaller rollback index are refused.
    pub min_rollback_index: u64,
    /// Key sets with a smaller rollback index are refused.
    pub min_key_set_rollback_index: u64,
}

/// A slot that is what its signer made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSlot {
    /// Its description.
    pub slot: Slot,
    /// The keys of its owner.
    pub key_set: KeySet,
    /// The OS key that signed it.
    pub signed_by: KeyId,
}

/// Verifies a slot in memory.
///
/// # Errors
/// When anything about it is not as it was signed, or it is not what the options demand.
pub fn verify_slot(
    bytes: &[u8],
    root: &PublicKey,
    options: &VerifyOptions<'_>,
) -> Result<VerifiedSlot, SlotError> {
    verify_slot_from(&mut &*bytes, root, options)
}

/// Verifies a slot where it is, in pieces of 64 KiB.
///
/// # Errors
/// When anything about it is not as it was signed, it is not what the options demand, or it cannot be read.
pub fn verify_slot_from<R: ReadAt + ?Sized>(
    reader: &mut R,
    root: &PublicKey,
    options: &VerifyOptions<'_>,
) -> Result<VerifiedSlot, SlotError> {
    let found = reader.len();
    let area_offset = found.checked_sub(ENVELOPE_AREA_BYTES).ok_or(SlotError::TooShort(found))?;
    let area = read(reader, area_offset..found)?;
    let verified = verify_envelopes(&area, root)?;
    let slot = &verified.slot;
    if slot.slot_bytes != found {
        return Err(SlotError::Length { found, signed: slot.slot_bytes });
    }
    check_demands(&verified, options)?;
    verify_hashed(reader, &slot.parts.kernel, SlotError::Kernel)?;
    verify_hashed(reader, &slot.parts.device_tree, SlotError::DeviceTree)?;
    if options.depth == Depth::Whole {
        verify_rootfs(reader, slot)?;
        verify_padding(reader, slot)?;
    }
    Ok(verified)
}

fn verify_envelopes(area: &[u8], root: &PublicKey) -> Result<VerifiedSlot, SlotError> {
    let area = EnvelopeArea::parse(area)?;
    let key_set = KeySet::verify(area.key_set, root)?;
    let envelope = envelope::verify(Kind::Slot, area.slot, &key_set.os_keys())?;
    let slot = Slot::decode(envelope.payload)?;
    slot.check()?;
    Ok(VerifiedSlot { slot, key_set, signed_by: envelope.key })
}

fn check_demands(verified: &VerifiedSlot, options: &VerifyOptions<'_>) -> Result<(), SlotError> {
    let VerifiedSlot { slot, key_set, .. } = verified;
    let targets = [
        ("profile", slot.profile.as_str(), options.profile.map(Profile::as_str)),
        ("board", slot.board.as_str(), options.board),
        ("architecture", slot.arch.as_str(), options.arch.map(Arch::as_str)),
    ];
    for (what, found, wanted) in targets {
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            return Err(SlotError::WrongTarget { what, found: found.into(), wanted: wanted.into() });
        }
    }
    let indices = [
        ("slot", slot.rollback_index, options.min_rollback_index),
        ("key set", key_set.rollback_index, options.min_key_set_rollback_index),
    ];
    for (what, found, wanted) in indices {
        if found < wanted {
            return Err(SlotError::RolledBack { what, found, wanted });
        }
    }
    Ok(())
}

fn verify_hashed<R: ReadAt + ?Sized>(
    reader: &mut R,
    part: &HashedPart,
    refusal: SlotError,
) -> Result<(), SlotError> {
    let mut hasher = Hasher::new();
    let end = part.offset.saturating_add(part.bytes);
    for_each_chunk(reader, part.offset..end, |_, chunk| {
        hasher.update(chunk);
        Ok(())
    })?;
    if hasher.finish() == part.sha256 { Ok(()) } else { Err(refusal) }
}

/// Builds the hash tree again and compares it with the signed root hash and with the tree in the slot.
fn verify_rootfs<R: ReadAt + ?Sized>(reader: &mut R, slot: &Slot) -> Result<(), SlotError> {
    let [(_, rootfs), (_, tree), ..] = slot.ranges()?;
    let mut leaves = Leaves::new(BlockSize::B4096);
    for_each_chunk(reader, rootfs, |_, chunk| {
        chunk.chunks(BLOCK_BYTES).for_each(|block| leaves.push(block));
        Ok(())
    })?;
    let computed = leaves.clone().finish();
    let stored = read(reader, tree)?;
    if computed.root == slot.parts.rootfs.root_hash {
        return match first_difference(&computed.bytes, &stored, BLOCK_BYTES) {
            Some(block) => Err(SlotError::HashTree { block }),
            None => Ok(()),
        };
    }
    // The stored leaf digests are the last level of the tree: the first that differs names the block.
    let level_bytes = leaves.digests().len().next_multiple_of(BLOCK_BYTES);
    let stored_leaves = stored.get(stored.len().saturating_sub(level_bytes)..).unwrap_or(&[]);
    match first_difference(leaves.digests(), stored_leaves, DIGEST_BYTES) {
        Some(block) => Err(SlotError::RootFilesystem { block }),
        None => Err(SlotError::RootHash),
    }
}

/// Checks what lies between the parts and between them and the envelope area.
fn verify_padding<R: ReadAt + ?Sized>(reader: &mut R, slot: &Slot) -> Result<(), SlotError> {
    let ranges = slot.ranges()?;
    let starts = ranges.iter().skip(1).map(|(_, range)| range.start).chain([slot.envelope_offset()?]);
    for ((_, range), next) in ranges.iter().zip(starts) {
        for_each_chunk(reader, range.end..next, |offset, chunk| {
            let found = (offset..).zip(chunk).find(|(_, byte)| **byte != 0);
            found.map_or(Ok(()), |(offset, _)| Err(SlotError::Padding { offset }))
        })?;
    }
    Ok(())
}

/// Number of the first piece in which the left bytes differ from the right ones, which are as long.
fn first_difference(left: &[u8], right: &[u8], piece_bytes: usize) -> Option<u64> {
    let mut rights = right.chunks(piece_bytes);
    (0..).zip(left.chunks(piece_bytes)).find(|(_, piece)| rights.next() != Some(*piece)).map(|(at, _)| at)
}

fn for_each_chunk<R: ReadAt + ?Sized>(
    reader: &mut R,
    range: Range<u64>,
    mut take: impl FnMut(u64, &[u8]) -> Result<(), SlotError>,
) -> Result<(), SlotError> {
    let mut chunk = Vec::new();
    let mut offset = range.start;
    while offset < range.end {
        let left = usize::try_from(range.end.saturating_sub(offset)).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        chunk.resize(left, 0);
        reader.read_at(offset, &mut chunk).map_err(|cause| SlotError::Read { offset, cause })?;
        take(offset, &chunk)?;
        offset = offset.saturating_add(CHUNK_BYTES as u64);
    }
    Ok(())
}

/// Reads a range that is known to be small: the envelope area, or a tree.
fn read<R: ReadAt + ?Sized>(reader: &mut R, range: Range<u64>) -> Result<Vec<u8>, SlotError> {
    let mut bytes = Vec::new();
    for_each_chunk(reader, range, |_, chunk| {
        bytes.extend_from_slice(chunk);
        Ok(())
    })?;
    Ok(bytes)
}
