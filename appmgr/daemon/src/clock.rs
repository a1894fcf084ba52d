//! The time since the kernel started, and the time of day.

use nacre_appmgr_core::Uptime;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};

/// Now (`CLOCK_BOOTTIME`, `clock_gettime(2)`).
pub(crate) fn now() -> Uptime {
    Uptime::from_millis(millis(ClockId::CLOCK_BOOTTIME))
}

/// The time of day, in milliseconds since 1970 (`CLOCK_REALTIME`).
pub(crate) fn wall_ms() -> u64 {
    millis(ClockId::CLOCK_REALTIME)
}

/// Sets the time of day. It needs `CAP_SYS_TIME`.
pub(crate) fn set_wall_ms(unix_ms: u64) -> nix::Result<()> {
    let time = TimeSpec::from_duration(std::time::Duration::from_millis(unix_ms));
    clock_settime(ClockId::CLOCK_REALTIME, time)
}

fn millis(clock: ClockId) -> u64 {
    // Both clocks are there in every kernel since 2.6.39, so the zero is never seen.
    let (seconds, nanos) = clock_gettime(clock).map_or((0, 0), |time| (time.tv_sec(), time.tv_nsec()));
    let seconds = u64::try_from(seconds).unwrap_or(0);
    let nanos = u64::try_from(nanos).unwrap_or(0);
    seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)
}
