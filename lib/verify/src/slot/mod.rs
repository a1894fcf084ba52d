//! A slot: a bootable system in one partition.
//!
//! ```text
//! 0                   root filesystem, a multiple of 4096 bytes
//! tree.offset         its dm-verity hash tree, without superblock
//! kernel.offset       kernel image
//! device_tree.offset  device tree, may be empty
//!                     zeros
//! end - 64 KiB        envelope area: signed key set, signed [`Slot`]
//! ```
//!
//! Parts begin at multiples of 4096 and gaps between them are zero, so every byte of a slot has one right
//! value: the root filesystem by its root hash, the tree by recomputing it, kernel and device tree by
//! digest, gaps by being zero, the envelope area by signatures and zeros.

mod command_line;
mod envelope_area;
mod error;
mod payload;
mod read_at;
mod verify;
mod write;

pub use command_line::{InvalidArguments, RenderCommandLineError, SlotLetter};
pub use envelope_area::{ENVELOPE_AREA_BYTES, EncodeEnvelopeAreaError, EnvelopeArea, EnvelopeAreaError};
pub use error::SlotError;
pub use payload::{
    CriticalApp, HashedPart, InvalidSlot, MAX_SLOT_BYTES, PART_ALIGNMENT, Part, Parts, RootFilesystem, Slot,
    SlotPart,
};
pub use read_at::{ReadAt, ReadError};
pub use verify::{Depth, VerifiedSlot, VerifyOptions, verify_slot, verify_slot_from};
pub use write::{Contents, WriteSlotError, write_slot};
