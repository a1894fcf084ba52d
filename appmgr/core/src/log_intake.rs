//! Lines out of an app's pipe, and how fast they may come.

use std::time::Duration;

use crate::log_line::{MAX_LINE, printable};
use crate::uptime::Uptime;

/// Cuts the bytes of one pipe into lines. Holds at most one line of [`MAX_LINE`] bytes.
#[derive(Debug, Default)]
pub struct Lines {
    held: Vec<u8>,
}

impl Lines {
    /// Takes bytes; gives each line that ends in them, printable.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match part.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (part, false),
            };
            // One byte more than a line holds is kept, so that the cut is seen.
            let room = (MAX_LINE + 1).saturating_sub(self.held.len());
            self.held.extend_from_slice(text.get(..room).unwrap_or(text));
            if ends {
                lines.extend(self.finish().or(Some(String::new())));
            }
        }
        lines
    }

    /// Gives the line that has begun and gets no end, for when the pipe is closed.
    pub fn finish(&mut self) -> Option<String> {
        let held = std::mem::take(&mut self.held);
        let text = held.strip_suffix(b"\r").unwrap_or(&held);
        (!held.is_empty()).then(|| printable(text))
    }
}

/// Bytes per second that an app may log for good: what a slow serial console still carries.
pub const RATE: u64 = 4096;

/// Bytes that it may log at once.
pub const BURST: u64 = 16 * 1024;

/// What a line costs besides its bytes: time and source on the console, its place in the ring.
pub const LINE_COST: u64 = 48;

/// How much an app may still log. Over its budget its pipe is not read, so that the app waits and no line
/// is lost.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Bytes left; below zero while the app must wait.
    left: i64,
    at: Uptime,
}

/// [`BURST`] for the signed arithmetic of [`Budget`].
const FULL: i64 = 16 * 1024;
const _: () = assert!(FULL.unsigned_abs() == BURST);

impl Budget {
    /// A full budget.
    pub fn new(now: Uptime) -> Self {
        Self { left: FULL, at: now }
    }

    /// Takes what was read off the budget.
    pub fn spend(&mut self, bytes: usize, lines: usize, now: Uptime) {
        self.refill(now);
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let cost = count(bytes).saturating_add(count(lines).saturating_mul(LINE_COST));
        self.left = self.left.saturating_sub(i64::try_from(cost).unwrap_or(i64::MAX));
    }

    /// Until when the pipe is not to be read; `None` if it may be read now.
    pub fn pause_until(&mut self, now: Uptime) -> Option<Uptime> {
        self.refill(now);
        (self.left <= 0).then(|| {
            // Wait for a quarter of the burst, so that reading does not go on byte by byte.
            let missing = self.left.unsigned_abs().saturating_add(BURST / 4);
            now.after(Duration::from_millis(missing.saturating_mul(1000).div_ceil(RATE)))
        })
    }

    /// Whether more than a whole burst is owed: then even the last words of a run are left out, or an app that
    /// ends and starts again and again would log without bound.
    pub fn is_far_over(&mut self, now: Uptime) -> bool {
        self.refill(now);
        self.left < -FULL
    }

    fn refill(&mut self, now: Uptime) {
        let passed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        let gained = passed.saturating_mul(RATE) / 1000;
        // Time that gains nothing yet is kept for the next refill.
        if gained > 0 {
            self.left = self.left.saturating_add(i64::try_from(gained).unwrap_or(i64::MAX)).min(FULL);
            self.at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_in_pieces_come_out_whole() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"one\ntw"), ["one"]);
        assert_eq!(lines.push(b"o\r\n\nthree"), ["two", ""]);
        assert_eq!(lines.finish(), Some("three".into()));
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn lines_without_an_end_are_held_only_up_to_the_bound() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            assert_eq!(lines.push(&[b'x'; 1000]), Vec::<String>::new());
            assert!(lines.held.len() <= MAX_LINE + 1);
        }
        let line = lines.push(b"\nnext\n");
        assert_eq!(line[0].len(), MAX_LINE + '…'.len_utf8());
        assert_eq!(line[1], "next");
    }

    #[test]
    fn budget_spent_pauses_and_comes_back() {
        let start = Uptime::from_millis(5_000);
        let mut budget = Budget::new(start);
        assert_eq!(budget.pause_until(start), None);
        budget.spend(20_000, 10, start);
        let until = budget.pause_until(start).unwrap();
        assert!(budget.pause_until(start.after(Duration::from_millis(100))).is_some());
        assert_eq!(budget.pause_until(until), None);
    }

    #[test]
    fn budget_far_over_is_told_until_the_debt_is_small() {
        let start = Uptime::from_millis(5_000);
        let mut budget = Budget::new(start);
        budget.spend(20_000, 0, start);
        assert!(!budget.is_far_over(start));
        budget.spend(20_000, 0, start);
        assert!(budget.is_far_over(start));
        assert!(!budget.is_far_over(start.after(Duration::from_secs(4))));
    }

    proptest! {
        #[test]
        fn budget_over_any_time_bounds_what_is_read(steps in prop::collection::vec((0u64..500, 1usize..1024), 1..300)) {
            let mut now = Uptime::default();
            let mut budget = Budget::new(now);
            let mut read = 0u64;
            for (wait, bytes) in steps {
                now = now.after(Duration::from_millis(wait));
                if budget.pause_until(now).is_none() {
                    budget.spend(bytes, 1, now);
                    read += bytes as u64;
                }
            }
            prop_assert!(read <= BURST + 1024 + now.as_millis() * RATE / 1000);
        }

        #[test]
        fn lines_any_bytes_in_any_pieces_give_the_same(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..3000),
            piece in 1usize..700,
        ) {
            let run = |piece: usize| {
                let mut lines = Lines::default();
                let mut out: Vec<_> = bytes.chunks(piece).flat_map(|part| lines.push(part)).collect();
                out.extend(lines.finish());
                out
            };
            let out = run(piece);
            prop_assert!(out.iter().all(|line| line.len() <= MAX_LINE + 3 && !line.contains('\n')));
            prop_assert_eq!(out, run(bytes.len().max(1)));
        }
    }
}
