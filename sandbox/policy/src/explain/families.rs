//! Calls that are on no list, and why no manifest allows them.

/// Calls that are denied for one reason.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// Why no manifest allows them.
    pub reason: &'static str,
    /// Names of the calls, with a space between.
    pub calls: &'static str,
}

/// All of them. A call of the kernel that is in none, and in no group, is [`OTHER`].
pub const FAMILIES: &[Family] = &[
    Family {
        name: "tracing",
        reason: "it reads or changes other processes",
        calls: "ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_getfd",
    },
    Family {
        name: "namespaces",
        reason: "the sandbox makes an app's namespaces; more would open parts of the kernel that are closed to it",
        calls: "unshare setns",
    },
    Family {
        name: "mounts",
        reason: "what an app sees of files is its verified image and what the manifest adds",
        calls: "mount umount2 pivot_root chroot open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr \
                statmount listmount quotactl quotactl_fd swapon swapoff",
    },
    Family {
        name: "kernel code",
        reason: "it puts code into the kernel",
        calls: "bpf init_module finit_module delete_module create_module kexec_load kexec_file_load uretprobe",
    },
    Family {
        name: "watching the system",
        reason: "it shows what the kernel and other processes do",
        calls: "perf_event_open syslog lookup_dcookie fanotify_init fanotify_mark get_kernel_syms query_module sysinfo",
    },
    Family {
        name: "keyrings",
        reason: "keyrings are shared by more than one app, and their code has a history",
        calls: "add_key request_key keyctl",
    },
    Family {
        name: "asynchronous calls",
        reason: "what it does later, the filter does not see",
        calls: "io_uring_setup io_uring_enter io_uring_register io_setup io_destroy io_getevents io_submit io_cancel \
                io_pgetevents io_pgetevents_time64",
    },
    Family {
        name: "machine",
        reason: "it changes the device, which is the OS's",
        calls: "reboot settimeofday clock_settime clock_settime64 adjtimex clock_adjtime clock_adjtime64 sethostname \
                setdomainname acct iopl ioperm modify_ldt set_thread_area vhangup pciconfig_iobase pciconfig_read \
                pciconfig_write",
    },
    Family {
        name: "identity",
        reason: "who an app is and what it may do is fixed before it starts",
        calls: "setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid setuid32 setgid32 \
                setreuid32 setregid32 setresuid32 setresgid32 setgroups32 setfsuid32 setfsgid32 capget capset \
                chown fchown lchown chown32 fchown32 lchown32 fchownat lsm_get_self_attr lsm_set_self_attr \
                lsm_list_modules",
    },
    Family {
        name: "hidden memory",
        reason: "it makes memory that can become code, or that changes under who looks at it",
        calls: "memfd_create memfd_secret userfaultfd remap_file_pages personality pkey_mprotect pkey_alloc pkey_free \
                map_shadow_stack execveat shmat shmdt shmget shmctl",
    },
    Family {
        name: "device nodes and handles",
        reason: "it reaches devices and files past their paths",
        calls: "mknod mknodat name_to_handle_at open_by_handle_at",
    },
    Family {
        name: "messages of System V and POSIX",
        reason: "apps exchange messages through the OS, where both manifests say so",
        calls: "semget semctl semop semtimedop semtimedop_time64 msgget msgctl msgsnd msgrcv mq_open mq_unlink \
                mq_timedsend mq_timedreceive mq_timedsend_time64 mq_timedreceive_time64 mq_notify mq_getsetattr",
    },
    Family {
        name: "shares of the machine",
        reason: "an app's share of CPU and memory is what `limits` says",
        calls: "nice setpriority getpriority sched_setparam sched_setscheduler sched_setaffinity sched_setattr \
                ioprio_set ioprio_get mlock mlock2 mlockall munlock munlockall mbind set_mempolicy get_mempolicy \
                set_mempolicy_home_node migrate_pages move_pages setrlimit",
    },
    Family {
        name: "forged signals",
        reason: "a signal says who sent it",
        calls: "rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal pidfd_open",
    },
    Family {
        name: "further sandboxing",
        reason: "the sandbox is complete when an app starts; another one would hide its denials",
        calls: "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self mseal",
    },
    Family {
        name: "obsolete",
        reason: "it is obsolete",
        calls: "uselib ustat sysfs _sysctl nfsservctl bdflush vserver usr26 usr32 afs_syscall tuxcall security \
                getpmsg putpmsg epoll_ctl_old epoll_wait_old get_thread_area",
    },
];

/// The rest: harmless as it may be, nothing has needed it.
pub const OTHER: Family = Family {
    name: "not needed",
    reason: "it is on no list: what nothing needs is closed, so that its code can't be attacked",
    calls: "",
};

/// Calls that are allowed with some arguments only, and why not with others.
pub const CONDITIONAL: &[(&str, &str)] = &[
    ("clone", "new namespaces and tracing; plain threads and processes are allowed"),
    ("socket", "unix sockets only, and with `network` TCP and UDP of IPv4"),
    ("socketpair", "pairs of unix sockets only"),
    ("setsockopt", "it is no option that a listed connection needs; filters and device binding are the OS's"),
    ("ioctl", "drivers take no commands from apps; granted devices have a few"),
    ("fcntl", "leases, notifications and signals of files reach beyond the app"),
    ("fcntl64", "leases, notifications and signals of files reach beyond the app"),
    ("prctl", "it changes what a process may do or what others see of it"),
    ("arch_prctl", "only the thread pointer is set this way"),
    ("futex", "priority inheritance reaches scheduler code with a history"),
    ("futex_time64", "priority inheritance reaches scheduler code with a history"),
    ("madvise", "only giving pages back and hints on reading are allowed"),
    ("prlimit64", "limits are the manifest's; reading them is allowed"),
    ("mmap", "memory that is writable and executable"),
    ("mmap2", "memory that is writable and executable"),
    ("mprotect", "memory that becomes executable"),
];

/// Why no manifest allows a call, by its name.
pub(super) fn reason(name: &str) -> &'static str {
    if let Some((_, reason)) = CONDITIONAL.iter().find(|(call, _)| *call == name) {
        return reason;
    }
    family(name).reason
}

/// The family of a call that is on no list.
pub fn family(name: &str) -> Family {
    let has = |family: &&Family| family.calls.split_ascii_whitespace().any(|call| call == name);
    FAMILIES.iter().find(has).copied().unwrap_or(OTHER)
}
