//! The two lists that people keep: what is recommended, and what is left out.
//!
//! Both are tables of text: columns between ` | `, blank lines and lines that begin with `#` don't count,
//! and the first column says for which architecture a line is: `all`, `arm` or `x86_64`.

use std::fmt;
use std::path::{Path, PathBuf};

use super::counts;
use super::setting::{Setting, Want};
use crate::request::Arch;

/// Who recommends what stands in the list of recommendations.
const FROM: &str = "KSPP";

/// A setting that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The setting.
    pub wanted: Want,
    /// What it would cost.
    pub price: String,
    /// Why it is left out.
    pub reason: String,
    /// Line in the list, from 1.
    pub line: usize,
    /// The whole line.
    pub text: String,
}

/// A line of a list that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongEntry {
    /// The list, as it was named.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// The whole line.
    pub text: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for WrongEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.what, self.file.display(), self.line)
    }
}

/// Parses the list of recommended settings: architecture, the setting (with what does the same, or makes it
/// needless, behind ` or `), what it is for. Only lines for `arch` are in the result.
///
/// # Errors
/// All wrong lines, those for other architectures too.
pub fn recommended(file: &Path, text: &str, arch: Arch) -> Result<Vec<Setting>, Vec<WrongEntry>> {
    let entries = rows(file, text, |[scope, setting, reason]| {
        let counts = counts(scope, arch).ok_or_else(|| unknown(scope))?;
        let mut wants = setting.split(" or ").map(Want::parse);
        let wanted = wants.next().unwrap_or_else(|| Want::parse("")).map_err(|e| e.to_string())?;
        let instead = wants.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
        let setting = Setting { wanted, instead, reason: sentence(reason)?, from: vec![FROM] };
        Ok(counts.then_some(setting))
    })?;
    Ok(entries.into_iter().map(|(_, _, setting)| setting).collect())
}

/// Parses the list of what is left out: architecture, the setting, the price (`measured: …`, `estimate: …`
/// or `none`), the reason. Only lines for `arch` are in the result.
///
/// # Errors
/// All wrong lines, those for other architectures and settings that are there twice too.
pub fn left_out(file: &Path, text: &str, arch: Arch) -> Result<Vec<LeftOut>, Vec<WrongEntry>> {
    let entries = rows(file, text, |[scope, setting, price, reason]| {
        let counts = counts(scope, arch).ok_or_else(|| unknown(scope))?;
        let wanted = Want::parse(setting).map_err(|e| e.to_string())?;
        let said = |prefix: &str| price.strip_prefix(prefix).is_some_and(|rest| !rest.trim().is_empty());
        if price != "none" && !said("measured: ") && !said("estimate: ") {
            return Err("a price is `measured: …`, `estimate: …` or `none`".to_owned());
        }
        Ok(counts.then_some((wanted, price.to_owned(), sentence(reason)?)))
    })?;
    let mut list: Vec<LeftOut> = Vec::new();
    let mut wrong = Vec::new();
    for (line, text, (wanted, price, reason)) in entries {
        match list.iter().find(|known| known.wanted == wanted) {
            Some(known) => wrong.push(WrongEntry {
                file: file.to_owned(),
                line,
                text,
                what: format!("{wanted} is left out a second time: first in line {}", known.line),
            }),
            None => list.push(LeftOut { wanted, price, reason, line, text }),
        }
    }
    if wrong.is_empty() { Ok(list) } else { Err(wrong) }
}

fn unknown(scope: &str) -> String {
    format!("`{scope}` is no architecture: all, arm or x86_64")
}

/// A reason is at least one word.
fn sentence(reason: &str) -> Result<String, String> {
    let word = reason.chars().any(char::is_alphabetic);
    word.then(|| reason.to_owned()).ok_or_else(|| "there is no reason in the last column".to_owned())
}

type Rows<T> = Vec<(usize, String, T)>;

/// Reads lines of `N` columns, with their numbers and texts.
fn rows<const N: usize, T>(
    file: &Path,
    text: &str,
    read: impl Fn([&str; N]) -> Result<Option<T>, String>,
) -> Result<Rows<T>, Vec<WrongEntry>> {
    let mut found = Vec::new();
    let mut wrong = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let columns: Vec<&str> = line.splitn(N, '|').map(str::trim).collect();
        let entry = match <[&str; N]>::try_from(columns) {
            Ok(columns) => read(columns),
            Err(columns) => Err(format!("{N} columns between `|` are needed, these are {}", columns.len())),
        };
        match entry {
            Ok(Some(entry)) => found.push((index + 1, line.to_owned(), entry)),
            Ok(None) => {}
            Err(what) => {
                wrong.push(WrongEntry {
                    file: file.to_owned(),
                    line: index + 1,
                    text: line.to_owned(),
                    what,
                });
            }
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}
