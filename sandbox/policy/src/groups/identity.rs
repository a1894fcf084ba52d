//! Asking who and where it is; changing it is not among it.

use crate::arguments;
use crate::call::{Call, on_arm, on_both, on_x86};

pub(super) const CALLS: &[Call] = &[
    on_both("getpid", 20, 39, "its number"),
    on_both("getppid", 64, 110, "its parent's number"),
    on_both("getuid", 24, 102, "its user"),
    on_both("geteuid", 49, 107, "its user"),
    on_both("getgid", 47, 104, "its group"),
    on_both("getegid", 50, 108, "its group"),
    on_arm("getuid32", 199, "its user"),
    on_arm("geteuid32", 201, "its user"),
    on_arm("getgid32", 200, "its group"),
    on_arm("getegid32", 202, "its group"),
    on_x86("getresuid", 118, "its user"),
    on_x86("getresgid", 120, "its group"),
    on_arm("getresuid32", 209, "its user"),
    on_arm("getresgid32", 211, "its group"),
    on_x86("getgroups", 115, "its groups: none"),
    on_arm("getgroups32", 205, "its groups: none"),
    on_both("uname", 122, 63, "name of the machine: its own UTS namespace"),
    on_both("getrandom", 384, 318, "keys and hash seeds"),
    on_both("getrusage", 77, 98, "what it has used"),
    on_both("times", 43, 100, "what it has used"),
    on_x86("getrlimit", 97, "its limits"),
    on_arm("ugetrlimit", 191, "its limits"),
    on_both("prlimit64", 369, 302, "its limits; never to set one").if_any(arguments::ONLY_READ_LIMITS),
    on_both("getcpu", 345, 309, "which CPU it runs on"),
];
