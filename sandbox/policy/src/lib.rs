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
mod compile;
#[cfg(test)]
mod evaluator;
mod graph;
mod groups;
mod instruction;
mod layout;
mod netd;
mod search;

pub use arch::{Arch, ParseArchError};
pub use call::{Call, Condition, Test};
pub use compile::{ABSENT, CompileFilterError, Network, Options, compile, compile_netd};
pub use groups::{GROUPS, Group};
