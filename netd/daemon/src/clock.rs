//! The time since the kernel started.

use nacre_netd_core::Millis;
use nix::time::{ClockId, clock_gettime};

/// Now (`CLOCK_BOOTTIME`, `clock_gettime(2)`).
pub(crate) fn now() -> Millis {
    // The clock is there in every kernel since 2.6.39, so the zero is never seen.
    let (seconds, nanos) =
        clock_gettime(ClockId::CLOCK_BOOTTIME).map_or((0, 0), |time| (time.tv_sec(), time.tv_nsec()));
    let seconds = u64::try_from(seconds).unwrap_or(0);
    let nanos = u64::try_from(nanos).unwrap_or(0);
    seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)
}
