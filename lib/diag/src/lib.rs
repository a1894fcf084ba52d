//! One printer for errors with hints, and the table of exit codes.
//!
//! A program collects [`Diagnostic`]s (several at once in a [`Report`]), a [`Printer`] turns them into
//! text for people, [`Diagnostic::to_json`] into an object for programs, [`Diagnostic::one_line`] into a
//! line for the device's log. Nothing here does I/O: the caller writes the text to stderr and ends with
//! [`Report::exit_code`].
#![forbid(unsafe_code)]

mod chain;
mod clean;
mod diagnostic;
mod exit;
mod json;
mod place;
mod print;
mod report;
mod suggest;

pub use chain::CauseChain;
pub use diagnostic::{Diagnostic, Severity};
pub use exit::ExitCode;
pub use place::{Place, Spot};
pub use print::{Colour, Printer};
pub use report::Report;
pub use suggest::{did_you_mean, edit_distance};
