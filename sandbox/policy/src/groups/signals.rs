//! Signals.

use crate::call::{Call, on_arm, on_both};

pub(super) const CALLS: &[Call] = &[
    on_both("rt_sigaction", 174, 13, "handlers"),
    on_both("rt_sigprocmask", 175, 14, "blocks signals"),
    on_both("rt_sigpending", 176, 127, "which signals wait"),
    on_both("rt_sigsuspend", 179, 130, "waits for a signal"),
    on_both("rt_sigtimedwait", 177, 128, "waits for a signal"),
    on_arm("rt_sigtimedwait_time64", 421, "waits for a signal, with 64-bit times"),
    on_both("rt_sigreturn", 173, 15, "returns from a handler"),
    on_arm("sigreturn", 119, "returns from a handler without information"),
    on_both("sigaltstack", 186, 131, "std's handler for stack overflow"),
    on_both("signalfd4", 355, 289, "signals as a descriptor"),
    on_both("pause", 29, 34, "waits for a signal"),
    on_both("kill", 37, 62, "its own processes: its PID namespace holds no others"),
    on_both("restart_syscall", 0, 219, "the kernel goes on with an interrupted sleep"),
];
