//! The allowed calls, in groups, each with its number and its reason.

mod files;
mod identity;
mod memory;
mod processes;
mod signals;
mod sockets;
mod threads;
mod time;
mod waiting;

use crate::call::Call;

/// Calls that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// Name, as [`crate::Options::without`] takes it.
    pub name: &'static str,
    /// What the calls are for.
    pub purpose: &'static str,
    /// What an app gets that makes one of them with other arguments, and why that and not its end.
    pub denied: Experience,
    /// The calls.
    pub calls: &'static [Call],
}

/// How an app experiences a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Experience {
    /// The call fails with `EPERM`; why an error is right here.
    Error(&'static str),
    /// The call fails with `ENOSYS`, as from a kernel that lacks it.
    Absent(&'static str),
    /// The process is killed.
    Killed(&'static str),
    /// It can't be denied: every argument is allowed.
    Never,
}

impl Experience {
    /// What the app sees, in short.
    pub const fn sees(self) -> &'static str {
        match self {
            Self::Error(_) => "EPERM",
            Self::Absent(_) => "ENOSYS",
            Self::Killed(_) => "SIGSYS",
            Self::Never => "-",
        }
    }

    /// Why it sees that.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Error(why) | Self::Absent(why) | Self::Killed(why) => why,
            Self::Never => "every argument is allowed",
        }
    }
}

/// What is denied outside the groups, by its name: what it is, and how an app experiences it.
pub const REST: &[(&str, &str, Experience)] = &[
    (
        "calls on no list",
        "every other call of the kernel",
        Experience::Error("a library that probes goes on without; what needs the call says so"),
    ),
    (
        "absent calls",
        "clone3, rseq",
        Experience::Absent("C libraries fall back to calls that the filter can judge"),
    ),
    (
        "numbers without a call",
        "what newer kernels may have",
        Experience::Absent("as from this kernel without the filter, so that fallbacks work"),
    ),
    (
        "another architecture",
        "i386 on x86_64",
        Experience::Killed("its numbers mean other calls, so nothing of it can be judged"),
    ),
];

/// Every group. A call that is in none of them is denied.
pub const GROUPS: &[Group] = &[
    Group {
        name: "memory",
        purpose: "memory of the process itself",
        denied: Experience::Error("an interpreter sees that it may make no code, and goes on without"),
        calls: memory::CALLS,
    },
    Group {
        name: "files",
        purpose: "files; which ones, Landlock and the mounts decide",
        denied: Experience::Error(
            "of fcntl and ioctl the harmless commands are there; for others a library has a default",
        ),
        calls: files::CALLS,
    },
    Group {
        name: "waiting",
        purpose: "waiting for descriptors and time",
        denied: Experience::Never,
        calls: waiting::CALLS,
    },
    Group {
        name: "time",
        purpose: "reading clocks and sleeping; setting a clock is not among it",
        denied: Experience::Never,
        calls: time::CALLS,
    },
    Group {
        name: "threads",
        purpose: "threads",
        denied: Experience::Error(
            "a thread or mutex of another kind is refused like one that there is no room for",
        ),
        calls: threads::CALLS,
    },
    Group { name: "signals", purpose: "signals", denied: Experience::Never, calls: signals::CALLS },
    Group {
        name: "processes",
        purpose: "processes of its own, within its task limit",
        denied: Experience::Never,
        calls: processes::CALLS,
    },
    Group {
        name: "identity",
        purpose: "asking who and where it is; changing it is not among it",
        denied: Experience::Error("a limit that can't be set is left as it is"),
        calls: identity::CALLS,
    },
    Group {
        name: "sockets",
        purpose: "unix sockets; TCP and UDP where the manifest has `network`",
        denied: Experience::Error("as for a socket that needs a privilege: what can do without does"),
        calls: sockets::CALLS,
    },
];
