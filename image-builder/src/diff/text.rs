//! What differs, for people, after the manner of diff(1).

use std::fmt::Write as _;
use std::path::Path;

use super::{ByteDifference, Change, Difference};
use crate::run::console::printable;

/// All differences, under the places they are at: `-` is A, `+` is B, `!` is both. Nothing when there are none.
pub fn differences(a: &Path, b: &Path, found: &[Difference]) -> String {
    let mut out = String::new();
    if found.is_empty() {
        return out;
    }
    let path = |path: &Path| printable(path.display().to_string().as_bytes());
    let _ = writeln!(out, "--- {}\n+++ {}", path(a), path(b));
    let mut place: Option<&[String]> = None;
    for difference in found {
        if place != Some(&difference.place) {
            place = Some(&difference.place);
            if !difference.place.is_empty() {
                let _ = writeln!(out, "@ {}", printable(difference.place.join(": ").as_bytes()));
            }
        }
        let mut line = |mark: char, text: &str| {
            let text = printable(format!("{}: {text}", difference.subject).as_bytes());
            let _ = writeln!(out, "{mark} {text}");
        };
        match &difference.change {
            Change::Value { a, b } => {
                line('-', a);
                line('+', b);
            }
            Change::OnlyInA { a } => line('-', a),
            Change::OnlyInB { b } => line('+', b),
            Change::Bytes(bytes) => line('!', &ranges(bytes)),
            Change::Note { note } => line('!', note),
        }
    }
    out
}

fn ranges(found: &ByteDifference) -> String {
    let bytes = match found.differing_bytes {
        1 => "1 byte differs".to_owned(),
        bytes => format!("{bytes} bytes differ"),
    };
    let each = found.ranges.iter().map(|range| match range.first == range.last {
        true => range.first.to_string(),
        false => format!("{} to {}", range.first, range.last),
    });
    let more = match found.more_ranges {
        0 => String::new(),
        1 => ", and one more range".to_owned(),
        more => format!(", and {more} more ranges"),
    };
    format!("{bytes}, at {}{more}", each.collect::<Vec<_>>().join(", "))
}
