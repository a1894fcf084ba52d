//! How long an app pauses before it is started again, and when it stays down.

use std::collections::VecDeque;
use std::time::Duration;

use nacre_manifest::device::Restart;

use crate::uptime::Uptime;

/// Shortest pause, whatever the manifest says: an app that ends at once never takes the whole CPU.
pub const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// Most restarts in a window, whatever the manifest says: their times are kept in memory.
pub const MOST_RESTARTS: u32 = 1000;

/// A run at least this long, and at least as long as the longest pause, counts as stable: after it the
/// pause is the shortest again.
pub const STABLE_RUN: Duration = Duration::from_secs(30);

/// What the restarts so far allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Start again after the pause.
    Again {
        /// How long to wait.
        pause: Duration,
        /// Which restart in the window this is, from 1.
        number: u32,
    },
    /// The limit is reached.
    StaysDown,
}

/// The restarts of one app.
#[derive(Debug, Clone)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    limit: u32,
    window: Duration,
    /// When the restarts of the window happened or will happen, oldest first; at most `limit`.
    restarts: VecDeque<Uptime>,
    /// Doublings of the next pause.
    doublings: u32,
}

impl Backoff {
    /// With the bounds of a manifest.
    pub fn new(restart: &Restart) -> Self {
        let min = Duration::from_millis(restart.backoff_min_ms.into()).max(SHORTEST_PAUSE);
        Self {
            min,
            max: Duration::from_millis(restart.backoff_max_ms.into()).max(min),
            limit: restart.limit_count.min(MOST_RESTARTS),
            window: Duration::from_millis(restart.limit_window_ms.into()),
            restarts: VecDeque::new(),
            doublings: 0,
        }
    }

    /// Shortest and longest pause.
    pub fn bounds(&self) -> (Duration, Duration) {
        (self.min, self.max)
    }

    /// Restarts allowed per window, and the window.
    pub fn limit(&self) -> (u32, Duration) {
        (self.limit, self.window)
    }

    /// Decides after a run of this length has ended, and books the restart if there is one.
    pub fn after_run(&mut self, ran: Duration, now: Uptime) -> Verdict {
        if ran >= STABLE_RUN.max(self.max) {
            self.doublings = 0;
        }
        let pause =
            self.min.saturating_mul(1u32.checked_shl(self.doublings).unwrap_or(u32::MAX)).min(self.max);
        let at = now.after(pause);
        while self.restarts.front().is_some_and(|first| at.since(*first) >= self.window) {
            self.restarts.pop_front();
        }
        let so_far = u32::try_from(self.restarts.len()).unwrap_or(u32::MAX);
        if so_far >= self.limit {
            return Verdict::StaysDown;
        }
        self.restarts.push_back(at);
        self.doublings = (self.doublings + 1).min(31);
        Verdict::Again { pause, number: so_far + 1 }
    }

    /// Forgets everything: a person asked for the start.
    pub fn forget(&mut self) {
        self.restarts = VecDeque::new();
        self.doublings = 0;
    }
}

#[cfg(test)]
mod tests {
    use nacre_manifest::device::RestartPolicy;

    use super::*;

    fn backoff(min: u32, max: u32, count: u32, window: u32) -> Backoff {
        Backoff::new(&Restart {
            policy: RestartPolicy::Always,
            backoff_min_ms: min,
            backoff_max_ms: max,
            limit_count: count,
            limit_window_ms: window,
        })
    }

    fn pauses(backoff: &mut Backoff, runs: &[Duration]) -> Vec<Option<u128>> {
        let mut now = Uptime::default();
        runs.iter()
            .map(|ran| {
                now = now.after(*ran);
                match backoff.after_run(*ran, now) {
                    Verdict::Again { pause, .. } => {
                        now = now.after(pause);
                        Some(pause.as_millis())
                    }
                    Verdict::StaysDown => None,
                }
            })
            .collect()
    }

    #[test]
    fn pause_doubles_up_to_its_bound_and_a_stable_run_resets_it() {
        let short = Duration::from_millis(5);
        let runs = [short, short, short, short, STABLE_RUN, short];
        let seen = pauses(&mut backoff(1_000, 5_000, 100, 600_000), &runs);
        assert_eq!(seen, [1_000, 2_000, 4_000, 5_000, 1_000, 2_000].map(Some));
    }

    #[test]
    fn limit_reached_stays_down_until_forgotten() {
        let mut backoff = backoff(1_000, 1_000, 2, 600_000);
        let short = Duration::from_millis(5);
        assert_eq!(pauses(&mut backoff, &[short; 4]), [Some(1_000), Some(1_000), None, None]);
        backoff.forget();
        assert_eq!(pauses(&mut backoff, &[short]), [Some(1_000)]);
    }

    #[test]
    fn limit_counts_only_restarts_within_the_window() {
        let ran = Duration::from_secs(4);
        let seen = pauses(&mut backoff(1_000, 1_000, 2, 10_000), &[ran; 8]);
        assert_eq!(seen, [Some(1_000); 8]);
    }

    #[test]
    fn manifest_without_bounds_is_held_to_the_constants() {
        let mut backoff = backoff(0, 0, u32::MAX, u32::MAX);
        assert_eq!(backoff.bounds(), (SHORTEST_PAUSE, SHORTEST_PAUSE));
        let runs = vec![Duration::ZERO; 1_001];
        let seen = pauses(&mut backoff, &runs);
        assert_eq!(seen.iter().filter(|p| p.is_some()).count(), 1_000);
    }
}
