//! Time since the kernel started.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Time since the kernel started; zero should the clock be missing, which Linux rules out.
pub(crate) fn uptime() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}
