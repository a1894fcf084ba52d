//! The guest's serial console: bytes to lines that are safe to print on a person's terminal.
//!
//! Whatever runs in the guest can write there, so nothing that a terminal would obey gets through.

/// Longest line that is kept, in bytes; a longer one is broken into several.
const MAX_LINE: usize = 4096;

/// Bytes to lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    open: Vec<u8>,
}

impl Lines {
    /// Takes bytes as they come and gives back the lines that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut done = Vec::new();
        for &byte in bytes {
            if byte == b'\n' {
                done.push(printable(&std::mem::take(&mut self.open)));
                continue;
            }
            self.open.push(byte);
            if self.open.len() >= MAX_LINE {
                done.push(printable(&std::mem::take(&mut self.open)));
            }
        }
        done
    }

    /// What has come since the last line feed, as the last line.
    pub(crate) fn finish(&mut self) -> Option<String> {
        let rest = printable(&std::mem::take(&mut self.open));
        (!rest.is_empty()).then_some(rest)
    }
}

/// Where in an escape sequence (ECMA-48) the text stands.
enum Escape {
    None,
    /// After ESC.
    Begun,
    /// In a control sequence: until a byte from `@` to `~`.
    Control,
    /// In a string (title, palette, clipboard): until BEL or ESC.
    Text,
}

/// The text without escape sequences and carriage returns; every other control character becomes visible.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut state = Escape::None;
    for c in text.chars() {
        state = match (state, c) {
            (Escape::None | Escape::Text, '\u{1b}') => Escape::Begun,
            (Escape::None, '\u{9b}') => Escape::Control,
            (Escape::None, '\r') => Escape::None,
            (Escape::None, c) if (c.is_control() && c != '\t') || redirects(c) => {
                out.extend(c.escape_unicode());
                Escape::None
            }
            (Escape::None, c) => {
                out.push(c);
                Escape::None
            }
            (Escape::Begun, '[') => Escape::Control,
            (Escape::Begun, ']' | 'P' | 'X' | '^' | '_') => Escape::Text,
            // Intermediate bytes: the sequence goes on.
            (Escape::Begun, ' '..='/' | '\u{1b}') => Escape::Begun,
            (Escape::Begun, _) => Escape::None,
            (Escape::Control, '@'..='~') => Escape::None,
            (Escape::Control, '\u{1b}') => Escape::Begun,
            (Escape::Control, _) => Escape::Control,
            (Escape::Text, '\u{7}' | '\u{9c}') => Escape::None,
            (Escape::Text, _) => Escape::Text,
        };
    }
    out
}

/// Whether a character changes the direction of the text after it, and so what a person reads.
fn redirects(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_split_anywhere_come_out_whole() {
        let mut lines = Lines::default();
        assert!(lines.push(b"[    0.0] Boo").is_empty());
        assert_eq!(lines.push(b"ting\r\nsecond\nthi"), ["[    0.0] Booting", "second"]);
        assert_eq!(lines.finish().as_deref(), Some("thi"));
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn lines_without_end_are_broken_up() {
        let mut lines = Lines::default();
        let done = lines.push(&vec![b'x'; MAX_LINE * 2 + 1]);
        assert_eq!(done.len(), 2);
        assert_eq!(lines.finish().as_deref(), Some("x"));
    }

    #[test]
    fn printable_of_hostile_bytes_has_nothing_for_a_terminal_to_obey() {
        for (bytes, text) in [
            (&b"plain\ttab"[..], "plain\ttab"),
            (b"\x1b[31mred\x1b[0m", "red"),
            (b"\x1b]0;title\x07after", "after"),
            (b"\x1b]52;c;aGk=\x1b\\after", "after"),
            (b"\x1b(Bafter", "after"),
            (b"\x1b[2J\x1b[1;1Hafter", "after"),
            (b"bell\x07", "bell\\u{7}"),
            (b"over\rwritten", "overwritten"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            ("\u{9b}31mred".as_bytes(), "red"),
            ("a\u{202e}b".as_bytes(), "a\\u{202e}b"),
        ] {
            assert_eq!(printable(bytes), text, "{bytes:?}");
        }
    }
}
