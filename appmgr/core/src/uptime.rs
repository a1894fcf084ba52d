//! Time as the app manager knows it.

use std::fmt;
use std::time::Duration;

/// A point in time, in milliseconds since the kernel started (`CLOCK_BOOTTIME`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uptime(u64);

impl Uptime {
    /// So many milliseconds after the kernel's start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the kernel's start.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The point so much later.
    #[must_use]
    pub fn after(self, pause: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The time from an earlier point to this one; zero if that one is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A duration for people: `500 ms`, `2 s`, `1.5 s`, `10 min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readable(pub Duration);

impl fmt::Display for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match millis {
            0..1_000 => write!(f, "{millis} ms"),
            _ if millis >= 60_000 && millis.is_multiple_of(60_000) => write!(f, "{} min", millis / 60_000),
            _ if millis.is_multiple_of(1_000) => write!(f, "{} s", millis / 1_000),
            _ => write!(f, "{}.{} s", millis / 1_000, millis % 1_000 / 100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readable_durations_use_the_unit_that_fits() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (2_000, "2 s"),
            (1_540, "1.5 s"),
            (90_000, "90 s"),
            (600_000, "10 min"),
        ] {
            assert_eq!(Readable(Duration::from_millis(millis)).to_string(), text);
        }
    }
}
