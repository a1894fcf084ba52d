//! One file being read: its tree, and the problems found so far.

use std::cell::OnceCell;

use nacre_diag::{Diagnostic, ExitCode, Place, Report};
use serde::de::DeserializeSeed as _;

use super::alias::find_alias;
use super::fields::under;
use super::locate::{Positions, locate, positions};
use super::source::{Source, disguised, too_long};
use super::syntax::not_yaml;
use super::tree::{Budget, Node, ReadNode, Step, Value};
use super::{MAX_PROBLEMS, MAX_TEXT};

/// A file and what is wrong with it.
pub(crate) struct Reading<'t> {
    source: Source<'t>,
    report: Report,
    left_out: usize,
    /// Of all scalars, once one was asked for.
    positions: OnceCell<Positions>,
}

impl<'t> Reading<'t> {
    /// Reads the text into a tree. What is no YAML at all ends here.
    pub(crate) fn start(text: &'t str, file: &'t str) -> Result<(Self, Node), Report> {
        if text.len() > MAX_TEXT {
            return Err(too_long(file).into());
        }
        // Some editors begin a file with it; to the YAML library it would be a document of its own.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let source = Source { file, text };
        let budget = Budget::default();
        let seed = ReadNode { label: String::new(), path: Vec::new(), budget: &budget };
        match seed.deserialize(serde_yaml::Deserializer::from_str(text)) {
            Ok(root) => {
                let mut reading =
                    Self { source, report: Report::new(), left_out: 0, positions: OnceCell::new() };
                if let Some(node) = find_alias(text, &root) {
                    let message = "anchors and aliases (`&name`, `*name`) are not read here";
                    reading.bad_key(
                        node,
                        "",
                        message.to_owned(),
                        "write the value out in each place".to_owned(),
                    );
                    return Err(reading.into_report());
                }
                Ok((reading, root))
            }
            Err(error) => Err(not_yaml(&source, &error, &budget).into()),
        }
    }

    /// Records bad input at a value.
    pub(crate) fn bad(&mut self, node: &Node, message: impl Into<String>, hint: impl Into<String>) {
        self.problem(ExitCode::BadInput, message.into(), hint.into(), |reading| reading.place(node));
    }

    /// Records that a rule forbids a value.
    pub(crate) fn refuse(&mut self, node: &Node, message: impl Into<String>, hint: impl Into<String>) {
        self.problem(ExitCode::Refused, message.into(), hint.into(), |reading| reading.place(node));
    }

    /// Records bad input at the name of a field.
    pub(crate) fn bad_key(&mut self, node: &Node, key: &str, message: String, hint: String) {
        self.problem(ExitCode::BadInput, message, hint, |reading| reading.key_place(node, key));
    }

    /// Records that a rule forbids a field.
    pub(crate) fn refuse_key(&mut self, node: &Node, key: &str, message: String, hint: &str) {
        self.problem(ExitCode::Refused, message, hint.into(), |reading| reading.key_place(node, key));
    }

    /// Records that a map lacks a field; `example` is a line that would do.
    pub(crate) fn missing(&mut self, map: &Node, name: &str, example: &str) {
        let under = under(&map.label);
        self.bad(map, format!("missing field `{name}`{under}"), format!("add it, like `{example}`"));
    }

    fn problem(&mut self, exit: ExitCode, message: String, hint: String, place: impl Fn(&Self) -> Place) {
        // Finding the place costs another pass over the text: not for problems that nobody will see.
        if self.report.errors() >= MAX_PROBLEMS {
            self.left_out += 1;
            return;
        }
        let place = place(self);
        let hint = disguised(&place).unwrap_or(hint);
        let found = Diagnostic::error(exit, message).at(place);
        self.report.push(if hint.is_empty() { found } else { found.with_hint(hint) });
    }

    /// Where a value stands.
    pub(crate) fn place(&self, node: &Node) -> Place {
        let Some((line, column)) = self.position(&node.path) else {
            return Place::file(self.source.file);
        };
        let width = width(self.source.line(line), column, &node.value);
        self.source.place(line, column, width)
    }

    fn position(&self, path: &[Step]) -> Option<(usize, usize)> {
        let positions = self.positions.get_or_init(|| positions(self.source.text));
        // A list or a map is found by a reading of its own.
        positions.get(path).copied().or_else(|| locate(self.source.text, path))
    }

    /// A number or word as the file has it (`1.10`, which as a number is 1.1).
    pub(crate) fn source_text(&self, node: &Node) -> Option<String> {
        let spot = self.place(node).spot?;
        let text: String = spot.text.chars().skip(spot.column.saturating_sub(1)).take(spot.width).collect();
        (!text.is_empty()).then_some(text)
    }

    /// Where the key stands that names a value.
    pub(crate) fn key_place(&self, node: &Node, key: &str) -> Place {
        match self.position(&node.key_path()) {
            Some((line, column)) => self.source.place(line, column, key.chars().count()),
            None => Place::file(self.source.file),
        }
    }

    /// A place for a value that a later check may have to name.
    pub(crate) fn place_or_file(&self, node: Option<&Node>) -> Place {
        node.map_or_else(|| Place::file(self.source.file), |node| self.place(node))
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_clean(&self) -> bool {
        self.report.is_empty()
    }

    /// The problems in reading order.
    pub(crate) fn into_report(mut self) -> Report {
        self.report.sort_by_place();
        if self.left_out > 0 {
            let more = format!("{} more problems are not shown", self.left_out);
            self.report.push(Diagnostic::error(ExitCode::BadInput, more).at(Place::file(self.source.file)));
        }
        self.report
    }

    /// The value if nothing is wrong, else the problems.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Report> {
        let file = self.source.file.to_owned();
        match value {
            Some(value) if self.is_clean() => Ok(value),
            _ => {
                let mut report = self.into_report();
                if report.is_empty() {
                    let lost = Diagnostic::error(ExitCode::Internal, "a value was lost without a problem");
                    report.push(lost.at(Place::file(file)));
                }
                Err(report)
            }
        }
    }
}

/// How many characters of the line a value takes, as far as that is plain; 1 for lists and maps.
fn width(line: &str, column: usize, value: &Value) -> usize {
    let rest: String = line.chars().skip(column.saturating_sub(1)).collect();
    let text = match value {
        Value::List(_) | Value::Map(_) | Value::Null => return 1,
        Value::Text(text) => text.as_str(),
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) => "",
    };
    if !text.is_empty() && rest.starts_with(text) {
        return text.chars().count();
    }
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let inside = rest.chars().skip(1).take_while(|c| *c != quote).count();
        return (inside + 2).min(rest.chars().count());
    }
    rest.chars().take_while(|c| !c.is_whitespace() && !matches!(c, ',' | ']' | '}')).count().max(1)
}
