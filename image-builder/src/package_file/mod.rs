//! App packages as files: what is in one, what changed between two, and who signs them.
//!
//! A package is taken apart whoever signed it, so that a reviewer sees what it claims; whether that is to be relied on
//! stands beside it. Its filesystem is read only after it was verified.
//!
//! - [`open`]: reading one; [`known_keys`]: whose signature is trusted, and what other keys are.
//! - [`report`], [`changes`]: what is in it, and what differs, as data; [`text`]: the same for people.
//! - [`files`]: the files in its filesystem.
//! - [`request`]: what a key is asked to sign; [`write`]: putting a file in its place.

pub mod changes;
pub mod files;
pub mod known_keys;
pub mod open;
pub mod report;
pub mod request;
pub mod text;
pub mod write;
