//! How fast an app may ask the OS.

use std::time::Duration;

use crate::uptime::Uptime;

/// Requests per second that an app may make for good. Serving one costs the app manager some 100 µs of the slowest
/// board's CPU, which is not charged to the app.
pub const RATE: u32 = 200;

/// Requests that it may make at once.
pub const BURST: u32 = 400;

/// Thousandths of a request, the unit of [`RequestBudget`]: one per millisecond is 1000 a second.
const WHOLE: u64 = 1000;

/// What an app may still ask. Over its budget it is not listened to, so that it waits and no request is lost.
#[derive(Debug, Clone)]
pub struct RequestBudget {
    left: u64,
    at: Uptime,
}

impl RequestBudget {
    /// A full budget.
    pub fn new(now: Uptime) -> Self {
        Self { left: u64::from(BURST) * WHOLE, at: now }
    }

    /// Takes a request off the budget.
    pub fn spend(&mut self, now: Uptime) {
        self.refill(now);
        self.left = self.left.saturating_sub(WHOLE);
    }

    /// Gives one back: what serves another app is not the app's own wish.
    pub fn refund(&mut self) {
        self.left = self.left.saturating_add(WHOLE).min(u64::from(BURST) * WHOLE);
    }

    /// Until when the app is not to be listened to; `None` if it may ask now.
    pub fn pause_until(&mut self, now: Uptime) -> Option<Uptime> {
        self.refill(now);
        // A quarter of the burst at a time, so that it does not go on one by one.
        (self.left < WHOLE).then(|| now.after(Duration::from_secs(1) * (BURST / 4) / RATE))
    }

    fn refill(&mut self, now: Uptime) {
        let passed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        let gained = passed.saturating_mul(u64::from(RATE));
        self.left = self.left.saturating_add(gained).min(u64::from(BURST) * WHOLE);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Uptime {
        Uptime::from_millis(millis)
    }

    #[test]
    fn flood_gets_its_burst_and_then_its_rate() {
        let mut budget = RequestBudget::new(at(0));
        let (mut served, mut now) = (0_u32, at(0));
        while now < at(10_000) {
            match budget.pause_until(now) {
                Some(until) => now = until,
                None => {
                    budget.spend(now);
                    served += 1;
                }
            }
        }
        assert!((BURST + RATE * 9..=BURST + RATE * 10).contains(&served), "{served}");
    }

    #[test]
    fn steady_app_is_never_paused_and_a_refund_costs_nothing() {
        let mut budget = RequestBudget::new(at(0));
        for turn in 0..10_000 {
            assert_eq!(budget.pause_until(at(turn * 5)), None);
            budget.spend(at(turn * 5));
        }
        for _ in 0..10 * BURST {
            budget.spend(at(50_000));
            budget.refund();
        }
        assert_eq!(budget.pause_until(at(50_000)), None);
    }
}
