//! Fragments: lists of options, each under its reason.
//!
//! One option is one line `CONFIG_NAME=value` with comment lines directly above it, which are its reason.
//! The value is `y`, `n`, a decimal or `0x` number, or a text in quotes. A blank line ends a comment.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use nacre_diag::{Place, Spot};

use crate::value::Value;

/// A fragment longer than this is refused: no list that people keep by hand is near it.
const MAX_BYTES: u64 = 1 << 20;

/// One option of a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Name without `CONFIG_`.
    pub symbol: String,
    /// What it shall be.
    pub value: Value,
    /// Why, in one line.
    pub reason: String,
    /// The fragment, as it was named.
    pub file: PathBuf,
    /// Line of the option, from 1.
    pub line: usize,
}

impl Asked {
    /// Where it stands, for an error that marks it.
    pub fn place(&self) -> Place {
        let text = format!("CONFIG_{}={}", self.symbol, self.value);
        let width = text.chars().count();
        Place::spot(self.file.display().to_string(), Spot { line: self.line, column: 1, text, width })
    }
}

/// Several fragments as one list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fragments {
    options: Vec<Asked>,
}

/// Why fragments could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadFragmentsError {
    /// A file is not readable.
    #[error("read the kernel fragment {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Lines that are wrong, in all of the files.
    #[error("the kernel fragments have {} wrong lines", .0.len())]
    Lines(Vec<WrongLine>),
}

/// A line of a fragment that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongLine {
    /// The fragment, as it was named.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The whole line.
    pub text: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for WrongLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{}:{})", self.what, self.file.display(), self.line, self.column)
    }
}

impl WrongLine {
    fn at(asked: &Asked, column: usize, what: String, hint: &str) -> Self {
        let text = format!("CONFIG_{}={}", asked.symbol, asked.value);
        Self { file: asked.file.clone(), line: asked.line, column, text, what, hint: hint.to_owned() }
    }

    fn no_modules(asked: &Asked) -> Self {
        let column = "CONFIG_=m".len() + asked.symbol.len();
        let what = format!("`m` is not a value for CONFIG_{}", asked.symbol);
        Self::at(asked, column, what, "there are no modules: everything is y or n")
    }

    fn same_again(first: &Asked, second: &Asked) -> Self {
        Self::at(second, 1, twice(first, second), "remove the line: it changes nothing")
    }
}

impl Fragments {
    /// Reads fragments in the given order.
    ///
    /// # Errors
    /// A file that is not readable; else all wrong lines of all files: an option without a reason,
    /// malformed lines, and an option that is asked for twice (both lines are named).
    pub fn load(paths: &[PathBuf]) -> Result<Self, LoadFragmentsError> {
        let mut texts = Vec::new();
        for path in paths {
            let read = || {
                if std::fs::metadata(path)?.len() > MAX_BYTES {
                    return Err(io::Error::other("it is longer than 1 MiB"));
                }
                std::fs::read_to_string(path)
            };
            texts.push((
                path.as_path(),
                read().map_err(|source| LoadFragmentsError::Read { path: path.clone(), source })?,
            ));
        }
        let named: Vec<(&Path, &str)> = texts.iter().map(|(path, text)| (*path, text.as_str())).collect();
        Self::parse(&named).map_err(LoadFragmentsError::Lines)
    }

    /// Reads fragments from texts with their names.
    ///
    /// # Errors
    /// All wrong lines, see [`Fragments::load`].
    pub fn parse(files: &[(&Path, &str)]) -> Result<Self, Vec<WrongLine>> {
        let mut wrong = Vec::new();
        let mut options: Vec<Asked> = Vec::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for (file, text) in files {
            let mut reason: Vec<&str> = Vec::new();
            for (index, line) in text.lines().enumerate() {
                let refuse = |(at, what, hint): (usize, String, &str)| WrongLine {
                    file: file.to_path_buf(),
                    line: index + 1,
                    column: line.get(..at).map_or(1, |before| before.chars().count() + 1),
                    text: line.to_owned(),
                    what,
                    hint: hint.to_owned(),
                };
                match read_line(line) {
                    Ok(Line::Blank) => reason.clear(),
                    Ok(Line::Comment(text)) => reason.push(text),
                    Ok(Line::Option { symbol, value }) => {
                        let reason = std::mem::take(&mut reason).join(" ");
                        if !reason.chars().any(char::is_alphabetic) {
                            let what = format!("CONFIG_{symbol} has no reason");
                            wrong.push(refuse((0, what, "write the reason as a comment directly above it")));
                        }
                        let asked =
                            Asked { symbol, value, reason, file: file.to_path_buf(), line: index + 1 };
                        let first = seen.get(&asked.symbol).and_then(|at| options.get(*at));
                        if let Some(first) = first {
                            wrong.push(refuse((0, twice(first, &asked), "keep one of the two lines")));
                        } else {
                            seen.insert(asked.symbol.clone(), options.len());
                            options.push(asked);
                        }
                    }
                    Err(problem) => {
                        reason.clear();
                        wrong.push(refuse(problem));
                    }
                }
            }
        }
        if seen.get("MODULES").and_then(|at| options.get(*at)).is_none_or(|asked| asked.value != Value::Yes) {
            wrong.extend(
                options.iter().filter(|asked| asked.value == Value::Module).map(WrongLine::no_modules),
            );
        }
        if wrong.is_empty() { Ok(Self { options }) } else { Err(wrong) }
    }

    /// These options with those of `others` instead of, or beside, them: another kernel for the same machine.
    ///
    /// # Errors
    /// The lines of `others` that change nothing, each with the line that asks for the same.
    pub fn replaced_by(mut self, others: Self) -> Result<Self, Vec<WrongLine>> {
        let same = |asked: &&Asked| self.get(&asked.symbol).is_some_and(|first| first.value == asked.value);
        let wrong: Vec<WrongLine> = others
            .options
            .iter()
            .filter(same)
            .filter_map(|asked| Some(WrongLine::same_again(self.get(&asked.symbol)?, asked)))
            .collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        self.options.retain(|asked| others.get(&asked.symbol).is_none());
        self.options.extend(others.options);
        Ok(self)
    }

    /// Whether anything is to be made as a module.
    pub fn have_modules(&self) -> bool {
        self.options.iter().any(|asked| asked.value == Value::Module)
    }

    /// All options in the order of the files.
    pub fn options(&self) -> &[Asked] {
        &self.options
    }

    /// The option of a symbol (without `CONFIG_`).
    pub fn get(&self, symbol: &str) -> Option<&Asked> {
        self.options.iter().find(|asked| asked.symbol == symbol)
    }

    /// The options as a kernel configuration: sorted, without reasons. Two lists of fragments that ask
    /// for the same have the same text.
    pub fn merged(&self) -> String {
        let mut lines: Vec<String> = self
            .options
            .iter()
            .map(|asked| match asked.value {
                Value::No => format!("# CONFIG_{} is not set\n", asked.symbol),
                _ => format!("CONFIG_{}={}\n", asked.symbol, asked.value),
            })
            .collect();
        lines.sort_unstable();
        lines.concat()
    }
}

fn twice(first: &Asked, second: &Asked) -> String {
    let how = if first.value == second.value { "a second time" } else { "with another value" };
    format!(
        "CONFIG_{}={} is asked for {how}: it is {} in {}:{}",
        second.symbol,
        second.value,
        first.value,
        first.file.display(),
        first.line
    )
}

enum Line<'a> {
    Blank,
    Comment(&'a str),
    Option { symbol: String, value: Value },
}

/// Reads one line; an error is the byte where it begins, what is wrong, and what to do.
fn read_line(line: &str) -> Result<Line<'_>, (usize, String, &'static str)> {
    const FORM: &str = "an option is a line `CONFIG_NAME=value`, with its reason in a comment above";
    let text = line.trim();
    if text.is_empty() {
        return Ok(Line::Blank);
    }
    if let Some(comment) = text.strip_prefix('#') {
        if comment.trim_start().starts_with("CONFIG_") && comment.trim_end().ends_with(" is not set") {
            return Err((
                0,
                "an option that is off is written in the kernel's own way".to_owned(),
                "write `CONFIG_NAME=n`",
            ));
        }
        return Ok(Line::Comment(comment.trim()));
    }
    let Some(rest) = line.strip_prefix("CONFIG_") else {
        return Err((0, "this is neither an option nor a comment".to_owned(), FORM));
    };
    let Some((symbol, value)) = rest.split_once('=') else {
        return Err((line.len(), "an option without a value".to_owned(), FORM));
    };
    if symbol.is_empty() || !symbol.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err((0, format!("`CONFIG_{symbol}` is not a name of an option"), FORM));
    }
    match Value::parse(value) {
        Ok(value) => Ok(Line::Option { symbol: symbol.to_owned(), value }),
        Err(problem) => Err((
            line.len() - value.len(),
            format!("`{value}` is not a value for CONFIG_{symbol}"),
            problem.hint(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(files: &[(&str, &str)]) -> Result<Fragments, Vec<String>> {
        let files: Vec<(&Path, &str)> = files.iter().map(|(name, text)| (Path::new(*name), *text)).collect();
        Fragments::parse(&files).map_err(|wrong| wrong.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn fragment_with_reasons_is_read() {
        let text = "# --- Section ---\n\n# Why A,\n# in two lines.\nCONFIG_A=y\n\n# B.\nCONFIG_B=n\n# C.\nCONFIG_C=0x10\n# D.\nCONFIG_D=\"a \\\"b\\\" # c\"\n";
        let fragments = parse(&[("a.config", text)]).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let found: Vec<(&str, String, &str, usize)> = fragments
            .options()
            .iter()
            .map(|asked| (asked.symbol.as_str(), asked.value.to_string(), asked.reason.as_str(), asked.line))
            .collect();
        assert_eq!(
            found,
            [
                ("A", "y".to_owned(), "Why A, in two lines.", 5),
                ("B", "n".to_owned(), "B.", 8),
                ("C", "0x10".to_owned(), "C.", 10),
                ("D", "\"a \\\"b\\\" # c\"".to_owned(), "D.", 12),
            ]
        );
        assert_eq!(
            fragments.merged(),
            "# CONFIG_B is not set\nCONFIG_A=y\nCONFIG_C=0x10\nCONFIG_D=\"a \\\"b\\\" # c\"\n"
        );
    }

    #[test]
    fn fragment_with_a_wrong_line_is_refused() {
        for (text, message) in [
            ("CONFIG_A=y\n", "CONFIG_A has no reason (f:1:1)"),
            ("# Why.\nCONFIG_A=y\nCONFIG_B=y\n", "CONFIG_B has no reason (f:3:1)"),
            ("# Why.\n\nCONFIG_A=y\n", "CONFIG_A has no reason (f:3:1)"),
            ("# ---\nCONFIG_A=y\n", "CONFIG_A has no reason (f:2:1)"),
            ("# Why.\nCONFIG_A=m\n", "`m` is not a value for CONFIG_A (f:2:10)"),
            ("# Why.\nCONFIG_A=\n", "`` is not a value for CONFIG_A (f:2:10)"),
            ("# Why.\nCONFIG_A=\"x\n", "`\"x` is not a value for CONFIG_A (f:2:10)"),
            ("# Why.\nCONFIG_A=y # why\n", "`y # why` is not a value for CONFIG_A (f:2:10)"),
            ("# Why.\nCONFIG_A=text\n", "`text` is not a value for CONFIG_A (f:2:10)"),
            ("# Why.\nCONFIG_A\n", "an option without a value (f:2:9)"),
            ("# Why.\nA=y\n", "this is neither an option nor a comment (f:2:1)"),
            ("# Why.\n CONFIG_A=y\n", "this is neither an option nor a comment (f:2:1)"),
            ("# Why.\nCONFIG_A-B=y\n", "`CONFIG_A-B` is not a name of an option (f:2:1)"),
            ("# CONFIG_A is not set\n", "an option that is off is written in the kernel's own way (f:1:1)"),
        ] {
            assert_eq!(parse(&[("f", text)]), Err(vec![message.to_owned()]), "{text}");
        }
    }

    #[test]
    fn fragments_that_ask_twice_are_refused_with_both_lines() {
        for (first, second, message) in [
            ("y", "n", "CONFIG_A=n is asked for with another value: it is y in one:2 (two:4:1)"),
            ("y", "y", "CONFIG_A=y is asked for a second time: it is y in one:2 (two:4:1)"),
        ] {
            let one = format!("# Why.\nCONFIG_A={first}\n");
            let two = format!("# Head.\n\n# Why not.\nCONFIG_A={second}\n");
            assert_eq!(parse(&[("one", &one), ("two", &two)]), Err(vec![message.to_owned()]));
        }
    }

    #[test]
    fn fragments_ask_for_a_module_only_beside_modules() {
        let module = "# Why.\nCONFIG_A=m\n";
        let parts = parse(&[("f", module), ("g", "# Why.\nCONFIG_MODULES=y\n")]);
        let fragments = parts.unwrap_or_else(|wrong| panic!("{wrong:?}"));
        assert!(fragments.have_modules());
        assert_eq!(fragments.merged(), "CONFIG_A=m\nCONFIG_MODULES=y\n");
        assert!(parse(&[("f", module), ("g", "# Why.\nCONFIG_MODULES=n\n")]).is_err());
    }

    #[test]
    fn fragments_are_replaced_option_by_option() {
        let read = |text: &str| parse(&[("f", text)]).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let board = read("# Why.\nCONFIG_A=n\n# Why.\nCONFIG_B=y\n");
        let control = read("# Attack.\nCONFIG_A=y\n# Attack.\nCONFIG_C=y\n");
        let both = board.clone().replaced_by(control).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        assert_eq!(both.merged(), "CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=y\n");
        let wrong = board.replaced_by(read("# Attack.\nCONFIG_B=y\n")).map_err(|wrong| wrong[0].to_string());
        let message = "CONFIG_B=y is asked for a second time: it is y in f:4 (f:2:1)";
        assert_eq!(wrong.map(|_| ()), Err(message.to_owned()));
    }

    #[test]
    fn fragments_with_several_wrong_lines_name_all() {
        let wrong = parse(&[("f", "CONFIG_A=y\nB\n"), ("g", "CONFIG_A=y\n")]);
        assert_eq!(wrong.map_err(|lines| lines.len()), Err(4));
    }
}
