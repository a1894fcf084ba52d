//! A bound on how often something is done.

use crate::Millis;

/// So many at once, and then one per interval.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    interval: Millis,
    full: Millis,
    /// Milliseconds' worth of what may still be taken.
    level: Millis,
    at: Millis,
}

impl Bucket {
    pub(crate) fn new(most: u32, interval: Millis) -> Self {
        let full = interval * Millis::from(most);
        Self { interval, full, level: full, at: 0 }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: Millis) -> bool {
        self.level = self.level.saturating_add(now.saturating_sub(self.at)).min(self.full);
        self.at = self.at.max(now);
        match self.level.checked_sub(self.interval) {
            Some(left) => {
                self.level = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_under_a_flood_gives_its_share() {
        let mut bucket = Bucket::new(20, 50);
        let mut in_a_second = |from: Millis| {
            (from..from + 1000).map(|now| (0..10).filter(|_| bucket.take(now)).count()).sum::<usize>()
        };
        assert_eq!(in_a_second(0), 20 + 19, "20 at once, and one every 50 ms");
        assert_eq!((1..60).map(|second| in_a_second(second * 1000)).sum::<usize>(), 59 * 20);
        assert!(!bucket.take(59_999), "time that goes back gives nothing");
        assert_eq!((0..100).filter(|_| bucket.take(10_000_000)).count(), 20);
    }
}
