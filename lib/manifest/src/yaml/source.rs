//! The text of one file, by line.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use nacre_diag::{Diagnostic, ExitCode, Place, Report, Spot, did_you_mean};

use super::MAX_TEXT;

/// A text and the name of its file.
pub(crate) struct Source<'t> {
    pub(crate) file: &'t str,
    pub(crate) text: &'t str,
}

impl Source<'_> {
    /// The place of `width` characters at a line and a column (both from 1).
    pub(crate) fn place(&self, line: usize, column: usize, width: usize) -> Place {
        let text = self.line(line).to_owned();
        // The reader of YAML may count what it has read ahead, beyond the end of the last line.
        let column = column.min(text.chars().count() + 1);
        Place::spot(self.file, Spot { line, column, text, width })
    }

    /// A line without its end, counted from 1; empty behind the last.
    pub(crate) fn line(&self, number: usize) -> &str {
        let mut rest = self.text.strip_prefix('\u{feff}').unwrap_or(self.text);
        for _ in 1..number {
            rest = split_line(rest).1;
        }
        split_line(rest).0
    }
}

/// The first line and what follows it. Lines end where YAML 1.1 ends them, or the numbers of the YAML
/// library would not fit.
fn split_line(text: &str) -> (&str, &str) {
    let is_end = |c| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let Some((line, rest)) = text.split_once(is_end) else { return (text, "") };
    let rest = match text[line.len()..].strip_prefix("\r\n") {
        Some(after) => after,
        None => rest,
    };
    (line, rest)
}

/// Reads a whole file: [`ExitCode::NotFound`] if there is none, [`ExitCode::BadInput`] if it is too long or
/// not UTF-8.
pub(crate) fn read_file(path: &Path) -> Result<String, Report> {
    let name = path.display().to_string();
    let fail = |exit, message: &str| Diagnostic::error(exit, message).at(Place::file(&name));
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_TEXT).unwrap_or(u64::MAX).saturating_add(1);
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    if let Err(error) = read {
        let exit = match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => ExitCode::NotFound,
            std::io::ErrorKind::IsADirectory => ExitCode::BadInput,
            _ => ExitCode::Internal,
        };
        let found = fail(exit, &format!("cannot read `{name}`")).with_cause(error.to_string());
        return Err(match exit {
            ExitCode::BadInput => found.with_hint("name the YAML file itself, not its folder").into(),
            ExitCode::NotFound => found.with_hint(instead(path)).into(),
            _ => found.into(),
        });
    }
    if bytes.len() > MAX_TEXT {
        return Err(too_long(&name).into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = String::from_utf8_lossy(&error.as_bytes()[..valid])
            .rsplit('\n')
            .next()
            .map_or(1, |start| start.chars().count() + 1);
        let place = Source { file: &name, text: &text }.place(line, column, 1);
        let hint = match error.as_bytes() {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the file is in UTF-16: save it as UTF-8",
            _ => "save the file as UTF-8",
        };
        fail(ExitCode::BadInput, "not UTF-8 text").at(place).with_hint(hint).into()
    })
}

/// Characters that look like a plain one or like nothing, as word processors and web pages give them: each with what
/// it is called and what was meant.
const DISGUISED: [(char, &str, &str); 12] = [
    ('\u{a0}', "a no-break space", "type a plain space"),
    ('\u{202f}', "a narrow no-break space", "type a plain space"),
    ('\u{3000}', "a wide space", "type a plain space"),
    ('\u{200b}', "an invisible space", "delete it"),
    ('\u{200d}', "an invisible joiner", "delete it"),
    ('\u{feff}', "a byte-order mark", "delete it"),
    ('\u{201c}', "a typographic quote", "type a plain \""),
    ('\u{201d}', "a typographic quote", "type a plain \""),
    ('\u{201e}', "a typographic quote", "type a plain \""),
    ('\u{2018}', "a typographic quote", "type a plain '"),
    ('\u{2019}', "a typographic quote", "type a plain '"),
    ('\u{ff1a}', "a wide colon", "type a plain `:`"),
];

/// The hint for a marked text with a character in it that is not what it looks like.
pub(super) fn disguised(place: &Place) -> Option<String> {
    let spot = place.spot.as_ref()?;
    let marked = spot.text.chars().skip(spot.column.saturating_sub(1)).take(spot.width);
    disguise_in(marked)
}

/// The same for any text.
pub(super) fn disguise_in(text: impl Iterator<Item = char>) -> Option<String> {
    text.into_iter().find_map(|found| {
        let (_, name, remedy) = DISGUISED.iter().find(|(character, ..)| *character == found)?;
        Some(format!("there is {name} in it (U+{:04X}): {remedy}", u32::from(found)))
    })
}

/// What to do about a file that is not there.
fn instead(path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = folder.read_dir() else {
        return format!("there is no folder `{}`: check the path", folder.display());
    };
    let names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let wanted = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match did_you_mean(wanted, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{}`?", folder.join(near).display()),
        None => "check the path: it starts in the current folder".to_owned(),
    }
}

pub(crate) fn too_long(file: &str) -> Diagnostic {
    Diagnostic::error(ExitCode::BadInput, format!("longer than {} KiB", MAX_TEXT / 1024))
        .at(Place::file(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_line_by_number_is_without_its_end() {
        let source = Source { file: "f", text: "a\r\nb\rc\n\u{e9}d\u{2028}e" };
        let lines: Vec<_> = (1..=7).map(|n| source.line(n)).collect();
        assert_eq!(lines, ["a", "b", "c", "\u{e9}d", "e", "", ""]);
    }

    #[test]
    fn read_file_of_bad_bytes_names_the_spot() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.yaml");
        std::fs::write(&path, b"app: a\nversion: \xc3\xa9\xff1\n").expect("written");
        let report = read_file(&path).expect_err("not UTF-8");
        assert_eq!(report.exit_code(), ExitCode::BadInput);
        let place = report.entries()[0].place.clone().expect("a place");
        assert_eq!(place.line_column(), (2, 11));
    }

    #[test]
    fn read_file_that_is_missing_or_long_or_a_folder_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = read_file(&folder.path().join("none")).expect_err("missing");
        assert_eq!(missing.exit_code(), ExitCode::NotFound);
        std::fs::write(folder.path().join("demo.yaml"), "").expect("written");
        let near = read_file(&folder.path().join("deno.yaml")).expect_err("missing");
        assert!(near.entries()[0].hints[0].ends_with("demo.yaml`?"), "{near:?}");
        let path = folder.path().join("long");
        std::fs::write(&path, vec![b'#'; MAX_TEXT + 1]).expect("written");
        assert_eq!(read_file(&path).expect_err("long").exit_code(), ExitCode::BadInput);
        assert_eq!(read_file(folder.path()).expect_err("a folder").exit_code(), ExitCode::BadInput);
    }
}
