//! Threads.

use crate::arguments;
use crate::call::{Call, on_arm, on_both, on_x86};

pub(super) const CALLS: &[Call] = &[
    on_both(
        "clone",
        120,
        56,
        "threads and processes of its own, within its task limit; no new namespace, no tracing",
    )
    .if_any(arguments::NO_NEW_NAMESPACE),
    on_both("set_tid_address", 256, 218, "the C library learns of a thread's end"),
    on_both("set_robust_list", 338, 273, "the C library's robust mutexes"),
    on_both(
        "futex",
        240,
        202,
        "mutexes and condition variables; no priority inheritance, whose code has a history",
    )
    .if_any(arguments::FUTEX_OPERATIONS),
    on_arm("futex_time64", 422, "mutexes and condition variables, with 64-bit times")
        .if_any(arguments::FUTEX_OPERATIONS),
    on_both("sched_yield", 158, 24, "lets another thread run"),
    on_both("sched_getaffinity", 242, 204, "how many CPUs it may use"),
    on_both("gettid", 224, 186, "its thread's number"),
    on_both("tkill", 238, 200, "signals to threads of its own; abort(3)"),
    on_both("tgkill", 268, 234, "signals to threads of its own; abort(3)"),
    on_both("prctl", 172, 157, "thread names; nothing that changes what it may do")
        .if_any(arguments::PRCTL_OPTIONS),
    on_x86("arch_prctl", 158, "the C library places thread-local storage").if_any(arguments::SET_FS),
    on_arm("set_tls", 0x0f0005, "the C library places thread-local storage"),
    on_arm(
        "cacheflush",
        0x0f0002,
        "instruction cache after relocations; grants nothing, as no page is writable and executable",
    ),
];
