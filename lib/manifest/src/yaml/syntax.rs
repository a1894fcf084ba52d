//! Text that is not YAML.

use nacre_diag::{Diagnostic, ExitCode, Place};

use super::source::{Source, disguise_in};
use super::tree::Budget;

/// The one problem of a text that is no YAML, or YAML that nobody needs here.
pub(super) fn not_yaml(source: &Source<'_>, error: &serde_yaml::Error, budget: &Budget) -> Diagnostic {
    let text = error.to_string();
    let place = match error.location() {
        _ if text.contains("control characters") => control_character(source),
        // The library notices at the next line; what it was reading is what lacks the colon.
        Some(_) if text.contains("could not find expected ':'") => beginning(source, &text),
        Some(location) => Some(source.place(location.line(), location.column(), 1)),
        None => second_document(source),
    };
    let place = place.unwrap_or_else(|| Place::file(source.file));
    if let Some(reason) = *budget.refused.borrow() {
        return Diagnostic::error(ExitCode::BadInput, reason).at(place);
    }
    let line = place.spot.as_ref().map_or("", |spot| spot.text.as_str());
    let hint = disguise_in(line.chars()).or_else(|| hint_for(&text, &place).map(str::to_owned));
    let found = Diagnostic::error(ExitCode::BadInput, "not valid YAML").at(place).with_cause(text);
    match hint {
        Some(hint) => found.with_hint(hint),
        None => found,
    }
}

/// Where a control character stands, for which the library has no line.
fn control_character(source: &Source<'_>) -> Option<Place> {
    let bad = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}');
    source.text.lines().enumerate().find_map(|(index, line)| {
        let column = line.chars().position(bad)?;
        Some(source.place(index + 1, column + 1, 1))
    })
}

/// Where that began which was being read: the last `at line N column M` of the message.
fn beginning(source: &Source<'_>, text: &str) -> Option<Place> {
    let (_, numbers) = text.rsplit_once("at line ")?;
    let (line, column) = numbers.split_once(" column ")?;
    let (line, column) = (line.parse().ok()?, column.parse().ok()?);
    let width = source.line(line).trim_end().chars().count().saturating_sub(column) + 1;
    Some(source.place(line, column, width))
}

/// Where a second document begins: the one error without a position that a person makes.
fn second_document(source: &Source<'_>) -> Option<Place> {
    let (index, _) = source.text.lines().enumerate().skip(1).find(|(_, line)| line.starts_with("---"))?;
    Some(source.place(index + 1, 1, 3))
}

/// What a person probably did, by a part of the library's message.
fn hint_for(text: &str, place: &Place) -> Option<&'static str> {
    let spot = place.spot.as_ref();
    let marked = spot.and_then(|spot| spot.text.chars().nth(spot.column.saturating_sub(1)));
    let token = match marked {
        Some('\t') => "indent with spaces, not tabs",
        _ => "put text that begins with this character in quotes",
    };
    let table = [
        ("cannot start any token", token),
        (
            "could not find expected ':'",
            "write a colon and a space between name and value, like `version: 1.0.0`",
        ),
        ("incompatible YAML", "remove the line that begins with `%`: there is only one YAML here"),
        ("unknown escape", "in double quotes `\\` begins an escape: use single quotes, or write `\\\\`"),
        (
            "mapping values are not allowed",
            "put text with a colon and a space in quotes, or check the indentation",
        ),
        ("did not find expected key", "check the indentation: fields of one map begin in one column"),
        ("did not find expected ',' or", "a bracket or brace is not closed, or a comma is missing"),
        ("unexpected end of stream", "a quote is not closed"),
        (
            "more than one document",
            "write one document per file: remove the line `---`, or what follows the last brace",
        ),
        ("recursion limit", "nested too deep"),
        ("repetition limit", "the aliases (`*name`) unfold to too much"),
        ("control characters", "remove the control character"),
    ];
    table.into_iter().find(|(part, _)| text.contains(part)).map(|(_, hint)| hint)
}
