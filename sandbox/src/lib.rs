//! Policy to plan to prepared to sealed, and the launcher that executes the app.
//!
//! appmgr starts `/sbin/sandbox` as process 1 of a new PID namespace, inside the app's cgroup, with a
//! [`LaunchSpec`] as the first packet of the socket on descriptor [`MANAGER_FD`]. The launcher makes a [`Plan`] of
//! it, which is pure, and goes through it:
//!
//! 1. [`Plan::prepare`]: what needs root. Namespaces, mounts, pivot, the app's uid, its user namespace.
//! 2. [`Prepared::seal`]: what takes away. Capabilities, privileges, files, limits, syscalls.
//! 3. [`Sealed::execute`]: the app.
//!
//! Each consumes the one before it, so that the order is a fact of the types. A step that fails is named
//! in one line over the same socket, and nothing is executed. Nor is it if nobody takes the filter's listener.
#![forbid(unsafe_code)]

mod access;
mod capabilities;
mod check;
mod error;
mod layer;
mod limits;
mod mounts;
mod plan;
mod prepared;
mod sealed;
mod spec;
mod step;
mod user_namespace;

pub use error::LaunchError;
pub use layer::Layer;
pub use plan::{Plan, PlanError};
pub use prepared::Prepared;
pub use sealed::Sealed;
pub use spec::{DecodeSpecError, LaunchSpec, MAX_SPEC_BYTES, NetworkSpec};
pub use step::Step;

/// Descriptor of the socket (unix, of packets) to appmgr. From there comes one packet, the encoded [`LaunchSpec`]. Back
/// goes the filter's listener in a packet of [`LISTENER_PACKET`]; or one line of text when a step fails. It closes when
/// the app is executed.
pub const MANAGER_FD: i32 = 3;
/// What the packet says that brings the listener of the app's filter (seccomp_unotify(2)).
pub const LISTENER_PACKET: &[u8] = &[0];
/// Longest line of text that tells of a step that failed, in bytes.
pub const MAX_REPORT_BYTES: usize = 512;
/// Descriptor of the app's network namespace, if it has a network ([`LaunchSpec::network`]).
pub const NETWORK_FD: i32 = 4;
/// The app's uid and gid inside its user namespace.
pub const INSIDE_ID: u32 = 1000;
