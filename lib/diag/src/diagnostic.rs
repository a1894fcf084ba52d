//! One finding: what is wrong, where, why, and what to do.

use std::error::Error;
use std::fmt;

use crate::clean;
use crate::exit::ExitCode;
use crate::place::Place;
use crate::report::Report;

/// Whether a finding stops the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It stops the work.
    Error,
    /// The work goes on.
    Warning,
}

impl Severity {
    /// The word that the printed form begins with.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it stops the work.
    pub severity: Severity,
    /// How the program ends because of it; [`ExitCode::Done`] for a warning.
    pub exit: ExitCode,
    /// What is wrong: step and subject, lowercase, no full stop.
    pub message: String,
    /// Where, if it is about a file.
    pub place: Option<Place>,
    /// Why, each caused by the next.
    pub causes: Vec<String>,
    /// What the reader may do about it.
    pub hints: Vec<String>,
}

/// Sources of an error that are followed; a longer chain is a mistake, and might be a ring.
const MAX_CAUSES: usize = 32;

impl Diagnostic {
    /// An error.
    pub fn error(exit: ExitCode, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            exit,
            message: message.into(),
            place: None,
            causes: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// A warning.
    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(ExitCode::Done, message) }
    }

    /// An error from any error type: its text is the message, its sources are the causes.
    ///
    /// If the error, or one of its sources, is itself a `Diagnostic` or a [`Report`] with one entry, that
    /// entry's place and hints are kept, and its exit code wins over `exit`. A source whose text repeats
    /// the one before it (a transparent wrapper) is left out.
    pub fn from_error(exit: ExitCode, error: &(dyn Error + 'static)) -> Self {
        let mut found = Self::error(exit, error.to_string());
        let mut next = Some(error);
        for depth in 0..MAX_CAUSES {
            let Some(current) = next else { break };
            let text = current.to_string();
            let last = found.causes.last().unwrap_or(&found.message);
            if depth > 0 && *last != text {
                found.causes.push(text);
            }
            if let Some(inner) = inner_diagnostic(current) {
                found.severity = inner.severity;
                found.exit = inner.exit;
                found.place.clone_from(&inner.place);
                found.causes.extend(inner.causes.iter().cloned());
                found.hints.extend(inner.hints.iter().cloned());
                break;
            }
            next = current.source();
        }
        found
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Adds a cause, beneath those already there.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The finding on one line, for the device's log: place, message, causes, hints; no line feed or other
    /// control character in it, whatever the parts hold.
    pub fn one_line(&self) -> String {
        let mut out = format!("{}: {}", self.severity.word(), clean::one_line(&self.message));
        if let Some(place) = &self.place {
            out.push_str(&format!(" ({})", clean::one_line(&place.to_string())));
        }
        for cause in &self.causes {
            out.push_str(": ");
            out.push_str(&clean::one_line(cause));
        }
        for hint in &self.hints {
            out.push_str("; hint: ");
            out.push_str(&clean::one_line(hint));
        }
        out
    }
}

fn inner_diagnostic<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Diagnostic> {
    if let Some(diagnostic) = error.downcast_ref::<Diagnostic>() {
        return Some(diagnostic);
    }
    match error.downcast_ref::<Report>()?.entries() {
        [only] => Some(only),
        _ => None,
    }
}

/// The message alone.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Diagnostic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Step(&'static str, Option<Box<dyn Error>>);

    impl fmt::Display for Step {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Step {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref()
        }
    }

    fn chain(texts: &[&'static str], last: Option<Box<dyn Error>>) -> Box<dyn Error> {
        let mut error = last;
        for text in texts.iter().rev() {
            error = Some(Box::new(Step(text, error)));
        }
        error.expect("a chain has an element")
    }

    #[test]
    fn diagnostic_from_a_chain_has_each_source_once() {
        let error = chain(&["build slot", "open file", "open file", "no such file"], None);
        let found = Diagnostic::from_error(ExitCode::NotFound, &*error);
        assert_eq!(found.message, "build slot");
        assert_eq!(found.causes, ["open file", "no such file"]);
        assert_eq!(found.exit, ExitCode::NotFound);
    }

    #[test]
    fn diagnostic_inside_a_chain_keeps_its_place_hint_and_exit() {
        let inner = Diagnostic::error(ExitCode::BadInput, "not a size")
            .at(Place::file("nacre.yaml"))
            .with_hint("write 4MiB")
            .with_cause("no unit");
        let error = chain(&["load app"], Some(Box::new(Report::from(inner))));
        let found = Diagnostic::from_error(ExitCode::Internal, &*error);
        assert_eq!(found.message, "load app");
        assert_eq!(found.causes, ["not a size", "no unit"]);
        assert_eq!(found.exit, ExitCode::BadInput);
        assert_eq!(found.place, Some(Place::file("nacre.yaml")));
        assert_eq!(found.hints, ["write 4MiB"]);
    }

    #[test]
    fn one_line_with_line_feeds_and_escapes_stays_on_one_line() {
        let found = Diagnostic::error(ExitCode::BadInput, "bad\nname \u{1b}[31m")
            .at(Place::file("a\nb"))
            .with_cause("first\r\nsecond")
            .with_hint("a hint");
        assert_eq!(
            found.one_line(),
            "error: bad\\nname \\u{1b}[31m (a\\nb): first\\r\\nsecond; hint: a hint"
        );
    }
}
