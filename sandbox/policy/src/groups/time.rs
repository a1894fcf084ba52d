//! Reading clocks and sleeping; setting a clock is not among it.

use crate::call::{Call, on_arm, on_both, on_x86};

pub(super) const CALLS: &[Call] = &[
    on_x86("time", 201, "reads the clock"),
    on_both("gettimeofday", 78, 96, "reads the clock"),
    on_both("clock_gettime", 263, 228, "reads a clock"),
    on_arm("clock_gettime64", 403, "reads a clock, with 64-bit times"),
    on_both("clock_getres", 264, 229, "step of a clock"),
    on_arm("clock_getres_time64", 406, "step of a clock, with 64-bit times"),
    on_both("nanosleep", 162, 35, "sleeps"),
    on_both("clock_nanosleep", 265, 230, "sleeps"),
    on_arm("clock_nanosleep_time64", 407, "sleeps, with 64-bit times"),
    on_both("getitimer", 105, 36, "alarms"),
    on_both("setitimer", 104, 38, "alarms"),
    on_x86("alarm", 37, "alarms"),
];
