//! What recorder keeps, and what it tells a peer that asks.
#![forbid(unsafe_code)]

pub mod protocol;
pub mod ring;
