//! One recommended setting, and the ways in which it can be had.

use std::fmt;

use crate::value::Value;

/// One way in which a setting can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// An option of the kernel (without `CONFIG_`) and its value.
    Config(String, Value),
    /// A sysctl and its value.
    Sysctl(String, String),
    /// A word of the kernel command line.
    Argument(String),
}

/// Why a text is no way to have a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a setting is `CONFIG_NAME=value`, `sysctl NAME=value` or `cmdline WORD`")]
pub struct WrongWant;

impl Want {
    /// Parses `CONFIG_NAME=value`, `sysctl NAME=value` or `cmdline WORD`.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<Self, WrongWant> {
        let text = text.trim();
        if let Some(option) = text.strip_prefix("CONFIG_") {
            let (symbol, value) = option.split_once('=').ok_or(WrongWant)?;
            let named = !symbol.is_empty() && symbol.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let value = Value::from_config(value).filter(|_| named).ok_or(WrongWant)?;
            return Ok(Self::Config(symbol.to_owned(), value));
        }
        let one_word = |word: &str| !word.is_empty() && !word.contains(char::is_whitespace);
        if let Some(sysctl) = text.strip_prefix("sysctl ") {
            let (name, value) = sysctl.split_once('=').ok_or(WrongWant)?;
            let whole = one_word(name) && one_word(value);
            return whole.then(|| Self::Sysctl(name.to_owned(), value.to_owned())).ok_or(WrongWant);
        }
        match text.strip_prefix("cmdline ") {
            Some(word) if one_word(word) => Ok(Self::Argument(word.to_owned())),
            _ => Err(WrongWant),
        }
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(symbol, value) => write!(f, "CONFIG_{symbol}={value}"),
            Self::Sysctl(name, value) => write!(f, "sysctl {name}={value}"),
            Self::Argument(word) => write!(f, "cmdline {word}"),
        }
    }
}

/// A recommended setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What is recommended.
    pub wanted: Want,
    /// What does the same, or makes it needless: `CONFIG_PERF_EVENTS=n` for a sysctl of perf.
    pub instead: Vec<Want>,
    /// What it is for.
    pub reason: String,
    /// Who recommends it.
    pub from: Vec<&'static str>,
}

/// One entry for each setting, in the order of their first appearance: with everybody who recommends it,
/// all that does the same, and the last reason (the lists' own words follow the kernel's).
pub(super) fn merged(settings: Vec<Setting>) -> Vec<Setting> {
    let mut merged: Vec<Setting> = Vec::new();
    for setting in settings {
        match merged.iter_mut().find(|known| known.wanted == setting.wanted) {
            Some(known) => {
                known.instead.extend(setting.instead);
                known.reason = setting.reason;
                known.from.extend(setting.from);
                known.from.dedup();
            }
            None => merged.push(setting),
        }
    }
    merged
}
