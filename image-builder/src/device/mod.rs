//! Talking to a running device over its channel.
//!
//! - [`client`]: requests and their answers over a byte stream.
//! - [`install`]: a package, in pieces.
//! - [`line`]: the socket of a VM, or a serial line.
//! - [`locate`]: which running VM is meant.
//! - [`print`]: answers as tables for people and as JSON lines for programs.

pub mod client;
pub mod install;
pub mod line;
pub mod locate;
pub mod print;
pub(crate) mod table;
