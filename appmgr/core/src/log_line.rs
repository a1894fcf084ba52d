//! A line of text out of untrusted bytes, and its form on the console.

use nacre_wire::log::Detail;

use crate::uptime::Uptime;

/// Longest line kept, in bytes; more is cut.
pub const MAX_LINE: usize = 1024;

/// Makes printable text of bytes: what is not UTF-8 is replaced, control characters and those that change
/// the reading direction are escaped, and what is over [`MAX_LINE`] is cut with `…` at the end.
pub fn printable(bytes: &[u8]) -> String {
    printable_within(bytes, MAX_LINE)
}

/// The same with another bound.
fn printable_within(bytes: &[u8], most: usize) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(bytes).chars() {
        let before = text.len();
        if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
        if text.len() > most {
            text.truncate(before);
            text.push('…');
            break;
        }
    }
    text
}

/// The parts of a structured line, printable and together not much longer than [`MAX_LINE`]: what is escaped becomes
/// longer, so the fields behind may be cut.
pub fn printable_parts(text: &str, mut detail: Detail) -> (String, Detail) {
    let text = printable(text.as_bytes());
    let mut room = MAX_LINE.saturating_sub(text.len());
    for field in &mut detail.fields {
        field.value = printable_within(field.value.as_bytes(), room);
        room = room.saturating_sub(field.value.len());
    }
    (text, detail)
}

/// A line as the console shows it: `[   12.345] reporter: text`.
pub fn console(uptime: Uptime, source: &str, text: &str) -> String {
    let millis = uptime.as_millis();
    format!("[{:>5}.{:03}] {source}: {text}", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use nacre_wire::log::{Field, Level};

    use super::*;

    #[test]
    fn printable_hostile_bytes_are_escaped_or_replaced() {
        for (bytes, text) in [
            (&b"plain \xc3\xa9"[..], "plain é"),
            (b"\x1b[2J\x07", "\\u{1b}[2J\\u{7}"),
            (b"a\tb\rc", "a\\tb\\rc"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            ("\u{202e}abc".as_bytes(), "\\u{202e}abc"),
            ("\u{9b}1m".as_bytes(), "\\u{9b}1m"),
        ] {
            assert_eq!(printable(bytes), text);
        }
    }

    #[test]
    fn printable_long_line_is_cut_at_the_bound() {
        assert_eq!(printable(&[b'a'; MAX_LINE]).len(), MAX_LINE);
        for long in [vec![b'a'; MAX_LINE + 1], vec![0x1b; MAX_LINE], "é".repeat(MAX_LINE).into_bytes()] {
            let text = printable(&long);
            assert!(text.len() <= MAX_LINE + '…'.len_utf8() && text.ends_with('…'));
        }
    }

    #[test]
    fn printable_parts_of_a_line_are_escaped_and_stay_within_a_line() {
        let field = |value: String| Field { key: "k".into(), value };
        let fields = vec![field("\x1b[2J".into()), field("\x07".repeat(300)), field("\x07".repeat(300))];
        let (text, detail) = printable_parts("a\nb", Detail { level: Level::Info, fields });
        assert_eq!((text.as_str(), detail.fields[0].value.as_str()), ("a\\nb", "\\u{1b}[2J"));
        assert!(detail.fields[2].value.ends_with('…'));
        let bytes: usize = detail.fields.iter().map(|field| field.value.len()).sum();
        assert!(bytes <= MAX_LINE + 3 * '…'.len_utf8(), "{bytes}");
    }

    #[test]
    fn console_line_is_aligned_like_the_kernels() {
        assert_eq!(console(Uptime::from_millis(12_345), "reporter", "x"), "[   12.345] reporter: x");
        assert_eq!(console(Uptime::from_millis(7), "a", ""), "[    0.007] a: ");
    }
}
