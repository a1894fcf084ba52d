//! A structured line of an app's log: how grave it is, what it says, and figures beside it, each with a name.

use std::fmt::Write;

use minicbor::{Decode, Encode};

/// Most fields of a line.
pub const MAX_FIELDS: usize = 8;

/// Longest key of a field, in bytes.
pub const MAX_KEY: usize = 32;

/// Longest text, keys and values of a line together, in bytes.
pub const MAX_LINE: usize = 1024;

/// How grave a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Level {
    /// Something is not done that should have been.
    #[n(0)]
    Error,
    /// Something is not as it should be, and the app goes on.
    #[n(1)]
    Warning,
    /// What happens.
    #[n(2)]
    Info,
    /// What only who writes the app wants to know.
    #[n(3)]
    Debug,
}

impl Level {
    /// Its name: `error`, `warning`, `info`, `debug`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// A value with a name.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Field {
    /// `a-z`, `0-9`, `_` and `-`, with a letter first, at most [`MAX_KEY`] bytes.
    #[n(0)]
    pub key: String,
    /// Any text.
    #[n(1)]
    pub value: String,
}

/// What a structured line has besides its text.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Detail {
    /// How grave it is.
    #[n(0)]
    pub level: Level,
    /// At most [`MAX_FIELDS`].
    #[n(1)]
    pub fields: Vec<Field>,
}

/// What is wrong with a structured line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// More than [`MAX_LINE`] bytes.
    #[error("a log line has at most {MAX_LINE} bytes, its fields included")]
    TooLong,
    /// More than [`MAX_FIELDS`].
    #[error("a log line has at most {MAX_FIELDS} fields")]
    Fields,
    /// A key that is none.
    #[error("the key of a log field is 1 to {MAX_KEY} of a-z, 0-9, _ and -, with a letter first")]
    Key,
}

/// Holds a line against the bounds.
///
/// # Errors
/// The first bound that it is over.
pub fn check(text: &str, detail: &Detail) -> Result<(), LineError> {
    let fields = &detail.fields;
    let bytes = fields.iter().map(|field| field.key.len() + field.value.len()).sum::<usize>() + text.len();
    if bytes > MAX_LINE {
        return Err(LineError::TooLong);
    }
    if fields.len() > MAX_FIELDS {
        return Err(LineError::Fields);
    }
    if fields.iter().all(|field| is_key(&field.key)) { Ok(()) } else { Err(LineError::Key) }
}

fn is_key(key: &str) -> bool {
    key.len() <= MAX_KEY
        && key.starts_with(|first: char| first.is_ascii_lowercase())
        && key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// A line as people read it: `warning: no samples peer=recorder why="not running"`. The level is left out where it is
/// [`Level::Info`].
pub fn shown(text: &str, detail: Option<&Detail>) -> String {
    let Some(Detail { level, fields }) = detail else { return text.to_owned() };
    let mut line = match level {
        Level::Info => text.to_owned(),
        level => format!("{}: {text}", level.name()),
    };
    for Field { key, value } in fields {
        let plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '=' | '\\');
        // Writing to a String can't fail.
        let _ = if !value.is_empty() && value.chars().all(plain) {
            write!(line, " {key}={value}")
        } else {
            write!(line, " {key}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
        };
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(level: Level, fields: &[(&str, &str)]) -> Detail {
        let field = |(key, value): &(&str, &str)| Field { key: (*key).into(), value: (*value).into() };
        Detail { level, fields: fields.iter().map(field).collect() }
    }

    #[test]
    fn line_is_shown_with_its_level_and_its_fields_quoted_where_needed() {
        let fields = [("peer", "recorder"), ("why", "not running"), ("empty", ""), ("odd", "a\"b\\")];
        assert_eq!(
            shown("no samples", Some(&detail(Level::Warning, &fields))),
            r#"warning: no samples peer=recorder why="not running" empty="" odd="a\"b\\""#
        );
        assert_eq!(shown("begins", Some(&detail(Level::Info, &[("port", "8080")]))), "begins port=8080");
        assert_eq!(shown("plain", None), "plain");
    }

    #[test]
    fn line_over_a_bound_is_refused_and_one_at_it_is_not() {
        let line = |text: usize, key: &str, count: usize| {
            let fields: Vec<_> = (0..count).map(|_| (key, "v")).collect();
            check(&"x".repeat(text), &detail(Level::Info, &fields))
        };
        assert_eq!(line(MAX_LINE - 2, "k", 1), Ok(()));
        assert_eq!(line(MAX_LINE - 1, "k", 1), Err(LineError::TooLong));
        assert_eq!(line(0, "k", MAX_FIELDS), Ok(()));
        assert_eq!(line(0, "k", MAX_FIELDS + 1), Err(LineError::Fields));
        assert_eq!(line(0, &"k".repeat(MAX_KEY), 1), Ok(()));
        for key in ["", "1a", "A", "a b", "a=b", "ä", &"k".repeat(MAX_KEY + 1)] {
            assert_eq!(line(0, key, 1), Err(LineError::Key), "{key}");
        }
    }
}
