//! What is left out, as a list for people.

use super::LeftOut;
use super::json::shown;
use super::text::visible;

/// Columns of a line.
const WIDTH: usize = 100;

/// The list: each thing with its value, then the reason and what to do instead, once for those in a row that share
/// them.
pub fn list(left: &[LeftOut]) -> String {
    let mut out = String::new();
    for group in groups(left) {
        for left in group {
            out.push_str(&format!("{}: {}\n", visible(&left.from), shown(&left.value)));
        }
        for line in group.first().map(wrapped).unwrap_or_default() {
            out.push_str(&format!("  {line}\n"));
        }
    }
    out
}

/// Those in a row that are left out for one reason.
pub(super) fn groups(left: &[LeftOut]) -> impl Iterator<Item = &[LeftOut]> {
    left.chunk_by(|a, b| a.reason == b.reason && a.instead == b.instead)
}

/// The reason, and what to do instead, in lines.
pub(super) fn wrapped(left: &LeftOut) -> Vec<String> {
    let mut lines = Vec::new();
    for text in [visible(&left.reason), format!("instead: {}", visible(&left.instead))] {
        let mut line = String::new();
        for word in text.split(' ') {
            if !line.is_empty() && line.chars().count() + word.chars().count() >= WIDTH {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}
