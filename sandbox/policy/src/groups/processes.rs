//! Processes of its own, within its task limit.

use crate::call::{Call, on_both};

pub(super) const CALLS: &[Call] = &[
    on_both("fork", 2, 57, "a process of its own"),
    on_both("vfork", 190, 58, "a process of its own"),
    on_both("execve", 11, 59, "programs of its own image; Landlock and the mounts allow no others"),
    on_both("wait4", 114, 61, "how a process of its own ended"),
    on_both("waitid", 280, 247, "how a process of its own ended"),
    on_both("exit", 1, 60, "ends a thread"),
    on_both("exit_group", 248, 231, "ends the process"),
    on_both("setsid", 66, 112, "a session for its own processes"),
    on_both("setpgid", 57, 109, "a group for its own processes"),
    on_both("getpgid", 132, 121, "its own processes"),
    on_both("getpgrp", 65, 111, "its own processes"),
    on_both("getsid", 147, 124, "its own processes"),
];
