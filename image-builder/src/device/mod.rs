//! Talking to a running device over its channel.
//!
//! - [`client`]: requests and their answers over a byte stream.
//! - [`locate`]: which running VM is meant.
//! - [`print`]: answers as tables for people and as JSON lines for programs.

pub mod client;
pub mod locate;
pub mod print;
pub(crate) mod table;
