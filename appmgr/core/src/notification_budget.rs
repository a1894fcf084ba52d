//! How many denied calls of an app are answered at once: each costs the app manager some of the OS's CPU time, and
//! the app, which waits for its answer, nothing. Whoever makes more of them waits longer.

use std::time::Duration;

use crate::uptime::Uptime;

/// What a denied call costs: it is decoded and perhaps told.
pub const DENIED: u32 = 5;

/// What a call costs that goes on, watched by a development image.
pub const WATCHED: u32 = 1;

/// What each millisecond costs that an answer took: an app can make the app manager wait for its memory, and gets at
/// most a tenth of its time.
const EACH_MILLISECOND: i64 = 5;

/// What may be spent at once.
const BURST: i64 = 400;

/// What comes back in each millisecond, in thousandths: 500 in a second, so 100 denied calls.
const PER_MILLISECOND: i64 = 500;

/// The shortest pause: after each, a few calls are answered together.
const PAUSE: Duration = Duration::from_millis(50);

/// So much of it is free: a page of the app manager's own program may have to be read.
const FREE: Duration = Duration::from_millis(10);

/// The budget of one app.
#[derive(Debug, Clone, Copy)]
pub struct NotificationBudget {
    /// In thousandths; below zero it is a debt.
    left: i64,
    at: Uptime,
}

impl NotificationBudget {
    /// A full one.
    pub fn new(now: Uptime) -> Self {
        Self { left: BURST * 1_000, at: now }
    }

    /// Pays for an answer, that took so long.
    pub fn spend(&mut self, cost: u32, took: Duration, now: Uptime) {
        self.refill(now);
        let millis = i64::try_from(took.saturating_sub(FREE).as_millis()).unwrap_or(i64::MAX);
        let cost = i64::from(cost).saturating_add(millis.saturating_mul(EACH_MILLISECOND));
        self.left = self.left.saturating_sub(cost.saturating_mul(1_000));
    }

    /// Until when the next answer waits, if it must.
    pub fn pause_until(&mut self, now: Uptime) -> Option<Uptime> {
        self.refill(now);
        let missing = i64::from(DENIED) * 1_000 - self.left;
        (missing > 0).then(|| {
            let millis = u64::try_from(missing / PER_MILLISECOND).unwrap_or(0);
            now.after(PAUSE.max(Duration::from_millis(millis)))
        })
    }

    fn refill(&mut self, now: Uptime) {
        let earned = i64::try_from(now.since(self.at).as_millis()).unwrap_or(i64::MAX);
        self.left = self.left.saturating_add(earned.saturating_mul(PER_MILLISECOND)).min(BURST * 1_000);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_of_denied_calls_is_answered_a_hundred_times_a_second() {
        let mut now = Uptime::default();
        let mut budget = NotificationBudget::new(now);
        let mut answered = 0;
        while now < Uptime::from_millis(10_000) {
            match budget.pause_until(now) {
                Some(until) => {
                    assert!(until > now);
                    now = until;
                }
                None => {
                    budget.spend(DENIED, Duration::ZERO, now);
                    answered += 1;
                }
            }
        }
        assert!((1_000..1_100).contains(&answered), "{answered}");
    }

    #[test]
    fn few_calls_never_wait() {
        let mut budget = NotificationBudget::new(Uptime::default());
        for second in 0..100 {
            let now = Uptime::from_millis(second * 1_000);
            for _ in 0..50 {
                assert_eq!(budget.pause_until(now), None);
                budget.spend(DENIED, Duration::ZERO, now);
            }
        }
    }

    #[test]
    fn app_that_holds_answers_up_gets_a_tenth_of_the_time() {
        const TOOK: Duration = Duration::from_millis(100);
        let mut now = Uptime::default();
        let mut budget = NotificationBudget::new(now);
        let mut held_up = 0;
        while now < Uptime::from_millis(60_000) {
            match budget.pause_until(now) {
                Some(until) => now = until,
                None => {
                    now = now.after(TOOK);
                    held_up += 100;
                    budget.spend(DENIED, TOOK, now);
                }
            }
        }
        assert!((5_000..8_000).contains(&held_up), "{held_up} ms of 60 s");
    }
}
