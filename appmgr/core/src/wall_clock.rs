//! Whether the clock follows what a time server says.

use std::fmt;
use std::time::Duration;

use crate::uptime::Readable;

/// 2026-01-01, in milliseconds since 1970: no clock that is right shows an earlier time. init sets the same floor.
pub const FLOOR_MS: u64 = 1_767_225_600_000;

/// 2036-01-01. On 32-bit ARM programs count seconds in 32 bits: a later time could not be set, and from 2038-01-19 on
/// every one that asks what time it is would panic. Two years lie between, so that no clock gets there by itself.
pub const CEILING_MS: u64 = 2_082_758_400_000;

/// 2038-01-19, when 32 bits are full.
const _: () = assert!(CEILING_MS < 2_147_483_647_000);

/// A jump over this is worth a line in the log.
const NOTABLE: Duration = Duration::from_secs(1);

/// What to do with a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Set the clock to it.
    Set {
        /// A line for the log, if it is worth one.
        log: Option<String>,
    },
    /// Leave the clock as it is.
    Refuse {
        /// A line for the log, the first time.
        log: Option<String>,
    },
}

/// What was made of the times so far.
#[derive(Debug, Default)]
pub struct WallClock {
    was_set: bool,
    has_refused: bool,
}

impl WallClock {
    /// Judges the time that `server` tells, against what the clock shows; both in milliseconds since 1970.
    pub fn judge(&mut self, told_ms: u64, shown_ms: u64, server: &str) -> Verdict {
        if !(FLOOR_MS..CEILING_MS).contains(&told_ms) {
            let text = || format!("time of {server} is refused: it is not between 2026 and 2036");
            let log = (!self.has_refused).then(text);
            self.has_refused = true;
            return Verdict::Refuse { log };
        }
        let jump = Duration::from_millis(told_ms.abs_diff(shown_ms));
        let log = if !self.was_set {
            Some(format!("the clock is set to {} (time server {server})", Moment(told_ms)))
        } else if jump > NOTABLE {
            let side = if told_ms > shown_ms { "behind" } else { "ahead" };
            let now = Moment(told_ms);
            Some(format!(
                "the clock was {} {side}; it is set to {now} (time server {server})",
                Readable(jump)
            ))
        } else {
            None
        };
        self.was_set = true;
        Verdict::Set { log }
    }
}

/// A time in milliseconds since 1970, as `2026-03-01 12:00:00 UTC`.
struct Moment(u64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // Years from March on, so that a leap day is the last of its year; eras of 400 years (H. Hinnant,
        // "chrono-compatible low-level date algorithms", civil_from_days).
        let shifted = days + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_as_dates() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_767_225_599, "2025-12-31 23:59:59 UTC"),
            (1_772_366_405, "2026-03-01 12:00:05 UTC"),
            (4_102_444_799, "2099-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(Moment(seconds * 1000 + 999).to_string(), text);
        }
    }

    #[test]
    fn time_within_the_bounds_is_followed_and_told_when_it_matters() {
        let mut clock = WallClock::default();
        let set = |log: &str| Verdict::Set { log: Some(log.into()) };
        let now = 1_772_366_405_000;
        assert_eq!(
            clock.judge(now, FLOOR_MS + 3, "pool.example"),
            set("the clock is set to 2026-03-01 12:00:05 UTC (time server pool.example)")
        );
        for shown in [now, now + 1000, now - 1000] {
            assert_eq!(clock.judge(now, shown, "x"), Verdict::Set { log: None });
        }
        assert_eq!(
            clock.judge(now, now - 1001, "x"),
            set("the clock was 1.0 s behind; it is set to 2026-03-01 12:00:05 UTC (time server x)")
        );
        assert_eq!(
            clock.judge(now, now + 90_000, "x"),
            set("the clock was 90 s ahead; it is set to 2026-03-01 12:00:05 UTC (time server x)")
        );
    }

    #[test]
    fn time_out_of_the_bounds_is_refused_and_told_once() {
        let mut clock = WallClock::default();
        let text = "time of x is refused: it is not between 2026 and 2036";
        assert_eq!(clock.judge(FLOOR_MS - 1, FLOOR_MS, "x"), Verdict::Refuse { log: Some(text.into()) });
        for told in [0, CEILING_MS, u64::MAX] {
            assert_eq!(clock.judge(told, FLOOR_MS, "x"), Verdict::Refuse { log: None });
        }
        for told in [FLOOR_MS, CEILING_MS - 1] {
            assert!(matches!(clock.judge(told, FLOOR_MS, "x"), Verdict::Set { .. }));
        }
    }
}
