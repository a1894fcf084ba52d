//! Where in a source text something stands.

use std::fmt;

/// A file, and where known a spot in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the user named it.
    pub file: String,
    /// Line and column, where known.
    pub spot: Option<Spot>,
}

/// A spot in a text file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// The whole line, without its end.
    pub text: String,
    /// How many characters, from the column on, are meant; at least 1 is marked.
    pub width: usize,
}

impl Place {
    /// A whole file.
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: file.into(), spot: None }
    }

    /// A spot in a file.
    pub fn spot(file: impl Into<String>, spot: Spot) -> Self {
        Self { file: file.into(), spot: Some(spot) }
    }

    /// Line and column, for sorting; (0, 0) without a spot, so that what concerns the whole file comes
    /// first.
    pub fn line_column(&self) -> (usize, usize) {
        self.spot.as_ref().map_or((0, 0), |spot| (spot.line, spot.column))
    }
}

/// `file:line:column`, or `file`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.spot {
            Some(spot) => write!(f, "{}:{}:{}", self.file, spot.line, spot.column),
            None => f.write_str(&self.file),
        }
    }
}
