//! Values of kernel options, as fragments ask for them and as a `.config` has them.

use std::fmt;

use crate::kconfig::number;

/// What an option is, or shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `y`
    Yes,
    /// `n`, which a `.config` says by `is not set` or not at all.
    No,
    /// `m`: a module beside the image. Only fragments that ask for `MODULES=y` may ask for one.
    Module,
    /// A number as it was written, decimal or `0x`.
    Number(String),
    /// A text, without its quotes and escapes.
    Text(String),
}

/// Why a text is not a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueProblem {
    Trailing,
    Unclosed,
    Other,
}

impl ValueProblem {
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Trailing => "nothing may follow the value; the reason stands in a comment above",
            Self::Unclosed => "a text is closed by a quote",
            Self::Other => "a value is y, n, a decimal or 0x number, or a text in quotes",
        }
    }
}

impl Value {
    /// Parses the value in a line of a fragment.
    pub(crate) fn parse(text: &str) -> Result<Self, ValueProblem> {
        match Self::from_config(text.trim_end()) {
            Some(value) => Ok(value),
            None if text.starts_with('"') && !text.trim_end().get(1..).unwrap_or("").contains('"') => {
                Err(ValueProblem::Unclosed)
            }
            None if text.contains('#') => Err(ValueProblem::Trailing),
            None => Err(ValueProblem::Other),
        }
    }

    /// Parses the value in a line of a `.config`.
    pub(crate) fn from_config(text: &str) -> Option<Self> {
        match text {
            "y" => Some(Self::Yes),
            "n" => Some(Self::No),
            "m" => Some(Self::Module),
            _ => match text.strip_prefix('"') {
                Some(rest) => unquote(rest).map(Self::Text),
                None => number(text).map(|_| Self::Number(text.to_owned())),
            },
        }
    }

    /// The value as Kconfig's expressions see it: without quotes.
    pub fn plain(&self) -> &str {
        match self {
            Self::Yes => "y",
            Self::No => "n",
            Self::Module => "m",
            Self::Number(text) | Self::Text(text) => text,
        }
    }

    /// Whether two values are the same: 16 is 0x10.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => number(a) == number(b),
            _ => self == other,
        }
    }
}

/// The text up to the closing quote, which must end it.
fn unquote(text: &str) -> Option<String> {
    let mut content = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => content.push(characters.next()?),
            '"' => return characters.as_str().is_empty().then_some(content),
            c => content.push(c),
        }
    }
    None
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            other => f.write_str(other.plain()),
        }
    }
}
