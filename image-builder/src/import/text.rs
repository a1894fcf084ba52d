//! A file's bytes as text, and places in it.

use std::ops::Range;

use nacre_diag::{Diagnostic, ExitCode, Place, Report, Spot};

/// A file's text, without a byte-order mark.
#[derive(Debug, Clone)]
pub struct Text {
    pub(super) file: String,
    pub(super) text: String,
}

impl Text {
    /// Decodes UTF-8, or UTF-16 if a byte-order mark says so: what editors and shells of Windows write. `file` is
    /// its name in messages, `most` the bytes that are read.
    ///
    /// # Errors
    /// Exit code 65 if it is longer, or neither.
    pub fn decode(file: impl Into<String>, bytes: &[u8], most: usize) -> Result<Self, Report> {
        let file = file.into();
        if bytes.len() > most {
            let message = format!("longer than {} KiB", most / 1024);
            return Err(Diagnostic::error(ExitCode::BadInput, message).at(Place::file(file)).into());
        }
        let sixteen = match bytes {
            [0xff, 0xfe, rest @ ..] => Some(utf16(rest, u16::from_le_bytes)),
            [0xfe, 0xff, rest @ ..] => Some(utf16(rest, u16::from_be_bytes)),
            _ => None,
        };
        if let Some(decoded) = sixteen {
            return decoded.map(|text| Self { file: file.clone(), text }).ok_or_else(|| {
                let found =
                    Diagnostic::error(ExitCode::BadInput, "not UTF-16 text, but its first bytes say so");
                found.at(Place::file(file)).with_hint("save the file as UTF-8").into()
            });
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match str::from_utf8(bytes) {
            Ok(text) => Ok(Self { file, text: text.to_owned() }),
            Err(error) => {
                let at = error.valid_up_to();
                let lossy = Self { file, text: String::from_utf8_lossy(bytes).into_owned() };
                let found = Diagnostic::error(ExitCode::BadInput, "not UTF-8 text");
                Err(found.at(lossy.place(&(at..at + 1))).with_hint("save the file as UTF-8").into())
            }
        }
    }

    /// Where bytes of the text stand.
    pub(super) fn place(&self, range: &Range<usize>) -> Place {
        let is_end = |c| matches!(c, '\n' | '\r');
        let start = self.text.floor_char_boundary(range.start);
        let (before, after) = self.text.split_at(start);
        let line_start = before.rfind(is_end).map_or(0, |end| end + 1);
        let line_end = start + after.find(is_end).unwrap_or(after.len());
        let end = self.text.floor_char_boundary(range.end).clamp(start, line_end);
        let ends = before.replace("\r\n", "\n").chars().filter(|c| is_end(*c)).count();
        Place::spot(
            &self.file,
            Spot {
                line: ends + 1,
                column: before[line_start..].chars().count() + 1,
                text: self.text[line_start..line_end].to_owned(),
                width: self.text[start..end].chars().count(),
            },
        )
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect::<Result<_, _>>().ok();
    if rest.is_empty() { text } else { None }
}

/// Text from a file as it may stand in a comment, a list or on a terminal: one line, and nothing that YAML refuses
/// or that reorders text (Unicode TR 9).
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// Whether a character may not be shown as it is.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// At most so many characters of a text.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_with_a_byte_order_mark_is_without_it() {
        let utf16 =
            |unit: fn(u16) -> [u8; 2]| "\u{feff}{é}".encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        for bytes in [b"\xef\xbb\xbf{\xc3\xa9}".to_vec(), utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)] {
            assert_eq!(Text::decode("f", &bytes, 100).expect("text").text, "{é}");
        }
        for bytes in [&b"\xff\xfe{"[..], b"\xff\xfe\x00\xd8", b"{\xff}", &[b' '; 101]] {
            let report = Text::decode("f", bytes, 100).expect_err("no text");
            assert_eq!(report.exit_code(), ExitCode::BadInput);
        }
    }

    #[test]
    fn place_is_counted_in_lines_and_characters() {
        let text = Text { file: "f".to_owned(), text: "a\r\n\u{e9}bc\rd\n".to_owned() };
        let table = [
            (0..1, "f:1:1", 1),
            (3..5, "f:2:1", 1),
            (5..99, "f:2:2", 2),
            (8..9, "f:3:1", 1),
            (99..100, "f:4:1", 0),
        ];
        for (range, expected, width) in table {
            let place = text.place(&range);
            assert_eq!(place.to_string(), expected);
            assert_eq!(place.spot.expect("a spot").width, width, "{expected}");
        }
    }

    #[test]
    fn visible_text_is_one_line() {
        assert_eq!(visible("a\nb\u{202e}\u{85}é"), "a\\u{a}b\\u{202e}\\u{85}é");
        assert_eq!(cut("ééé", 2), "éé…");
    }
}
