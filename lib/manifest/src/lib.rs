//! App manifest, image recipe and board: text to validated types, and the CBOR that the device reads.
#![forbid(unsafe_code)]

pub mod component;
pub mod device;
