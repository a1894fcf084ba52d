//! How a run of an app ended.

use std::fmt;
use std::time::Duration;

use crate::uptime::Readable;

/// How a run of an app ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It exited with this code.
    Exited(i32),
    /// A signal ended it (number of `signal(7)`).
    Signalled(i32),
    /// The kernel killed it because it went over its `limits.memory`.
    OutOfMemory,
    /// It was killed because it had not shown for so long that it is well.
    Silent(Duration),
    /// It never ran: what the launcher said.
    NotStarted(String),
}

impl End {
    /// Whether the restart policy `on-failure` means it.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::Exited(0))
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Signalled(number) => match signal_name(*number) {
                Some(name) => write!(f, "ended by signal {number} ({name})"),
                None => write!(f, "ended by signal {number}"),
            },
            Self::OutOfMemory => f.write_str("killed: out of memory (over limits.memory)"),
            Self::Silent(most) => {
                write!(f, "killed: no heartbeat within {} (health.heartbeat)", Readable(*most))
            }
            Self::NotStarted(why) => write!(f, "could not be started: {why}"),
        }
    }
}

/// Name of a signal. The numbers are those of `signal(7)` for x86 and ARM.
fn signal_name(number: i32) -> Option<&'static str> {
    const NAMES: [&str; 31] = [
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    NAMES.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_read_as_sentences() {
        for (end, text) in [
            (End::Exited(3), "exited with code 3"),
            (End::Signalled(11), "ended by signal 11 (SIGSEGV)"),
            (End::Signalled(31), "ended by signal 31 (SIGSYS)"),
            (End::Signalled(40), "ended by signal 40"),
            (End::Signalled(0), "ended by signal 0"),
            (End::OutOfMemory, "killed: out of memory (over limits.memory)"),
            (End::Silent(Duration::from_secs(30)), "killed: no heartbeat within 30 s (health.heartbeat)"),
            (End::NotStarted("mount /tmp: EPERM".into()), "could not be started: mount /tmp: EPERM"),
        ] {
            assert_eq!(end.to_string(), text);
        }
    }
}
