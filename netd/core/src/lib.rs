//! What netd says to DHCP, DNS and time servers, and what it makes of their answers: bytes and time in, decisions
//! out; no I/O, no clock.
//!
//! - [`dhcp`]: the device's address, its router and its servers (RFC 2131);
//! - [`dns`]: the apps' resolver, which opens what it answers;
//! - [`ntp`]: what time it is (RFC 4330);
//! - [`dropped`]: what the packet filter has stopped, and what of it is told;
//! - [`policy`]: what an app may reach and where it may be reached;
//! - [`address`]: which addresses may be another machine's.
//!
//! Each of the first three is a state machine: `step(event, now, random)` gives the actions to carry out, in their order;
//! `deadline()` is when it wants its `Timer` event. An early or needless `Timer` does nothing.
#![forbid(unsafe_code)]

pub mod address;
mod bucket;
mod bytes;
pub mod dhcp;
pub mod dns;
pub mod dropped;
pub mod ntp;
pub mod policy;

/// Milliseconds on a clock that never goes back and goes on while the device sleeps (`CLOCK_BOOTTIME`).
pub type Millis = u64;

/// Where random numbers come from: each call gives 32 bits that nobody can guess (`getrandom(2)`).
pub type Random<'a> = dyn FnMut() -> u32 + 'a;
