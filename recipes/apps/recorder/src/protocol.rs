//! Between recorder and the peers that ask it, as CBOR in the payload of a call.

use minicbor::{Decode, Encode};

use crate::ring::Sample;

/// The component that answers.
pub const RECORDER: &str = "org.nacre.recorder";

/// Most samples in one answer: 240 of them fit a payload of 3,072 bytes with room to spare.
pub const MOST_SAMPLES: u16 = 240;

/// Asks for the newest samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Ask {
    /// How many, at most [`MOST_SAMPLES`].
    #[n(0)]
    pub newest: u16,
    /// Instead of single samples: means over so many seconds each.
    #[n(1)]
    pub every_s: Option<u32>,
}

/// The newest samples, oldest of them first.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Answer {
    /// Samples kept in all.
    #[n(0)]
    pub kept: u32,
    /// How many boots they come from.
    #[n(1)]
    pub boots: u32,
    /// Memory of the device, in KiB.
    #[n(2)]
    pub memory_total_kib: u32,
    /// The newest ones, or means.
    #[n(3)]
    pub samples: Vec<Sample>,
}
