//! How an app is ended gently.

use std::fs;

use nix::sys::signal::Signal;

/// The signal that does to a process what SIGTERM would. The first process of a PID namespace gets no signal that it has
/// no handler for (`pid_namespaces(7)`): if it has none, the signal's default has to be carried out by SIGKILL.
pub fn gentle_end(pid: i32) -> Signal {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    if defaults_on_sigterm(&status) { Signal::SIGKILL } else { Signal::SIGTERM }
}

/// Whether a process neither handles nor ignores nor blocks SIGTERM, by its `/proc/<pid>/status`
/// (`proc_pid_status(5)`). Not, if the masks are not to be read.
fn defaults_on_sigterm(status: &str) -> bool {
    let bit = 1u64 << (Signal::SIGTERM as u32 - 1);
    ["SigBlk:", "SigIgn:", "SigCgt:"].into_iter().all(|name| {
        let mask =
            status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix(name)?.trim(), 16).ok());
        mask.is_some_and(|mask| mask & bit == 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigterm_takes_its_default_only_without_handler_block_and_ignore() {
        let status = |blocked: &str, ignored: &str, caught: &str| {
            format!("Name:\tx\nSigBlk:\t{blocked}\nSigIgn:\t{ignored}\nSigCgt:\t{caught}\n")
        };
        let (none, term) = ("0000000000000000", "0000000000004000");
        assert!(defaults_on_sigterm(&status(none, none, "0000000180000440")));
        for (blocked, ignored, caught) in [(term, none, none), (none, term, none), (none, none, term)] {
            assert!(!defaults_on_sigterm(&status(blocked, ignored, caught)));
        }
        assert!(!defaults_on_sigterm("Name:\tx\n"));
    }
}
