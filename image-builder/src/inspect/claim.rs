//! What a slot says of itself when it cannot be verified. Nothing of it is to be relied on.

use minicbor::Decoder;
use nacre_verify::key_set::KeySet;
use nacre_verify::slot::{ENVELOPE_AREA_BYTES, EnvelopeArea, ReadAt, Slot};

use super::file::FileRange;

/// Reads the slot's description and key set without checking any signature. [`None`] if they are not there.
pub(crate) fn read(file: &FileRange) -> Option<(Slot, KeySet)> {
    let offset = file.len().checked_sub(ENVELOPE_AREA_BYTES)?;
    let area = file.read(offset, ENVELOPE_AREA_BYTES).ok()?;
    let area = EnvelopeArea::parse(&area).ok()?;
    let slot: Slot = minicbor::decode(payload(area.slot)?).ok()?;
    // A description that breaks its rules would not even be shown right.
    slot.check().ok()?;
    let key_set = minicbor::decode(payload(area.key_set)?).ok()?;
    Some((slot, key_set))
}

/// The payload of a COSE_Sign1 (RFC 9052, section 4.2).
pub(crate) fn payload(envelope: &[u8]) -> Option<&[u8]> {
    let mut decoder = Decoder::new(envelope);
    decoder.tag().ok()?;
    decoder.array().ok()?;
    decoder.bytes().ok()?;
    decoder.skip().ok()?;
    decoder.bytes().ok()
}
