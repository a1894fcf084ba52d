//! Waiting for descriptors and time.

use crate::call::{Call, on_arm, on_both, on_x86};

pub(super) const CALLS: &[Call] = &[
    on_both("poll", 168, 7, "waits for descriptors"),
    on_both("ppoll", 336, 271, "waits for descriptors"),
    on_arm("ppoll_time64", 414, "waits for descriptors, with 64-bit times"),
    on_x86("select", 23, "waits for descriptors"),
    on_arm("_newselect", 142, "waits for descriptors"),
    on_both("pselect6", 335, 270, "waits for descriptors"),
    on_arm("pselect6_time64", 413, "waits for descriptors, with 64-bit times"),
    on_both("epoll_create1", 357, 291, "waits for many descriptors"),
    on_both("epoll_ctl", 251, 233, "waits for many descriptors"),
    on_both("epoll_wait", 252, 232, "waits for many descriptors"),
    on_both("epoll_pwait", 346, 281, "waits for many descriptors"),
    on_both("eventfd2", 356, 290, "wakes a loop of its own"),
    on_both("timerfd_create", 350, 283, "time as a descriptor"),
    on_both("timerfd_settime", 353, 286, "time as a descriptor"),
    on_arm("timerfd_settime64", 411, "time as a descriptor, with 64-bit times"),
    on_both("timerfd_gettime", 354, 287, "time as a descriptor"),
    on_arm("timerfd_gettime64", 410, "time as a descriptor, with 64-bit times"),
];
