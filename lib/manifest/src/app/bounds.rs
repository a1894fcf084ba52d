//! Defaults and bounds of an app manifest, each with its reason.

use std::ops::RangeInclusive;

use crate::device::RestartPolicy;

/// Bytes in a page: the kernel counts `memory.max` in whole pages.
pub const PAGE: u64 = 4096;

/// Bytes in a block of `/data`: the quota counts whole blocks (ext4 with 1 KiB blocks, `quotactl(2)`).
pub const DATA_BLOCK: u64 = 1024;

/// Rollback index of an app that doesn't say: the least, so that the first version that has one replaces
/// it for good.
pub const ROLLBACK_INDEX: u64 = 0;

/// Memory of an app that doesn't say: a small static program uses about 200 KiB; this leaves room for its
/// stack, its files in the page cache and a few buffers, and eight such apps fit the smallest device.
pub const MEMORY: u64 = 2 << 20;
/// Below 256 KiB the kernel's own share (page tables, stacks) doesn't let the launcher finish; 1 GiB is
/// more than any board has.
pub const MEMORY_BOUNDS: RangeInclusive<u64> = 256 << 10..=1 << 30;

/// Processes and threads of an app that doesn't say: a main loop and a few helpers.
pub const TASKS: u32 = 8;
/// One is the program itself; each task costs the kernel about 16 KiB, and 512 of them the whole of the
/// smallest device.
pub const TASKS_BOUNDS: RangeInclusive<u32> = 1..=512;

/// CPU of an app that doesn't say, in thousandths: a spinning app leaves half of the only CPU to the
/// others and to the OS.
pub const CPU_PERMILLE: u32 = 500;
/// 1 % of the period of 100 ms is 1 ms, the least quota that `cpu.max` takes; more than one CPU is not
/// there on the boards that count.
pub const CPU_PERMILLE_BOUNDS: RangeInclusive<u32> = 10..=1000;

/// Open files of an app that doesn't say.
pub const OPEN_FILES: u32 = 32;
/// Three pipes, the socket to the OS and a few files of its own; 1024 is the kernel's customary soft limit.
pub const OPEN_FILES_BOUNDS: RangeInclusive<u32> = 8..=1024;

/// `/tmp` of an app that doesn't say: it counts as the app's memory, so little.
pub const TMP: u64 = 64 << 10;
/// tmpfs takes size 0 as "no limit", so at least one page; at most the memory of an app.
pub const TMP_BOUNDS: RangeInclusive<u64> = PAGE..=1 << 30;

/// `/data`: none unless asked for; at most what the disk of a large board could hold.
pub const DATA_BOUNDS: RangeInclusive<u64> = 0..=1 << 30;

/// An app that doesn't say is started again after a crash, not after it has finished.
pub const RESTART_POLICY: RestartPolicy = RestartPolicy::OnFailure;
/// First and longest pause before a restart, in milliseconds: at once for people, and a loop of crashes
/// costs the device next to nothing.
pub const BACKOFF_MS: (u32, u32) = (1_000, 60_000);
/// A shorter pause is a busy loop; a longer one is an app that is down.
pub const BACKOFF_BOUNDS_MS: RangeInclusive<u64> = 100..=3_600_000;
/// Restarts, and the window in milliseconds, after which an app stays down: with the default backoff
/// (1+2+4+8+16 s) a crash at start is given up within about half a minute.
pub const RESTART_LIMIT: (u32, u32) = (5, 600_000);
/// Count of restarts.
pub const RESTART_COUNT_BOUNDS: RangeInclusive<u32> = 1..=1000;
/// The window: the app manager remembers each restart within it.
pub const RESTART_WINDOW_BOUNDS_MS: RangeInclusive<u64> = 1_000..=86_400_000;

/// Words of `run`, program included.
pub const MAX_RUN: usize = 32;
/// Bytes of all words of `run` together: with the rest of the manifest it must fit the launcher's message.
pub const MAX_RUN_BYTES: usize = 4096;
/// Entries of `files`.
pub const MAX_FILES: usize = 256;
/// Entries of `apps`.
pub const MAX_PEERS: usize = 32;
/// Entries of `network.connect`: each costs netd and the kernel's packet filter memory on the smallest device.
pub const MAX_CONNECT: usize = 32;
/// Entries of `network.listen`.
pub const MAX_LISTEN: usize = 8;
/// Entries of `devices.gpio` and of `devices.uart`.
pub const MAX_DEVICES: usize = 32;
/// Time between two heartbeats, in milliseconds. A shorter one is missed when the device is busy, a longer one helps
/// nobody.
pub const HEARTBEAT_BOUNDS_MS: RangeInclusive<u64> = 1_000..=3_600_000;
/// Bytes of `version`.
pub const MAX_VERSION: usize = 32;
