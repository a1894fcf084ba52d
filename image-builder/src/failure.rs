//! What every subcommand fails with: a chain of causes, an exit code of the table, perhaps a hint.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;

use nacre_diag::{Diagnostic, Report};

pub use nacre_diag::ExitCode as Exit;

/// Why a subcommand failed. Its `Display` is the failed step; causes follow through `source`.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    step: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    hint: Option<String>,
    /// Findings that say it all by themselves.
    report: Option<Report>,
}

impl Failure {
    /// A failure without further cause; `step` is lowercase and has no full stop.
    pub fn new(exit: Exit, step: impl Into<String>) -> Self {
        Self { exit, step: step.into(), source: None, hint: None, report: None }
    }

    /// A failure that an error of one of the parts says well enough: its text and its causes are kept.
    pub fn from_error(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        // The printer leaves out a cause that repeats the text above it.
        let error = error.into();
        Self::new(exit, error.to_string()).because(error)
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The findings that it is made of, if it is.
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// The findings as the printer wants them.
    pub fn into_report(self) -> Report {
        if let Some(report) = self.report {
            return report;
        }
        let mut found = Diagnostic::from_error(self.exit, &self);
        // Hints of failures deeper in the chain come after this one's.
        let mut next: Option<&(dyn Error + 'static)> = Some(&self);
        while let Some(current) = next {
            if is_full(current) {
                found = found.with_hint("free some space, or work on another disk (--out, NACRE_CACHE)");
            }
            if let Some(hint) = current.downcast_ref::<Self>().and_then(|f| f.hint.clone()) {
                found = found.with_hint(hint);
            }
            next = current.source();
        }
        Report::from(found)
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        Self {
            exit: report.exit_code(),
            step: report.to_string(),
            source: None,
            hint: None,
            report: Some(report),
        }
    }
}

impl From<Diagnostic> for Failure {
    fn from(found: Diagnostic) -> Self {
        Report::from(found).into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.step)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn Error + 'static))
    }
}

fn is_full(error: &(dyn Error + 'static)) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    matches!(kind, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
}

/// Turns any error into a [`Failure`] with the step that failed.
pub trait OrFail<T> {
    /// `step` is lowercase, names its subject, and has no full stop.
    fn or_fail(self, exit: Exit, step: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> OrFail<T> for Result<T, E> {
    fn or_fail(self, exit: Exit, step: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|e| Failure::new(exit, step()).because(e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_for_want_of_space_says_what_to_do() {
        let cause = std::io::Error::from(ErrorKind::StorageFull);
        let report = Failure::new(Exit::Internal, "can't write").because(cause).into_report();
        assert!(report.entries()[0].hints[0].contains("free some space"));
    }

    #[test]
    fn failure_in_a_failure_keeps_both_steps_and_hints() {
        let inner = Failure::new(Exit::NotFound, "`mke2fs` is not installed").hint("install it");
        let outer = Failure::new(Exit::NotFound, "can't make the data image").because(inner).hint("or don't");
        let report = outer.into_report();
        let found = &report.entries()[0];
        assert_eq!(found.message, "can't make the data image");
        assert_eq!(found.causes, ["`mke2fs` is not installed"]);
        assert_eq!(found.hints, ["or don't", "install it"]);
        assert_eq!(report.exit_code(), Exit::NotFound);
    }
}
