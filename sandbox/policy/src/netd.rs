//! The calls that netd may make once its sockets to the kernel are open: what it needs to talk to the network
//! and to appmgr, and nothing of files, processes and threads.

use crate::arguments;
use crate::call::{Call, on_arm, on_both, on_x86};

pub(crate) const CALLS: &[Call] = &[
    on_both(
        "socket",
        281,
        41,
        "UDP: a fresh port for each question, DHCP after a new start; netlink is open already",
    )
    .if_any(arguments::UDP_SOCKETS),
    on_both("bind", 282, 49, "the port of DHCP"),
    on_both("connect", 283, 42, "a socket hears only the server that was asked"),
    on_both("setsockopt", 294, 54, "broadcast, one interface, short netlink answers; no filters on sockets")
        .if_any(arguments::NETD_SOCKET_OPTIONS),
    on_both("sendto", 290, 44, "questions and answers, netlink, reports to appmgr"),
    on_both("sendmsg", 296, 46, "the same, in parts"),
    on_both("recvfrom", 292, 45, "questions and answers, netlink"),
    on_both("recvmsg", 297, 47, "orders of appmgr with their descriptors"),
    on_both("close", 6, 3, "sockets of one question each, descriptors that came with an order"),
    on_both("epoll_ctl", 251, 233, "waits for all of them at once"),
    on_both("epoll_wait", 252, 232, "waits for all of them at once"),
    on_both("epoll_pwait", 346, 281, "waits for all of them at once"),
    on_both("clock_gettime", 263, 228, "reads a clock"),
    on_arm("clock_gettime64", 403, "reads a clock, with 64-bit times"),
    on_both("getrandom", 384, 318, "ids that nobody can guess"),
    on_both("brk", 45, 12, "the allocator grows the heap"),
    on_x86("mmap", 9, "the allocator; never executable").if_any(arguments::NOT_EXEC),
    on_arm("mmap2", 192, "mmap on ARM; never executable").if_any(arguments::NOT_EXEC),
    on_both("munmap", 91, 11, "gives memory back"),
    on_both("mremap", 163, 25, "realloc of large blocks"),
    on_both("mprotect", 125, 10, "the allocator's guard pages; nothing becomes executable")
        .if_any(arguments::NOT_EXEC),
    on_both("madvise", 220, 28, "the allocator gives pages back").if_any(arguments::HARMLESS_ADVICE),
    on_both("write", 4, 1, "its last words when it fails"),
    on_both("writev", 146, 20, "its last words when it fails"),
    on_both("sigaltstack", 186, 131, "std's handler for stack overflow goes with the program"),
    on_both("rt_sigaction", 174, 13, "abort(3), and that handler on a fault"),
    on_both("rt_sigprocmask", 175, 14, "abort(3)"),
    on_both("rt_sigreturn", 173, 15, "returns from that handler"),
    on_both("getpid", 20, 39, "abort(3)"),
    on_both("gettid", 224, 186, "abort(3)"),
    on_both("tkill", 238, 200, "abort(3); its PID namespace holds no other process"),
    on_both("tgkill", 268, 234, "abort(3); its PID namespace holds no other process"),
    on_both("restart_syscall", 0, 219, "the kernel goes on with an interrupted wait"),
    on_both("exit", 1, 60, "ends"),
    on_both("exit_group", 248, 231, "ends"),
];
