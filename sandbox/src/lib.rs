//! Policy to plan to prepared to sealed: the launcher, which becomes the app.
//!
//! appmgr makes a [`Plan`] of an app's [`LaunchSpec`], which is pure, and forks ([`nacre_sys::fork`]). Its child, process
//! 1 of a new PID namespace, inside the app's cgroup, is the launcher: it carries the plan out ([`carry_out`]). Nothing
//! is decoded or decided in it. A plan has two halves and an end:
//!
//! 1. [`Plan::prepare`]: what needs root. Namespaces, mounts, pivot, the app's uid, its user namespace.
//! 2. [`Prepared::seal`]: what takes away. Capabilities, privileges, files, limits, syscalls.
//! 3. [`Sealed::execute`]: the app.
//!
//! Each consumes the one before it, so that the order is a fact of the types. A step that fails is named
//! in one line over the socket to appmgr, and nothing is executed. Nor is it if nobody takes the filter's listener.
#![forbid(unsafe_code)]

mod access;
mod capabilities;
mod carry_out;
mod check;
mod error;
#[cfg(feature = "host")]
pub mod host;
mod layer;
mod limits;
mod mounts;
mod plan;
mod prepared;
mod sealed;
mod spec;
mod step;
mod user_namespace;

pub use carry_out::carry_out;
pub use error::LaunchError;
pub use layer::Layer;
pub use plan::{Plan, PlanError};
pub use prepared::Prepared;
pub use sealed::Sealed;
pub use spec::{LaunchSpec, NetworkSpec};
pub use step::Step;

/// What the packet says that brings the listener of the app's filter (seccomp_unotify(2)).
pub const LISTENER_PACKET: &[u8] = &[0];
/// Longest line of text that tells of a step that failed, in bytes.
pub const MAX_REPORT_BYTES: usize = 512;
/// The app's uid and gid inside its user namespace.
pub const INSIDE_ID: u32 = 1000;
