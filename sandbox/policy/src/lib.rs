//! The syscalls an app may make, as data, compiled on the host.
//!
//! [`GROUPS`] is an allow-list: every call has its number on each architecture, the arguments with which
//! it is allowed, and a reason of one line. [`compile`] makes the filter that travels in the signed
//! package; the device loads these bytes and parses no policy. netd has a filter of its own
//! ([`compile_netd`]).
//!
//! What is on no list gives `EPERM`. A few calls give `ENOSYS` instead ([`ABSENT`]): a C library then
//! falls back to a call that the filter can judge. A program of another architecture is killed
//! (Documentation/userspace-api/seccomp_filter.rst).
#![forbid(unsafe_code)]

mod arch;
mod arguments;
mod call;
#[cfg(feature = "compile")]
mod compile;
#[cfg(all(test, feature = "compile"))]
mod evaluator;
pub mod explain;
#[cfg(feature = "compile")]
mod graph;
mod groups;
#[cfg(feature = "compile")]
mod instruction;
#[cfg(feature = "compile")]
mod layout;
#[cfg(feature = "compile")]
mod netd;
#[cfg(feature = "compile")]
mod options;
#[cfg(feature = "compile")]
mod search;
mod watched;

pub use arch::{Arch, ParseArchError};
pub use call::{Call, Condition, Grant, Test};
#[cfg(feature = "compile")]
pub use compile::{ABSENT, CompileFilterError, compile, compile_netd};
pub use groups::{Experience, GROUPS, Group, REST};
#[cfg(feature = "compile")]
pub use options::{Denials, Network, Options};
pub use watched::{WATCHED, Watched, is_watched, watches};
