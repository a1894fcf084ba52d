//! Time since the kernel started, and a wall clock that is not in 1970.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};

/// 2026-01-01: no clock that is right shows an earlier time.
const FLOOR: TimeSpec = TimeSpec::new(1_767_225_600, 0);

/// Sets the wall clock to the floor if it is behind: the board has no clock, or its battery is empty.
///
/// It comes before `/data` is mounted: an ext4 inode that is deleted within the first minutes of 1970 looks
/// damaged to e2fsck, which reads a small deletion time as the number of an inode.
pub(crate) fn raise_to_floor() -> Result<(), Errno> {
    let clock = ClockId::CLOCK_REALTIME;
    if clock_gettime(clock)? < FLOOR { clock_settime(clock, FLOOR) } else { Ok(()) }
}

/// Time since the kernel started; zero should the clock be missing, which Linux rules out.
pub(crate) fn uptime() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}
