//! Kernel calls that nix lacks, by file descriptor; the only unsafe code outside the first stage.
//!
//! One module per call. It parses nothing and decides nothing: it names the kernel's precondition,
//! makes the call and names the error.
#![allow(unsafe_code)] // The one crate whose work this is; every other one forbids it.

pub mod allocator;
pub mod capabilities;
pub mod close_range;
pub mod credentials;
pub mod event_loop;
pub mod exchange;
pub mod fd_passing;
pub mod file;
pub mod fork;
pub mod gpio;
pub mod inherited;
pub mod landlock;
pub mod loopback;
pub mod memory;
#[cfg(target_env = "musl")]
mod musl;
pub mod netlink;
pub mod netns;
pub mod pidfd;
pub mod seccomp;
pub mod seccomp_notify;
pub mod securebits;
pub mod signals;
pub mod spawn;
pub mod sysctl;
pub mod tty;
pub mod verity;
