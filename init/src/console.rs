//! One line on the console.

use std::io::Write as _;

use crate::clock;

/// Prints `[   12.345] init: text`. A console that can't be written to is no reason to stop.
pub(crate) fn log(text: &str) {
    let uptime = clock::uptime();
    let line = format!("[{:5}.{:03}] init: {text}\n", uptime.as_secs(), uptime.subsec_millis());
    let _ = std::io::stdout().write_all(line.as_bytes());
}
