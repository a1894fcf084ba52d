//! What the launcher itself says, on standard error. The app's own words go past it unchanged.

use std::io::Write as _;

pub(crate) use nacre_diag::ExitCode as Exit;

/// The launcher's voice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    colour: bool,
}

/// Why there was no run, or no end of one.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    what: String,
    causes: Vec<String>,
    hint: Option<String>,
}

impl Words {
    /// Without colour.
    pub(crate) fn plain() -> Self {
        Self { colour: false }
    }

    /// In colour or without.
    pub(crate) fn of(colour: bool) -> Self {
        Self { colour }
    }

    /// Something worth knowing.
    pub(crate) fn notice(self, text: &str) {
        self.line("1;36", "notice:", text);
    }

    /// A denial, which begins with its own word.
    pub(crate) fn denial(self, text: &str) {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        self.line("1;33", word, rest);
    }

    /// Why it ends.
    pub(crate) fn failure(self, failure: &Failure) {
        self.line("1;31", "error:", &failure.what);
        for cause in &failure.causes {
            self.line("1;31", "Caused by:", cause);
        }
        if let Some(hint) = &failure.hint {
            self.line("1;36", "hint:", hint);
        }
    }

    fn line(self, colour: &str, word: &str, rest: &str) {
        let line = if self.colour {
            format!("\x1b[{colour}m{word}\x1b[0m {rest}\n")
        } else {
            format!("{word} {rest}\n")
        };
        // In one call, so that nothing of the app's comes in between. Nobody may listen.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

impl Failure {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), causes: Vec::new(), hint: None }
    }

    pub(crate) fn because(mut self, cause: impl ToString) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    pub(crate) fn with_gaps(mut self, gaps: Vec<String>) -> Self {
        self.causes.extend(gaps);
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
