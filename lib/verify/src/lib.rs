//! Signed envelope, hash trees, package and slot formats: bytes and keys to a verdict.
//!
//! Everything that is read here is untrusted until it is verified, so every bound is checked and no input
//! panics. The same code runs in the first stage, on the device and on the host.
//!
//! - [`key`]: public keys and their short ids.
//! - [`envelope`]: the one signed form (COSE_Sign1).
//! - [`key_set`]: which keys may sign what, signed by the root key.
//! - [`capability`]: what one device lets its holder do for a while.
//! - [`tree`], [`fs_verity`]: the kernel's hash trees, computed.
//! - [`slot`]: a bootable system in one partition.
//! - [`package`]: one app in one file.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

pub mod capability;
mod deterministic;
pub mod digest;
pub mod envelope;
pub mod fs_verity;
pub mod key;
pub mod key_set;
pub mod package;
pub mod slot;
pub mod target;
mod text;
pub mod tree;

pub use deterministic::DecodeError;
