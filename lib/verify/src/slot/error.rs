//! Why a slot is refused.

use alloc::string::String;

use super::envelope_area::EnvelopeAreaError;
use super::payload::{InvalidSlot, SlotPart};
use super::read_at::ReadError;
use crate::deterministic::DecodeError;
use crate::envelope::VerifyEnvelopeError;
use crate::key_set::VerifyKeySetError;

/// Why a slot is refused; [`SlotError::part`] names the part.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// Not to be read. This says nothing about the slot.
    #[error("read the slot at byte {offset}")]
    Read {
        /// First byte of what was to be read.
        offset: u64,
        /// What the reader says.
        #[source]
        cause: ReadError,
    },
    /// Too short to hold an envelope area.
    #[error("a slot cannot have {0} bytes")]
    TooShort(u64),
    /// No envelope area.
    #[error("read the envelope area")]
    EnvelopeArea(#[from] EnvelopeAreaError),
    /// No key set of the root key.
    #[error("verify the key set in the envelope")]
    KeySet(#[from] VerifyKeySetError),
    /// Not signed by an OS key of the key set.
    #[error("verify the slot's envelope")]
    Signature(#[from] VerifyEnvelopeError),
    /// Signed, but not a slot description.
    #[error("decode the slot description in the envelope")]
    Decode(#[from] DecodeError),
    /// A slot description that breaks its rules.
    #[error("check the slot description in the envelope")]
    Invalid(#[from] InvalidSlot),
    /// More or fewer bytes than were signed.
    #[error("the slot has {found} bytes and not the {signed} that its envelope says")]
    Length {
        /// Bytes there are.
        found: u64,
        /// Bytes there should be.
        signed: u64,
    },
    /// A block of the root filesystem does not match its hash.
    #[error("block {block} of the root filesystem does not match its hash")]
    RootFilesystem {
        /// Number of the 4096-byte block, from 0.
        block: u64,
    },
    /// Root filesystem and hash tree agree with each other, but not with the signed root hash.
    #[error("the root filesystem does not match the root hash in the envelope")]
    RootHash,
    /// A block of the hash tree is not what the root filesystem gives.
    #[error("block {block} of the hash tree does not match")]
    HashTree {
        /// Number of the 4096-byte block within the tree, from 0.
        block: u64,
    },
    /// The kernel does not match its digest.
    #[error("the kernel does not match its hash")]
    Kernel,
    /// The device tree does not match its digest.
    #[error("the device tree does not match its hash")]
    DeviceTree,
    /// A byte between or after the parts is not zero.
    #[error("the padding is not zero at byte {offset} of the slot")]
    Padding {
        /// The first such byte, counted from the start of the slot.
        offset: u64,
    },
    /// Made for another profile, board or architecture.
    #[error("the slot is made for {what} `{found}`, not `{wanted}`")]
    WrongTarget {
        /// `profile`, `board` or `architecture`.
        what: &'static str,
        /// What it is made for.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// An old version that must not come back.
    #[error("the {what} has rollback index {found}, and at least {wanted} is required")]
    RolledBack {
        /// `slot` or `key set`.
        what: &'static str,
        /// Its rollback index.
        found: u64,
        /// The smallest that is accepted.
        wanted: u64,
    },
}

impl SlotError {
    /// The part that is not right; none when the slot could not be read or is not the one asked for.
    pub fn part(&self) -> Option<SlotPart> {
        match self {
            Self::Read { .. } | Self::TooShort(_) | Self::Length { .. } => None,
            Self::WrongTarget { .. } | Self::RolledBack { .. } => None,
            Self::EnvelopeArea(_)
            | Self::KeySet(_)
            | Self::Signature(_)
            | Self::Decode(_)
            | Self::Invalid(_) => Some(SlotPart::Envelope),
            Self::RootFilesystem { .. } | Self::RootHash => Some(SlotPart::RootFilesystem),
            Self::HashTree { .. } => Some(SlotPart::HashTree),
            Self::Kernel => Some(SlotPart::Kernel),
            Self::DeviceTree => Some(SlotPart::DeviceTree),
            Self::Padding { .. } => Some(SlotPart::Padding),
        }
    }
}
