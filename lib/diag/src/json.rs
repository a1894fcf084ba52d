//! The findings as JSON (RFC 8259), for programs.

use std::fmt::Write as _;

use crate::diagnostic::Diagnostic;
use crate::report::Report;

impl Diagnostic {
    /// One JSON object: `severity`, `exit`, `exit_name`, `message`, `file`, `line`, `column` (null where
    /// unknown), `causes`, `hints`.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{");
        let _ = write!(
            out,
            "\"severity\":{},\"exit\":{},\"exit_name\":{},\"message\":{}",
            string(self.severity.word()),
            self.exit.code(),
            string(self.exit.name()),
            string(&self.message),
        );
        let file = self.place.as_ref().map(|place| string(&place.file));
        let spot = self.place.as_ref().and_then(|place| place.spot.as_ref());
        let _ = write!(
            out,
            ",\"file\":{},\"line\":{},\"column\":{},\"causes\":{},\"hints\":{}}}",
            file.unwrap_or_else(|| "null".to_owned()),
            spot.map_or_else(|| "null".to_owned(), |s| s.line.to_string()),
            spot.map_or_else(|| "null".to_owned(), |s| s.column.to_string()),
            array(self.causes.iter().map(|c| string(c))),
            array(self.hints.iter().map(|h| string(h))),
        );
        out
    }
}

impl Report {
    /// A JSON array of the findings.
    pub fn to_json(&self) -> String {
        array(self.entries().iter().map(Diagnostic::to_json))
    }
}

fn array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            // U+2028 and U+2029 are legal in JSON, but not in every program that reads lines of it.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use crate::{Diagnostic, ExitCode, Place, Report, Spot};

    #[test]
    fn json_of_a_full_diagnostic_has_every_field() {
        let spot = Spot { line: 3, column: 7, text: "x".to_owned(), width: 1 };
        let found = Diagnostic::error(ExitCode::BadInput, "say \"no\"\n\\\u{1b}\u{9b}é")
            .at(Place::spot("a.yaml", spot))
            .with_cause("c")
            .with_hint("h");
        assert_eq!(
            found.to_json(),
            concat!(
                r#"{"severity":"error","exit":65,"exit_name":"bad-input","#,
                r#""message":"say \"no\"\n\\\u001b\u009bé","file":"a.yaml","line":3,"column":7,"#,
                r#""causes":["c"],"hints":["h"]}"#
            )
        );
    }

    #[test]
    fn json_of_a_report_is_an_array() {
        assert_eq!(Report::new().to_json(), "[]");
        let json = Report::from(Diagnostic::warning("w")).to_json();
        assert_eq!(
            json,
            concat!(
                r#"[{"severity":"warning","exit":0,"exit_name":"done","message":"w","file":null,"#,
                r#""line":null,"column":null,"causes":[],"hints":[]}]"#
            )
        );
    }
}
