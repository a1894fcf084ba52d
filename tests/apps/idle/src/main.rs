//! Says when it began, and what the launcher's stamps are if it has any, and then waits for ever, or ends.
#![forbid(unsafe_code)]

use std::thread;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

fn main() -> nix::Result<()> {
    // The clock of the stamps (clock_gettime(2)).
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    let stamps = std::env::var("NACRE_STAMPS").unwrap_or_default();
    println!("began {} {stamps}", Duration::from(now).as_nanos());
    if std::env::args_os().nth(1).is_some_and(|word| word == "wait") {
        loop {
            thread::park();
        }
    }
    Ok(())
}
