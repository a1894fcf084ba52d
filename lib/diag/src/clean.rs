//! Text from files and devices, made safe for a terminal.

/// Whether a character may change what a terminal shows elsewhere: control characters, and the marks that
/// reorder text (Unicode TR 9; the "Trojan Source" trick).
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text on one line, unsafe characters written as `\n`, `\u{1b}` and the like.
pub(crate) fn one_line(text: &str) -> String {
    escape(text, is_unsafe)
}

/// The text with its line feeds kept, everything else as in [`one_line`].
pub(crate) fn lines(text: &str) -> String {
    escape(text, |c| c != '\n' && is_unsafe(c))
}

/// A source line in which every character stays one character wide, so that a marker beneath it fits.
pub(crate) fn columns(text: impl Iterator<Item = char>) -> String {
    text.map(|c| match c {
        '\t' => ' ',
        c if is_unsafe(c) => '\u{fffd}',
        c => c,
    })
    .collect()
}

fn escape(text: &str, refuse: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if refuse(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
