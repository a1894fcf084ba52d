//! The packet (RFC 5905, section 7.3), without extensions and signatures.
//!
//! ```text
//! leap version mode | stratum | poll | precision | root delay (4) | root dispersion (4) | reference id (4)
//! reference time (8) | originate time (8) | receive time (8) | transmit time (8)
//! ```

use crate::bytes::Reader;

/// Bytes of it.
pub(super) const LEN: usize = 48;

/// No warning, version 4, client.
const CLIENT: u8 = 4 << 3 | 3;

const MODE_SERVER: u8 = 4;

/// Seconds from 1900 to 1970.
const UNIX_EPOCH: u64 = 2_208_988_800;

/// What a server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    /// Warning of a leap second; 3 is a clock that isn't set.
    pub(super) leap: u8,
    /// Distance from a real clock; 0 is a server that wants to be left alone.
    pub(super) stratum: u8,
    /// With a stratum of 0: in what way.
    pub(super) reference: [u8; 4],
    /// The transmit time of the question.
    pub(super) originate: u64,
    pub(super) receive: Timestamp,
    pub(super) transmit: Timestamp,
}

/// Seconds since 1900 modulo 2^32, in units of 2^-32 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timestamp(pub(super) u64);

impl Timestamp {
    /// Milliseconds since 1970. Seconds with the highest bit set are of 1968 to 2036, the others of 2036 to 2104
    /// (RFC 4330, section 3); `None` before 1970.
    pub(super) fn unix_ms(self) -> Option<u64> {
        let (seconds, fraction) = (self.0 >> 32, self.0 & 0xffff_ffff);
        let era = if seconds & 0x8000_0000 == 0 { 1 << 32 } else { 0 };
        let unix_s = (era + seconds).checked_sub(UNIX_EPOCH)?;
        Some(unix_s * 1000 + ((fraction * 1000) >> 32))
    }

    /// Milliseconds from an earlier time to this one; 0 if that one is later.
    pub(super) fn ms_since(self, earlier: Self) -> u64 {
        let difference = self.0.wrapping_sub(earlier.0).cast_signed();
        u64::try_from(difference)
            .map_or(0, |units| (units >> 32) * 1000 + (((units & 0xffff_ffff) * 1000) >> 32))
    }
}

/// Our question; a random number stands in the place of our time, which is nobody's business.
pub(super) fn question(nonce: u64) -> Vec<u8> {
    let mut out = vec![0; LEN - 8];
    if let Some(first) = out.first_mut() {
        *first = CLIENT;
    }
    out.extend(nonce.to_be_bytes());
    out
}

/// Reads a server's answer of version 3 or 4; `None` if it isn't one.
pub(super) fn read(bytes: &[u8]) -> Option<Answer> {
    let mut reader = Reader::new(bytes);
    let [first, stratum, _poll, _precision] = reader.array()?;
    let (leap, version, mode) = (first >> 6, first >> 3 & 7, first & 7);
    let _root = reader.u64()?;
    let reference = reader.array()?;
    let _reference_time = reader.u64()?;
    let (originate, receive, transmit) = (reader.u64()?, reader.u64()?, reader.u64()?);
    (mode == MODE_SERVER && matches!(version, 3 | 4)).then_some(Answer {
        leap,
        stratum,
        reference,
        originate,
        receive: Timestamp(receive),
        transmit: Timestamp(transmit),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn timestamp_of_either_era_is_converted() {
        for (seconds, unix_s) in [
            (2_208_988_800, Some(0)),
            (2_208_988_799, None),
            (0x8000_0000, None),
            (3_976_214_400, Some(1_767_225_600)),
            (u32::MAX, Some(2_085_978_495)),
            (0, Some(2_085_978_496)),
            (0x7fff_ffff, Some(4_233_462_143)),
        ] {
            let half = Timestamp(u64::from(seconds) << 32 | 0x8000_0000);
            assert_eq!(half.unix_ms(), unix_s.map(|s: u64| s * 1000 + 500), "{seconds}");
        }
    }

    #[test]
    fn difference_of_timestamps_is_right_across_the_eras() {
        let before = Timestamp(u64::MAX - (1 << 31) + 1);
        let after = Timestamp(1 << 32);
        assert_eq!(after.ms_since(before), 1500);
        assert_eq!(before.ms_since(after), 0);
    }

    #[test]
    fn answer_of_another_kind_is_none() {
        let mut bytes = question(7);
        assert_eq!((bytes.len(), bytes[0], read(&bytes)), (LEN, 0x23, None), "a question");
        for (first, is_answer) in [(0x24, true), (0x1c, true), (0xe4, true), (0x14, false), (0x25, false)] {
            bytes[0] = first;
            assert_eq!(read(&bytes).is_some(), is_answer, "{first:#x}");
        }
        bytes[0] = 0x24;
        assert_eq!(read(&bytes[..47]), None);
        bytes.extend([9; 30]);
        assert_eq!(read(&bytes).map(|answer| answer.transmit), Some(Timestamp(7)), "extensions are left");
    }

    proptest! {
        #[test]
        fn answer_of_any_bytes_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(answer) = read(&bytes) {
                answer.transmit.unix_ms();
                answer.transmit.ms_since(answer.receive);
            }
        }
    }
}
