//! Says how long after the kernel's start it runs.
#![forbid(unsafe_code)]

use nix::time::{ClockId, clock_gettime};

fn main() -> nix::Result<()> {
    // Counts from the kernel's start (clock_gettime(2)); /proc/uptime is not in a sandbox.
    let up = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
    println!("up {} ms", up.tv_sec() * 1000 + up.tv_nsec() / 1_000_000);
    Ok(())
}
