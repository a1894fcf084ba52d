//! How long a device capability lasts, without a clock that can be trusted and whenever the power goes.
//!
//! It lasts so many boots and so much uptime, counted while the device is up. Uptime is paid in advance, in sixteenths of
//! the whole: what is kept on the disk has the current part taken off already. So a power cut costs the rest of a
//! part and never gives anything back, and the disk is written sixteen times at most, and once at each boot.

use std::time::Duration;

use crate::uptime::Uptime;

/// Parts in which uptime is paid.
const PARTS: u64 = 16;

/// Shortest part.
const SHORTEST_PART_MS: u64 = 1_000;

/// What is kept of a lease between two starts of the app manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Boots, that one included.
    pub boots: u32,
    /// Uptime that is not paid yet, in milliseconds.
    pub left_ms: u64,
    /// Until when it was paid, in milliseconds of that boot's uptime.
    pub until_ms: u64,
}

/// A lease that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    boots: u32,
    left_ms: u64,
    part_ms: u64,
    until: Uptime,
}

/// Whether the boot in which a lease was kept is this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// The app manager was started again.
    Same,
    /// The device was.
    Another,
}

/// What came of the time that has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It holds, as it was kept.
    Holds,
    /// It holds if it can be kept as it is now.
    Keep,
    /// It is over.
    Over,
}

impl Lease {
    /// One that begins now.
    pub fn begin(boots: u32, uptime_s: u32, now: Uptime) -> Self {
        let whole = u64::from(uptime_s) * 1_000;
        let part_ms = (whole / PARTS).max(SHORTEST_PART_MS);
        let mut lease = Self { boots, left_ms: whole, part_ms, until: now };
        lease.pass(now);
        lease
    }

    /// One that was kept, of `uptime_s` in all; `None` if it is over. It holds if it can be kept as it is now.
    pub fn resume(kept: Kept, uptime_s: u32, boot: Boot, now: Uptime) -> Option<Self> {
        let Self { part_ms, .. } = Self::begin(1, uptime_s, now);
        let (boots, until) = match boot {
            Boot::Same => (kept.boots, Uptime::from_millis(kept.until_ms)),
            Boot::Another => (kept.boots.checked_sub(1)?, now),
        };
        // More than the whole is left only of what somebody else wrote.
        let left_ms = kept.left_ms.min(u64::from(uptime_s) * 1_000);
        let mut lease =
            Self { boots, left_ms, part_ms, until: until.min(now.after(Duration::from_millis(part_ms))) };
        (boots > 0 && lease.pass(now) != Verdict::Over).then_some(lease)
    }

    /// Pays for the time that has passed.
    pub fn pass(&mut self, now: Uptime) -> Verdict {
        if now < self.until {
            return Verdict::Holds;
        }
        let missing = u64::try_from(now.since(self.until).as_millis()).unwrap_or(u64::MAX);
        // Whole parts, until one is left over; without a part left, whatever is.
        let parts = (missing / self.part_ms).saturating_add(1);
        let paid = parts.saturating_mul(self.part_ms).min(self.left_ms);
        self.left_ms -= paid;
        self.until = self.until.after(Duration::from_millis(paid));
        if now < self.until { Verdict::Keep } else { Verdict::Over }
    }

    /// What to keep.
    pub fn kept(&self) -> Kept {
        Kept { boots: self.boots, left_ms: self.left_ms, until_ms: self.until.as_millis() }
    }

    /// When the next part is to be paid.
    pub fn deadline(&self) -> Uptime {
        self.until
    }

    /// Boots that are left, this one included.
    pub fn boots(&self) -> u32 {
        self.boots
    }

    /// Uptime that is left in this boot.
    pub fn left(&self, now: Uptime) -> Duration {
        Duration::from_millis(self.left_ms).saturating_add(self.until.since(now))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Uptime {
        Uptime::from_millis(seconds * 1_000)
    }

    #[test]
    fn lease_in_one_boot_lasts_its_uptime_to_the_millisecond() {
        let mut lease = Lease::begin(1, 160, at(100));
        assert_eq!(lease.left(at(100)), Duration::from_secs(160));
        assert_eq!(
            (lease.pass(at(109)), lease.pass(at(110)), lease.pass(at(111))),
            (Verdict::Holds, Verdict::Keep, Verdict::Holds)
        );
        assert_eq!(lease.left(at(111)), Duration::from_secs(149));
        assert_eq!(lease.pass(Uptime::from_millis(259_999)), Verdict::Keep);
        assert_eq!(lease.pass(at(260)), Verdict::Over);
    }

    #[test]
    fn lease_over_boots_ends_with_the_last_of_them() {
        let first = Lease::begin(2, 1_600, at(5));
        let again = Lease::resume(first.kept(), 1_600, Boot::Same, at(6)).unwrap();
        assert_eq!(again, first, "the app manager started again: nothing is paid twice");
        let second = Lease::resume(first.kept(), 1_600, Boot::Another, at(1)).unwrap();
        assert_eq!((second.boots(), second.left(at(1))), (1, Duration::from_secs(1_500)), "a part is lost");
        assert_eq!(Lease::resume(second.kept(), 1_600, Boot::Another, at(1)), None);
    }

    #[test]
    fn lease_kept_by_somebody_else_lasts_no_longer_than_it_was_signed_for() {
        let forged = Kept { boots: 1, left_ms: u64::MAX, until_ms: u64::MAX };
        let lease = Lease::resume(forged, 160, Boot::Same, at(0)).unwrap();
        assert!(lease.left(at(0)) <= Duration::from_secs(170), "{:?}", lease.left(at(0)));
        assert_eq!(Lease::resume(Kept { boots: 0, ..forged }, 160, Boot::Another, at(0)), None);
    }

    proptest! {
        /// Whenever it is looked at, and whenever the power is cut, it lasts no more boots and no more uptime than it was
        /// signed for.
        #[test]
        fn lease_cut_at_any_time_never_lasts_longer(
            boots in 1u32..5,
            uptime_s in 1u32..400,
            runs in prop::collection::vec((prop::collection::vec(1u64..60_000, 1..20), any::<bool>()), 1..12),
        ) {
            let mut now = Uptime::from_millis(700);
            let mut lease = Some(Lease::begin(boots, uptime_s, now));
            let (mut held_ms, mut held_boots, mut counted) = (0, 0, false);
            for (looks, cut) in runs {
                for step in looks {
                    let next = now.after(Duration::from_millis(step));
                    let Some(current) = &mut lease else { break };
                    if !counted {
                        held_boots += 1;
                        counted = true;
                    }
                    if current.pass(next) == Verdict::Over {
                        lease = None;
                        break;
                    }
                    held_ms += step;
                    now = next;
                }
                let Some(kept) = lease.map(|lease| lease.kept()) else { break };
                let boot = if cut { Boot::Another } else { Boot::Same };
                if cut {
                    now = Uptime::from_millis(700);
                    counted = false;
                }
                lease = Lease::resume(kept, uptime_s, boot, now);
            }
            prop_assert!(held_ms <= u64::from(uptime_s) * 1_000, "{held_ms}");
            prop_assert!(held_boots <= boots);
        }
    }
}
