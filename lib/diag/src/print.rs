//! The printed form, for people.

use std::ffi::OsStr;

use crate::clean;
use crate::diagnostic::{Diagnostic, Severity};
use crate::place::{Place, Spot};
use crate::report::Report;

/// Characters of a source line that are shown; of a longer one the part around the column.
const EXCERPT: usize = 100;

/// Whether escape sequences for colour are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Colour {
    /// Plain text. Nothing is said by colour alone, so nothing is lost.
    #[default]
    Off,
    /// With ANSI colours.
    On,
}

impl Colour {
    /// On for a terminal, unless the variable `NO_COLOR` is set and not empty (<https://no-color.org>).
    pub fn choose(is_terminal: bool, no_color: Option<&OsStr>) -> Self {
        if is_terminal && no_color.is_none_or(OsStr::is_empty) { Self::On } else { Self::Off }
    }
}

/// Turns findings into text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Printer {
    colour: Colour,
    width: Option<usize>,
}

impl Printer {
    /// A printer with or without colour.
    pub fn new(colour: Colour) -> Self {
        Self { colour, width: None }
    }

    /// The same within so many columns, for people: words go to the next line, and of a source line less is shown.
    #[must_use]
    pub fn within(self, columns: usize) -> Self {
        Self { width: Some(columns), ..self }
    }

    /// One finding; ends with a line feed. Control characters in any part are escaped.
    pub fn print(self, found: &Diagnostic) -> String {
        let word = match found.severity {
            Severity::Error => self.paint("1;31", "error:"),
            Severity::Warning => self.paint("1;33", "warning:"),
        };
        let label = match found.severity {
            Severity::Error => "error: ",
            Severity::Warning => "warning: ",
        };
        let mut out = format!("{word} {}\n", self.fitted(&found.message, label.len(), "  "));
        if let Some(place) = &found.place {
            self.print_place(&mut out, place);
        }
        if !found.causes.is_empty() {
            out.push_str(&format!("{}\n", self.paint("1", "Caused by:")));
            for cause in &found.causes {
                out.push_str(&format!("  {}\n", self.fitted(cause, 2, "    ")));
            }
        }
        for hint in &found.hints {
            out.push_str(&format!(
                "{} {}\n",
                self.paint("1;36", "hint:"),
                self.fitted(hint, "hint: ".len(), "  ")
            ));
        }
        out
    }

    /// Every finding of a report, an empty line between two.
    pub fn print_report(self, report: &Report) -> String {
        let parts: Vec<String> = report.entries().iter().map(|found| self.print(found)).collect();
        parts.join("\n")
    }

    fn print_place(self, out: &mut String, place: &Place) {
        let arrow = self.paint("1;34", "-->");
        out.push_str(&format!("  {arrow} {}\n", clean::one_line(&place.to_string())));
        let Some(spot) = &place.spot else { return };
        let number = spot.line.to_string();
        // Beside the number, a bar and a `…` at each end.
        let room =
            self.width.map_or(EXCERPT, |width| width.saturating_sub(number.len() + 5).clamp(20, EXCERPT));
        let Excerpt { text, before, marked } = excerpt(spot, room);
        let margin = " ".repeat(number.len());
        let bar = self.paint("1;34", "|");
        let carets = self.paint("1;31", &"^".repeat(marked));
        out.push_str(&format!("{margin} {bar}\n"));
        out.push_str(format!("{} {bar} {text}", self.paint("1;34", &number)).trim_end());
        out.push_str(&format!("\n{margin} {bar} {}{carets}\n", " ".repeat(before)));
    }

    /// A text that begins `used` columns from the left; its further lines have a margin.
    fn fitted(self, text: &str, used: usize, margin: &str) -> String {
        let text = clean::lines(text.trim_end());
        let Some(width) = self.width else { return text.replace('\n', &format!("\n{margin}")) };
        let mut out = String::new();
        let mut column = used;
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                out.push_str(&format!("\n{margin}"));
                column = margin.len();
            }
            for (index, word) in line.split(' ').enumerate() {
                let length = word.chars().count();
                if index > 0 && column + 1 + length > width {
                    out.push_str(&format!("\n{margin}"));
                    column = margin.len();
                } else if index > 0 {
                    out.push(' ');
                    column += 1;
                }
                out.push_str(word);
                column += length;
            }
        }
        out
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self.colour {
            Colour::On => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Colour::Off => text.to_owned(),
        }
    }
}

struct Excerpt {
    text: String,
    /// Characters before the mark.
    before: usize,
    /// Characters marked, at least 1.
    marked: usize,
}

/// The part of the line around the column, at most `room` characters and two `…`.
fn excerpt(spot: &Spot, room: usize) -> Excerpt {
    let length = spot.text.chars().count();
    // A column past the end (end of line, end of file) is marked just behind the text.
    let column = spot.column.saturating_sub(1).min(length);
    let start = if length <= room { 0 } else { column.saturating_sub(room / 2).min(length - room) };
    let shown = (length - start).min(room);
    let mut text = clean::columns(spot.text.chars().skip(start).take(shown));
    let mut before = column - start;
    if start > 0 {
        text.insert(0, '…');
        before += 1;
    }
    if start + shown < length {
        text.push('…');
    }
    let marked = spot.width.min((start + shown).saturating_sub(column)).max(1);
    Excerpt { text, before, marked }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::ExitCode;

    fn at(line: usize, column: usize, width: usize, text: &str) -> Place {
        Place::spot("apps/recorder/nacre.yaml", Spot { line, column, text: text.to_owned(), width })
    }

    #[test]
    fn printer_of_a_full_error_matches_the_expected_text() {
        let found = Diagnostic::error(ExitCode::BadInput, "unknown field `limts`")
            .at(at(12, 1, 5, "limts: { memory: 4MiB }"))
            .with_cause("read manifest")
            .with_cause("first line\nsecond line")
            .with_hint("did you mean `limits`?");
        assert_eq!(
            Printer::default().print(&found),
            "\
error: unknown field `limts`
  --> apps/recorder/nacre.yaml:12:1
   |
12 | limts: { memory: 4MiB }
   | ^^^^^
Caused by:
  read manifest
  first line
    second line
hint: did you mean `limits`?
"
        );
    }

    #[test]
    fn printer_within_columns_says_the_same_words_in_more_lines() {
        let long =
            "known fields: app, version, rollback-index, build, package, run, critical, restart, limits";
        let found =
            Diagnostic::error(ExitCode::BadInput, "first\nsecond and a few more words that go on and on")
                .at(at(7, 90, 4, &"0123456789".repeat(20)))
                .with_cause(long)
                .with_hint(long);
        for columns in [30, 40, 80] {
            let text = Printer::default().within(columns).print(&found);
            // A path is one word.
            let lines = text.lines().filter(|line| !line.contains("-->"));
            for line in lines {
                assert!(line.chars().count() <= columns, "{columns}: {line}");
            }
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let said =
                |text: &str| words(text).into_iter().filter(|word| !word.contains("01")).collect::<Vec<_>>();
            assert_eq!(said(&text), said(&Printer::default().print(&found)), "{columns}");
        }
    }

    #[test]
    fn printer_of_a_report_separates_findings_by_an_empty_line() {
        let report: Report = [
            Diagnostic::warning("signed with development keys"),
            Diagnostic::error(ExitCode::NotFound, "no such app").at(Place::file("demo.yaml")),
        ]
        .into_iter()
        .collect();
        assert_eq!(
            Printer::default().print_report(&report),
            "\
warning: signed with development keys

error: no such app
  --> demo.yaml
"
        );
    }

    #[test]
    fn printer_with_colour_says_the_same_words() {
        let found = Diagnostic::error(ExitCode::BadInput, "bad").at(at(1, 2, 1, "abc")).with_hint("h");
        let coloured = Printer::new(Colour::On).print(&found);
        assert!(coloured.starts_with("\u{1b}[1;31merror:\u{1b}[0m bad\n"));
        let mut plain = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            plain.push_str(before);
            rest = after.split_once('m').map_or("", |(_, tail)| tail);
        }
        plain.push_str(rest);
        assert_eq!(plain, Printer::default().print(&found));
    }

    #[test]
    fn printer_of_hostile_text_writes_no_control_character() {
        let found = Diagnostic::error(ExitCode::BadInput, "a\u{1b}]0;x\u{7}b\u{202e}c")
            .at(at(1, 1, 1, "\u{1b}[2J\ttext"))
            .with_hint("\u{9b}2J");
        let text = Printer::default().print(&found);
        assert!(text.chars().all(|c| c == '\n' || (!c.is_control() && c != '\u{202e}')), "{text:?}");
        assert!(text.contains("1 | \u{fffd}[2J text\n"), "{text}");
    }

    #[test]
    fn excerpt_of_a_long_line_shows_the_part_around_the_column() {
        let line: String = ('a'..='z').cycle().take(1000).collect();
        for column in [1, 50, 51, 500, 950, 1000, 1001, 5000] {
            let spot = Spot { line: 1, column, text: line.clone(), width: 3 };
            let shown = excerpt(&spot, EXCERPT);
            assert!(shown.text.chars().count() <= EXCERPT + 2, "{column}");
            let marked: String = shown.text.chars().skip(shown.before).take(1).collect();
            let expected: String = line.chars().skip(column - 1).take(1).collect();
            assert_eq!(marked, expected, "{column}");
            assert!((1..=3).contains(&shown.marked), "{column}");
        }
    }

    #[test]
    fn printer_of_a_column_past_the_end_marks_behind_the_text() {
        let found = Diagnostic::error(ExitCode::BadInput, "value missing").at(at(1, 9, 1, "limits:"));
        assert_eq!(
            Printer::default().print(&found),
            "\
error: value missing
  --> apps/recorder/nacre.yaml:1:9
  |
1 | limits:
  |        ^
"
        );
    }

    #[test]
    fn colour_is_chosen_by_terminal_and_no_color() {
        let table = [
            (true, None, Colour::On),
            (true, Some(""), Colour::On),
            (true, Some("1"), Colour::Off),
            (false, None, Colour::Off),
        ];
        for (terminal, no_color, expected) in table {
            assert_eq!(Colour::choose(terminal, no_color.map(OsStr::new)), expected);
        }
    }
}
