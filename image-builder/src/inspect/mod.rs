//! Looking at built images: verifying them, and showing what is in them.
//!
//! - [`subject`]: what a path holds; [`file`], [`partitions`]: reading it.
//! - [`check`]: one verdict for each slot and package.
//! - [`report`], [`app_report`]: what is in them, as data; [`text`]: the same for people.

pub mod app_report;
pub mod check;
pub(crate) mod claim;
pub mod file;
pub mod partitions;
pub mod report;
pub mod root_files;
pub mod subject;
pub mod text;
pub(crate) mod trust;

#[cfg(test)]
pub(crate) mod tests;
