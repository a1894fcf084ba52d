//! The last 64 KiB of a slot: the signed key set and the signed slot description.
//!
//! ```text
//! 0   magic `NACRESLT`
//! 8   bytes of the signed key set, u32 little endian
//! 12  bytes of the signed slot description, u32 little endian
//! 16  signed key set, signed slot description, zeros
//! ```

use alloc::vec::Vec;

/// Size of the area, in bytes.
pub const ENVELOPE_AREA_BYTES: u64 = 64 * 1024;

const AREA_BYTES: usize = 64 * 1024;
const MAGIC: &[u8; 8] = b"NACRESLT";
const HEADER_BYTES: usize = 16;

/// The two envelopes of a slot, nothing verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvelopeArea<'a> {
    /// The signed key set.
    pub key_set: &'a [u8],
    /// The signed slot description.
    pub slot: &'a [u8],
}

/// Why an envelope area is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeAreaError {
    /// Not 64 KiB.
    #[error("the envelope area is not of 64 KiB")]
    Size,
    /// No slot was ever written here, or its first bytes were changed.
    #[error("no magic number at the start of the envelope area")]
    Magic,
    /// Lengths that are zero or go past the end.
    #[error("the lengths in the envelope area do not fit it")]
    Lengths,
    /// Something where zeros must be.
    #[error("the envelope area is not zero after its content, at byte {0} of it")]
    NotZero(usize),
}

/// Two envelopes that are too large for the area, or empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signed key set and slot description do not fit 64 KiB")]
pub struct EncodeEnvelopeAreaError;

impl<'a> EnvelopeArea<'a> {
    /// Takes an area apart.
    ///
    /// # Errors
    /// When its bytes are not what [`EnvelopeArea::encode`] makes of two envelopes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EnvelopeAreaError> {
        if bytes.len() != AREA_BYTES {
            return Err(EnvelopeAreaError::Size);
        }
        let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(EnvelopeAreaError::Size)?;
        if magic != MAGIC {
            return Err(EnvelopeAreaError::Magic);
        }
        let (key_set_bytes, rest) = take_length(rest)?;
        let (slot_bytes, rest) = take_length(rest)?;
        let (key_set, rest) = rest.split_at_checked(key_set_bytes).ok_or(EnvelopeAreaError::Lengths)?;
        let (slot, zeros) = rest.split_at_checked(slot_bytes).ok_or(EnvelopeAreaError::Lengths)?;
        match zeros.iter().position(|byte| *byte != 0) {
            Some(at) => {
                Err(EnvelopeAreaError::NotZero(AREA_BYTES.saturating_sub(zeros.len()).saturating_add(at)))
            }
            None => Ok(Self { key_set, slot }),
        }
    }

    /// The 64 KiB of the area.
    ///
    /// # Errors
    /// When the envelopes are too large together, or one is empty.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeEnvelopeAreaError> {
        let length =
            |bytes: &[u8]| u32::try_from(bytes.len()).ok().filter(|n| *n > 0).ok_or(EncodeEnvelopeAreaError);
        let mut area = Vec::with_capacity(AREA_BYTES);
        area.extend_from_slice(MAGIC);
        area.extend_from_slice(&length(self.key_set)?.to_le_bytes());
        area.extend_from_slice(&length(self.slot)?.to_le_bytes());
        area.extend_from_slice(self.key_set);
        area.extend_from_slice(self.slot);
        if area.len() > AREA_BYTES {
            return Err(EncodeEnvelopeAreaError);
        }
        area.resize(AREA_BYTES, 0);
        Ok(area)
    }
}

fn take_length(bytes: &[u8]) -> Result<(usize, &[u8]), EnvelopeAreaError> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(EnvelopeAreaError::Lengths)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| EnvelopeAreaError::Lengths)?;
    let fits = (1..=AREA_BYTES.saturating_sub(HEADER_BYTES)).contains(&length);
    if fits { Ok((length, rest)) } else { Err(EnvelopeAreaError::Lengths) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: EnvelopeArea<'_> = EnvelopeArea { key_set: b"keys", slot: b"slot description" };

    #[test]
    fn area_round_trips() {
        let bytes = AREA.encode().expect("it fits");
        assert_eq!(bytes.len(), AREA_BYTES);
        assert_eq!(EnvelopeArea::parse(&bytes), Ok(AREA));
    }

    #[test]
    fn area_table_of_alterations_is_refused() {
        let good = AREA.encode().expect("it fits");
        let with = |at: usize, bytes: &[u8]| {
            let mut altered = good.clone();
            altered[at..at + bytes.len()].copy_from_slice(bytes);
            altered
        };
        let cases = [
            (good[1..].to_vec(), EnvelopeAreaError::Size),
            (vec![], EnvelopeAreaError::Size),
            ([&good[..], &[0]].concat(), EnvelopeAreaError::Size),
            (with(7, b"U"), EnvelopeAreaError::Magic),
            (vec![0xff; AREA_BYTES], EnvelopeAreaError::Magic),
            (with(8, &0_u32.to_le_bytes()), EnvelopeAreaError::Lengths),
            (with(12, &0_u32.to_le_bytes()), EnvelopeAreaError::Lengths),
            (with(8, &u32::MAX.to_le_bytes()), EnvelopeAreaError::Lengths),
            (with(12, &u32::MAX.to_le_bytes()), EnvelopeAreaError::Lengths),
            (with(12, &(65536_u32 - 16 - 3).to_le_bytes()), EnvelopeAreaError::Lengths),
            (with(36, b"x"), EnvelopeAreaError::NotZero(36)),
            (with(65535, b"x"), EnvelopeAreaError::NotZero(65535)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(EnvelopeArea::parse(&bytes), Err(expected));
        }
    }

    #[test]
    fn area_takes_as_much_as_fits_and_no_more() {
        let most = vec![1; AREA_BYTES - HEADER_BYTES - AREA.key_set.len()];
        let full = EnvelopeArea { slot: &most, ..AREA };
        assert_eq!(EnvelopeArea::parse(&full.encode().expect("it fits")), Ok(full));
        let more = vec![1; most.len() + 1];
        assert_eq!(EnvelopeArea { slot: &more, ..AREA }.encode(), Err(EncodeEnvelopeAreaError));
        assert_eq!(EnvelopeArea { slot: b"", ..AREA }.encode(), Err(EncodeEnvelopeAreaError));
        assert_eq!(EnvelopeArea { key_set: b"", ..AREA }.encode(), Err(EncodeEnvelopeAreaError));
    }
}
