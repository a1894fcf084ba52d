//! What the app manager does next: (state, event, now) to (state, actions); no I/O, no clock.
//!
//! - [`lifecycle`]: one app from its package to its end; [`fleet`]: all of them, shutdown, failed boot;
//! - [`peers`] and [`grants`]: what apps may ask of each other and of the OS;
//! - [`lease`]: how long a device capability lasts;
//! - [`network`]: netd, and when an app's network is there; [`ports`], [`wall_clock`];
//! - [`denials`]: what the sandbox refused, told within a budget; [`dropped`] and [`limits`]: in which words;
//! - [`log_ring`], [`log_intake`], [`log_line`]: lines from untrusted bytes, kept within a bound.
#![forbid(unsafe_code)]

pub mod access;
pub mod backoff;
pub mod claims;
pub mod critical;
pub mod denials;
pub mod dropped;
pub mod end;
pub mod fleet;
pub mod grants;
pub mod lease;
pub mod lifecycle;
pub mod limits;
pub mod log_intake;
pub mod log_line;
pub mod log_ring;
pub mod network;
pub mod notification_budget;
pub mod peers;
pub mod ports;
pub mod request_budget;
pub mod uptime;
pub mod wall_clock;

pub use fleet::AppIndex;
pub use uptime::Uptime;
