//! End-to-end tests on a real kernel in a VM: images built by `nacre build`, run by `nacre run`, asked by
//! `nacre device`, judged by programs that are not ours. The tests themselves are in `tests/vm`.
//!
//! A helper here panics when the thing under test fails: that is what a test does.
#![forbid(unsafe_code)]

pub mod image;
pub mod nacre;
pub mod steps;
pub mod vm;
