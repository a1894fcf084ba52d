//! JSON as people write it by hand, comments and trailing commas included, with the place of each value.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::errors::ParseErrorKind;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use nacre_diag::{Diagnostic, ExitCode, Report};

use super::reading::Reading;
use super::text::{Text, cut};

/// Characters of a value that are shown.
const SHOWN: usize = 60;

/// A value and the bytes that it takes in the text.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) at: Range<usize>,
}

#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Field>),
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) key: String,
    pub(super) key_at: Range<usize>,
    pub(super) value: Node,
}

/// Everything else that the parser could let pass is an error, as it was for Azure Sphere's own tools.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads a text whose keys are, in each object, all different: case doesn't count.
pub(super) fn read(text: &Text) -> Result<Node, Report> {
    let fail = |at: &Range<usize>, message: String, hint: &str| {
        let found = Diagnostic::error(ExitCode::BadInput, message).at(text.place(at));
        Err(Report::from(if hint.is_empty() { found } else { found.with_hint(hint) }))
    };
    // The parser reads on to the next quote and complains there, lines below the slip.
    if let Some(at) = unclosed_text(&text.text) {
        return fail(&at, "a text that is not closed on its line".to_owned(), "add the missing `\"`");
    }
    let root = match parse_to_ast(&text.text, &CollectOptions::default(), &OPTIONS) {
        Ok(parsed) => parsed.value,
        Err(error) => {
            let (message, hint) = explain(error.kind());
            let range = error.range();
            // Of a brace that is not closed the parser means all that follows; its first character is enough.
            let unclosed = matches!(
                error.kind(),
                ParseErrorKind::UnterminatedObject | ParseErrorKind::UnterminatedArray
            );
            let end = if unclosed { range.start + 1 } else { range.end };
            return fail(&(range.start..end), message, hint);
        }
    };
    let Some(root) = root else {
        return fail(&(0..0), "an empty file".to_owned(), "");
    };
    let root = node(root);
    let mut reading = Reading::new(text);
    refuse_doubles(&mut reading, &root);
    reading.finish(root)
}

fn node(value: ast::Value<'_>) -> Node {
    let at = value.start()..value.end();
    let value = match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
        ast::Value::NumberLit(literal) => Value::Number(literal.value.to_owned()),
        ast::Value::StringLit(literal) => Value::Text(literal.value.into_owned()),
        ast::Value::Array(array) => Value::List(array.elements.into_iter().map(node).collect()),
        ast::Value::Object(object) => Value::Map(object.properties.into_iter().map(field).collect()),
    };
    Node { value, at }
}

fn field(property: ast::ObjectProp<'_>) -> Field {
    let key_at = property.name.start()..property.name.end();
    Field { key: property.name.into_string(), key_at, value: node(property.value) }
}

/// Of a key that is there twice nobody can know which value was meant.
fn refuse_doubles(reading: &mut Reading<'_>, node: &Node) {
    let fields = match &node.value {
        Value::List(items) => return items.iter().for_each(|item| refuse_doubles(reading, item)),
        Value::Map(fields) => fields,
        _ => return,
    };
    let mut seen: HashMap<String, &Field> = HashMap::new();
    for field in fields {
        match seen.entry(field.key.to_ascii_lowercase()) {
            Entry::Vacant(free) => _ = free.insert(field),
            Entry::Occupied(first) => reading.twice(&field.key, &field.key_at, &first.get().key_at),
        }
        refuse_doubles(reading, &field.value);
    }
}

/// The first text with a line's end in it.
fn unclosed_text(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let rest = |at: usize| text.get(at..).unwrap_or_default();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'/', Some(b'/')) => at += rest(at).find(['\n', '\r']).unwrap_or(bytes.len()),
            // One that is not closed is the parser's to tell.
            (b'/', Some(b'*')) => at += 4 + rest(at + 2).find("*/")?,
            (b'"', _) => {
                let start = at;
                at += 1;
                loop {
                    match bytes.get(at) {
                        Some(b'"') => break,
                        Some(b'\\') if !matches!(bytes.get(at + 1), Some(b'\n' | b'\r')) => at += 2,
                        None | Some(b'\n' | b'\r') => return Some(start..at),
                        Some(_) => at += 1,
                    }
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    None
}

/// What the parser found, in plain words, and what to do.
fn explain(kind: &ParseErrorKind) -> (String, &'static str) {
    let (message, hint) = match kind {
        ParseErrorKind::UnterminatedObject => ("a brace that is not closed", "add the missing `}`"),
        ParseErrorKind::UnterminatedArray => ("a bracket that is not closed", "add the missing `]`"),
        ParseErrorKind::UnterminatedCommentBlock => ("a comment that is not closed", "add the missing `*/`"),
        ParseErrorKind::ExpectedComma => ("a comma is missing", ""),
        ParseErrorKind::ExpectedColonAfterObjectKey => ("a colon is missing after a key", ""),
        ParseErrorKind::ExpectedObjectValue => ("a value is missing", ""),
        ParseErrorKind::MultipleRootJsonValues => {
            ("something follows the end", "remove it: a file holds one value")
        }
        ParseErrorKind::ExpectedStringObjectProperty => ("a key without quotes", "put it in `\"`"),
        ParseErrorKind::SingleQuotedStringsNotAllowed => ("a text in single quotes", "JSON has only `\"`"),
        ParseErrorKind::UnexpectedWord => {
            ("a word without quotes", "put it in `\"`, or write true, false or null")
        }
        ParseErrorKind::NestingDepthExceeded => ("nested too deep", ""),
        other => return (format!("not valid JSON: {}", other.to_string().to_lowercase()), ""),
    };
    (message.to_owned(), hint)
}

impl Node {
    /// As a value of JSON, for programs.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            // A number that is beyond all numbers stays what was written.
            Value::Number(text) => text
                .parse::<serde_json::Number>()
                .map_or_else(|_| text.as_str().into(), serde_json::Value::Number),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(fields) => {
                fields.iter().map(|field| (field.key.clone(), field.value.to_json())).collect()
            }
        }
    }
}

/// A value of JSON in short, for people.
pub(super) fn shown(value: &serde_json::Value) -> String {
    super::text::visible(&cut(&value.to_string(), SHOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let text = Text { file: "f".to_owned(), text: text.to_owned() };
        let report = read(&text).expect_err(&text.text);
        let [found, ..] = report.entries() else { panic!("{report:?}") };
        format!("{} {}", found.place.as_ref().expect("a place"), found.message)
    }

    #[test]
    fn slip_is_told_where_it_is() {
        let table = [
            ("", "f:1:1 an empty file"),
            (" // nothing", "f:1:1 an empty file"),
            ("{", "f:1:1 a brace that is not closed"),
            ("{\n  \"a\": [1,\n}", "f:3:1 not valid JSON: unexpected close brace"),
            ("{\n  \"a: 1,\n  \"b\": 2\n}", "f:2:3 a text that is not closed on its line"),
            ("{\"a\": \"\\", "f:1:7 a text that is not closed on its line"),
            ("{\"a\": 1 \"b\": 2}", "f:1:8 a comma is missing"),
            ("{\"a\" 1}", "f:1:6 a colon is missing after a key"),
            ("{a: 1}", "f:1:2 a key without quotes"),
            ("{'a': 1}", "f:1:2 a text in single quotes"),
            ("{\"a\": yes\n}", "f:1:7 a word without quotes"),
            ("{} {}", "f:1:4 something follows the end"),
            ("/* x", "f:1:1 a comment that is not closed"),
            ("{\"a\": 1, /* \" */ \"b\": {\"c\": 1, \"C\": 2}}", "f:1:32 `C` is there twice"),
        ];
        for (text, expected) in table {
            assert_eq!(problem(text), expected, "{text}");
        }
        assert!(problem(&"[".repeat(30_000)).contains("nested too deep"));
        assert!(problem(&"{\"a\":".repeat(10_000)).contains("nested too deep"));
    }

    #[test]
    fn value_with_comments_and_trailing_commas_is_read() {
        let text = "// \"\n{ \"a\": [1, 2.5e3, \"\\u00e9\\n\",], /* } */ \"b\": null, } // end";
        let node = read(&Text { file: "f".to_owned(), text: text.to_owned() }).expect("good");
        assert_eq!(node.to_json().to_string(), r#"{"a":[1,2500.0,"é\n"],"b":null}"#);
    }
}
