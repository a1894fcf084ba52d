//! The one CBOR encoding of a value (RFC 8949, section 4.2.1).
//!
//! Maps have integer keys in ascending order and everything is as short as it can be, so a value has one
//! encoding. Decoding encodes again and compares, which refuses every other one, and trailing bytes.

use alloc::vec::Vec;

use minicbor::{Decode, Encode};

/// Why bytes are not the one encoding of a value.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not CBOR of the expected shape.
    #[error("not the expected CBOR")]
    Shape(#[from] minicbor::decode::Error),
    /// CBOR of the expected shape, but not its deterministic encoding.
    #[error("not in the deterministic encoding")]
    NotDeterministic,
}

/// Encodes a value in its one form.
pub(crate) fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    match minicbor::encode(value, &mut out) {
        Ok(()) => out,
        // Writing to a Vec does not fail, and no type of this crate refuses to be encoded. No decoder
        // takes the empty answer.
        Err(_) => Vec::new(),
    }
}

/// Decodes a value and refuses every encoding but the one that [`encode`] makes.
pub(crate) fn decode<'b, T: Decode<'b, ()> + Encode<()>>(bytes: &'b [u8]) -> Result<T, DecodeError> {
    let value: T = minicbor::decode(bytes)?;
    if encode(&value) == bytes { Ok(value) } else { Err(DecodeError::NotDeterministic) }
}
