//! rlimits (getrlimit(2)). What cgroups bound (memory, tasks, CPU) is not repeated here.

use nix::sys::resource::{Resource, setrlimit};

/// Sets the limits, soft and hard alike, so that no process of the app can raise them.
pub(crate) fn set(open_files: u32) -> nix::Result<()> {
    let limits = [
        // Descriptors of one process.
        (Resource::RLIMIT_NOFILE, open_files),
        // A crash is reported by its signal; a core file would only fill the app's storage.
        (Resource::RLIMIT_CORE, 0),
        // Locked memory cannot be reclaimed, and there is no swap to fear.
        (Resource::RLIMIT_MEMLOCK, 0),
        // POSIX message queues; the filter denies the calls as well.
        (Resource::RLIMIT_MSGQUEUE, 0),
        // No better priority than it was started with.
        (Resource::RLIMIT_NICE, 0),
        // No real-time priority: it could take the CPU from the OS.
        (Resource::RLIMIT_RTPRIO, 0),
    ];
    limits.into_iter().try_for_each(|(resource, limit)| setrlimit(resource, limit.into(), limit.into()))
}
