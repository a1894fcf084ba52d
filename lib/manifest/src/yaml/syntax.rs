//! Text that is not YAML.

use nacre_diag::{Diagnostic, ExitCode, Place};

use super::source::Source;
use super::tree::Budget;

/// The one problem of a text that is no YAML, or YAML that nobody needs here.
pub(super) fn not_yaml(source: &Source<'_>, error: &serde_yaml::Error, budget: &Budget) -> Diagnostic {
    let found = match *budget.refused.borrow() {
        Some(reason) => Diagnostic::error(ExitCode::BadInput, reason),
        None => {
            let text = error.to_string();
            let found = Diagnostic::error(ExitCode::BadInput, "not valid YAML");
            let found = match hint_for(&text) {
                Some(hint) => found.with_hint(hint),
                None => found,
            };
            found.with_cause(text)
        }
    };
    let place = match error.location() {
        Some(location) => source.place(location.line(), location.column(), 1),
        None => second_document(source).unwrap_or_else(|| Place::file(source.file)),
    };
    found.at(place)
}

/// Where a second document begins: the one error without a position that a person makes.
fn second_document(source: &Source<'_>) -> Option<Place> {
    let (index, _) = source.text.lines().enumerate().skip(1).find(|(_, line)| line.starts_with("---"))?;
    Some(source.place(index + 1, 1, 3))
}

/// What a person probably did, by a part of the library's message.
fn hint_for(text: &str) -> Option<&'static str> {
    let table = [
        (
            "cannot start any token",
            "indent with spaces, not tabs; put text that begins with @, ` or % in quotes",
        ),
        (
            "mapping values are not allowed",
            "put text with a colon and a space in quotes, or check the indentation",
        ),
        ("did not find expected key", "check the indentation: fields of one map begin in one column"),
        ("did not find expected ',' or", "a bracket or brace is not closed, or a comma is missing"),
        ("unexpected end of stream", "a quote is not closed"),
        ("more than one document", "write one document per file: remove the line `---`"),
        ("recursion limit", "nested too deep"),
        ("repetition limit", "the aliases (`*name`) unfold to too much"),
        ("control characters", "remove the control character"),
    ];
    table.into_iter().find(|(part, _)| text.contains(part)).map(|(_, hint)| hint)
}
