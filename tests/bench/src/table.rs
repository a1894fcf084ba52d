//! The table, for the terminal and for docs/SPECIFICATION.md.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::samples::{Samples, number};

/// One line: ours beside a peer.
#[derive(Debug)]
pub(crate) struct Row([String; 6]);

impl Row {
    const HEAD: [&str; 6] = ["what", "ours", "peer", "ratio", "n", "spread: ours; peer"];

    /// Bytes, which don't vary.
    pub(crate) fn of_bytes(what: &str, ours: u64, peer: u64) -> Self {
        let millions = |bytes: u64| f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        let ratio = millions(ours) / millions(peer);
        let [ours, peer] = [ours, peer].map(|bytes| format!("{} bytes", grouped(bytes)));
        Self([what.to_owned(), ours, peer, format!("{ratio:.2}"), "1".to_owned(), "none".to_owned()])
    }

    /// Medians of KiB; each side has at least one.
    pub(crate) fn of_kib(what: &str, ours: &[u64], peer: &[u64]) -> Self {
        let sorted = |kib: &[u64]| {
            let mut kib = kib.to_vec();
            kib.sort_unstable();
            kib
        };
        let [ours, peer] = [sorted(ours), sorted(peer)];
        let median = |kib: &[u64]| kib.get(kib.len() / 2).copied().unwrap_or_default();
        let number = |kib: u64| f64::from(u32::try_from(kib).unwrap_or(u32::MAX));
        let ratio = number(median(&ours)) / number(median(&peer));
        let end = |kib: Option<&u64>| grouped(kib.copied().unwrap_or_default());
        let spread = |kib: &[u64]| format!("{}..{}", end(kib.first()), end(kib.last()));
        let spread = format!("{}; {} KiB", spread(&ours), spread(&peer));
        let count = ours.len().to_string();
        let [ours, peer] = [ours, peer].map(|kib| format!("{} KiB", grouped(median(&kib))));
        Self([what.to_owned(), ours, peer, format!("{ratio:.2}"), count, spread])
    }

    /// Medians of how many there were in a second, from the time that each one took. More is better, so the ratio
    /// is one of numbers, not of times.
    pub(crate) fn of_rates(what: &str, unit: &str, ours: &Samples, peer: &Samples) -> Self {
        let rate = |time: Duration| 1.0 / time.as_secs_f64();
        let ratio = rate(ours.median()) / rate(peer.median());
        let spread = |times: &Samples| {
            let [most, least] = times.ends().map(rate);
            format!("{least:.0}..{most:.0}")
        };
        let spread = format!("{}; {} {unit}", spread(ours), spread(peer));
        let count = ours.count().to_string();
        let [ours, peer] = [ours, peer].map(|times| format!("{:.0} {unit}", rate(times.median())));
        Self([what.to_owned(), ours, peer, format!("{ratio:.2}"), count, spread])
    }

    /// Medians of times.
    pub(crate) fn of_times(what: &str, ours: &Samples, peer: &Samples) -> Self {
        let ratio = ours.median().as_secs_f64() / peer.median().as_secs_f64();
        let count = if ours.count() == peer.count() {
            ours.count().to_string()
        } else {
            format!("{}; {}", ours.count(), peer.count())
        };
        let [ours_median, peer_median] = [ours, peer].map(|times| format!("{} ms", number(times.median())));
        let spread = format!("{}; {} ms", ours.spread(), peer.spread());
        Self([what.to_owned(), ours_median, peer_median, format!("{ratio:.2}"), count, spread])
    }
}

/// `4,068,360`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The table in Markdown, its columns aligned for a terminal, and below it what it was measured on.
pub(crate) fn text(rows: &[Row], machine: &str) -> String {
    let head = Row::HEAD.map(str::to_owned);
    let lines: Vec<&[String; 6]> = std::iter::once(&head).chain(rows.iter().map(|row| &row.0)).collect();
    let mut widths = [3; 6];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(*line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(widths) {
            out += &format!("| {cell:width$} ");
        }
        out += "|\n";
        if number == 0 {
            widths.iter().for_each(|width| out += &format!("| {} ", "-".repeat(*width)));
            out += "|\n";
        }
    }
    format!("{out}\n{machine}\n")
}

/// Puts it between the marks of that name in a document.
pub(crate) fn write(document: &Path, name: &str, text: &str) -> Result<()> {
    let before = fs::read_to_string(document)?;
    let after = replaced(&before, name, text)
        .ok_or_else(|| format!("{}: no `{name}:begin` before a `{name}:end`", document.display()))?;
    Ok(fs::write(document, after)?)
}

fn replaced(document: &str, name: &str, text: &str) -> Option<String> {
    let [begin, end] = ["begin", "end"].map(|which| format!("<!-- {name}:{which} -->"));
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{text}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(ms: &[u64]) -> Samples {
        Samples::new(ms.iter().copied().map(Duration::from_millis).collect()).unwrap()
    }

    #[test]
    fn document_keeps_everything_but_what_is_between_the_marks() {
        let document = "a\n<!-- m:begin -->\nold\n<!-- m:end -->\nb\n<!-- n:begin -->\n<!-- n:end -->\n";
        let expected = document.replace("old", "new");
        assert_eq!(replaced(document, "m", "new\n"), Some(expected));
        assert_eq!(replaced("<!-- m:end -->", "m", "new"), None);
        assert_eq!(replaced("no marks", "m", "new"), None);
    }

    #[test]
    fn table_has_ratio_count_and_spread_of_each_row() {
        let rows = [
            Row::of_bytes("slot", 1_826_816, 4_068_360),
            Row::of_times("start", &samples(&[3, 1, 2]), &samples(&[4])),
            Row::of_rates("rate", "a second", &samples(&[4, 5, 10]), &samples(&[2, 4, 4])),
            Row::of_kib("memory", &[9, 1024, 3], &[18, 18, 18]),
        ];
        let text = text(&rows, "on a machine");
        assert!(text.contains("| slot   | 1,826,816 bytes | 4,068,360 bytes | 0.45  | 1    |"), "{text}");
        assert!(text.contains("| 0.50  | 3; 1 | 1.00..3.00; 4.00..4.00 ms "), "{text}");
        assert!(
            text.contains("| 200 a second    | 250 a second    | 0.80  | 3    | 100..250; 250..500 a second"),
            "{text}"
        );
        assert!(
            text.contains("| 9 KiB           | 18 KiB          | 0.50  | 3    | 3..1,024; 18..18 KiB "),
            "{text}"
        );
        assert!(text.ends_with("\n\non a machine\n"), "{text}");
    }
}
