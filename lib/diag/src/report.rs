//! Several findings at once.

use std::error::Error;
use std::fmt;

use crate::diagnostic::{Diagnostic, Severity};
use crate::exit::ExitCode;

/// All that was found, in the order in which it is printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    entries: Vec<Diagnostic>,
}

impl Report {
    /// Nothing found yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.entries.push(diagnostic);
    }

    /// Adds everything that another report holds.
    pub fn append(&mut self, other: Self) {
        self.entries.extend(other.entries);
    }

    /// What was found.
    pub fn entries(&self) -> &[Diagnostic] {
        &self.entries
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many findings stop the work.
    pub fn errors(&self) -> usize {
        self.entries.iter().filter(|d| d.severity == Severity::Error).count()
    }

    /// How the program ends: the worst of the errors (see [`ExitCode::ALL`]), [`ExitCode::Done`] without
    /// any.
    pub fn exit_code(&self) -> ExitCode {
        self.entries
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .fold(ExitCode::Done, |worst, d| worst.worse(d.exit))
    }

    /// Sorts by line and column; findings of other files keep their order after and before.
    pub fn sort_by_place(&mut self) {
        self.entries.sort_by_key(|d| d.place.as_ref().map_or((0, 0), crate::Place::line_column));
    }

    /// `value` if nothing stops the work, else the report.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.errors() == 0 { Ok(value) } else { Err(self) }
    }
}

impl Extend<Diagnostic> for Report {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, iter: I) {
        self.entries.extend(iter);
    }
}

impl From<Diagnostic> for Report {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { entries: vec![diagnostic] }
    }
}

impl IntoIterator for Report {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl FromIterator<Diagnostic> for Report {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(iter: I) -> Self {
        Self { entries: iter.into_iter().collect() }
    }
}

/// The first message, and how many more there are.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entries.as_slice() {
            [] => f.write_str("nothing found"),
            [only] => only.fmt(f),
            [first, rest @ ..] => write!(f, "{first} (and {} more)", rest.len()),
        }
    }
}

impl Error for Report {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::{Place, Spot};

    #[test]
    fn report_exit_code_ignores_warnings_and_takes_the_worst() {
        let mut report = Report::new();
        assert_eq!(report.exit_code(), ExitCode::Done);
        report.push(Diagnostic::warning("development keys"));
        assert_eq!(report.exit_code(), ExitCode::Done);
        assert_eq!(report.clone().or(7), Ok(7));
        report.push(Diagnostic::error(ExitCode::Refused, "network"));
        assert_eq!(report.exit_code(), ExitCode::Refused);
        report.push(Diagnostic::error(ExitCode::BadInput, "typo"));
        assert_eq!(report.exit_code(), ExitCode::BadInput);
        assert_eq!(report.errors(), 2);
        assert_eq!(report.to_string(), "development keys (and 2 more)");
    }

    #[test]
    fn report_sorted_by_place_is_in_reading_order() {
        let at = |line, column| {
            let spot = Spot { line, column, text: String::new(), width: 1 };
            Diagnostic::error(ExitCode::BadInput, format!("{line}:{column}")).at(Place::spot("f", spot))
        };
        let mut report: Report = [at(3, 1), at(1, 9), at(1, 2)].into_iter().collect();
        report.sort_by_place();
        let order: Vec<_> = report.into_iter().map(|d| d.message).collect();
        assert_eq!(order, ["1:2", "1:9", "3:1"]);
    }
}
