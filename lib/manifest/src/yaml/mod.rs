//! YAML text to values that know where they stand.
//!
//! The YAML library gives a position with an error only, never with a value. So the text is read once into
//! a tree ([`tree`]); where a problem is found, the text is read again up to that value, and an error
//! raised there tells line and column ([`locate`]). Problems are rare and files small: no second parser and
//! no guess is needed.

mod alias;
mod fields;
mod locate;
mod reading;
mod source;
mod syntax;
mod tree;

pub(crate) use fields::{Fields, shown};
pub(crate) use reading::Reading;
pub(crate) use source::read_file;
pub(crate) use tree::{Node, Value};

/// Longest file that is read, in bytes: a hundred times a long manifest.
const MAX_TEXT: usize = 64 * 1024;

/// Most values in one file, aliases followed: bounds the memory that a small file can ask for.
const MAX_VALUES: usize = 10_000;

/// Most bytes of text in all values of one file, aliases followed.
const MAX_VALUE_BYTES: usize = 1 << 20;

/// Problems reported from one file; after that many nobody reads on.
const MAX_PROBLEMS: usize = 50;
