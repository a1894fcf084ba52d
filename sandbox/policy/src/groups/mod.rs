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
    /// The calls.
    pub calls: &'static [Call],
}

/// Every group. A call that is in none of them is denied.
pub const GROUPS: &[Group] = &[
    Group { name: "memory", purpose: "memory of the process itself", calls: memory::CALLS },
    Group {
        name: "files",
        purpose: "files; which ones, Landlock and the mounts decide",
        calls: files::CALLS,
    },
    Group { name: "waiting", purpose: "waiting for descriptors and time", calls: waiting::CALLS },
    Group {
        name: "time",
        purpose: "reading clocks and sleeping; setting a clock is not among it",
        calls: time::CALLS,
    },
    Group { name: "threads", purpose: "threads", calls: threads::CALLS },
    Group { name: "signals", purpose: "signals", calls: signals::CALLS },
    Group {
        name: "processes",
        purpose: "processes of its own, within its task limit",
        calls: processes::CALLS,
    },
    Group {
        name: "identity",
        purpose: "asking who and where it is; changing it is not among it",
        calls: identity::CALLS,
    },
    Group {
        name: "sockets",
        purpose: "unix sockets; TCP and UDP where the manifest has `network`",
        calls: sockets::CALLS,
    },
];
