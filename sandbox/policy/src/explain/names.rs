//! Names of constants, for the arguments that people ask about first. linux/, asm-generic/; the numbers are the same
//! on both architectures.

/// How arguments are shown, by call: the letter, the argument's number from 0, for names the list behind it.
/// `n`: one of the names; `f`: flags; `d`: a number; `x`: in hexadecimal; `s`: a text in the app's memory;
/// `l`: one whose length is the next argument;
/// `b`: a length in bytes.
pub(super) const SIGNATURES: &[(&str, &str)] = &[
    ("ptrace", "n0:ptrace d1"),
    ("process_vm_readv", "d0"),
    ("process_vm_writev", "d0"),
    ("pidfd_open", "d0"),
    ("pidfd_getfd", "d0 d1"),
    ("pidfd_send_signal", "d0 d1"),
    ("mount", "s0 s1 s2 f3:mount"),
    ("umount2", "s0"),
    ("pivot_root", "s0 s1"),
    ("chroot", "s0"),
    ("open_tree", "d0 s1"),
    ("move_mount", "d0 s1 d2 s3"),
    ("fsopen", "s0"),
    ("fspick", "d0 s1"),
    ("mount_setattr", "d0 s1"),
    ("swapon", "s0"),
    ("swapoff", "s0"),
    ("unshare", "f0:clone"),
    ("setns", "d0 f1:clone"),
    ("clone", "f0:clone"),
    ("bpf", "n0:bpf"),
    ("finit_module", "d0 s1"),
    ("delete_module", "s0"),
    ("keyctl", "d0"),
    ("add_key", "s0 s1"),
    ("request_key", "s0 s1"),
    ("memfd_create", "s0 x1"),
    ("execveat", "d0 s1"),
    ("personality", "f0:personality"),
    ("mmap", "b1 f2:prot f3:map"),
    ("mmap2", "b1 f2:prot f3:map"),
    ("mprotect", "b1 f2:prot"),
    ("pkey_mprotect", "b1 f2:prot"),
    ("shmget", "d0 b1"),
    ("shmat", "d0"),
    ("madvise", "b1 d2"),
    ("socket", "n0:family n1:kind d2"),
    ("socketpair", "n0:family n1:kind d2"),
    ("setsockopt", "n1:level d2"),
    ("ioctl", "d0 n1:ioctl"),
    ("fcntl", "d0 n1:fcntl"),
    ("fcntl64", "d0 n1:fcntl"),
    ("prctl", "n0:prctl"),
    ("arch_prctl", "x0"),
    ("seccomp", "d0"),
    ("futex", "d1"),
    ("futex_time64", "d1"),
    ("prlimit64", "d0 n1:rlimit"),
    ("setrlimit", "n0:rlimit"),
    ("mknod", "s0 x1"),
    ("mknodat", "d0 s1 x2"),
    ("chown", "s0 d1 d2"),
    ("chown32", "s0 d1 d2"),
    ("lchown", "s0 d1 d2"),
    ("lchown32", "s0 d1 d2"),
    ("fchown", "d0 d1 d2"),
    ("fchown32", "d0 d1 d2"),
    ("fchownat", "d0 s1 d2 d3"),
    ("setuid", "d0"),
    ("setuid32", "d0"),
    ("setgid", "d0"),
    ("setgid32", "d0"),
    ("setresuid", "d0 d1 d2"),
    ("setresuid32", "d0 d1 d2"),
    ("setresgid", "d0 d1 d2"),
    ("setresgid32", "d0 d1 d2"),
    ("setgroups", "d0"),
    ("setgroups32", "d0"),
    ("sethostname", "l0"),
    ("setdomainname", "l0"),
    ("syslog", "d0"),
    ("reboot", "x2"),
    ("clock_settime", "d0"),
    ("clock_settime64", "d0"),
    ("setpriority", "d0 d1 d2"),
    ("sched_setscheduler", "d0 d1"),
    ("nice", "d0"),
    ("mlock", "b1"),
    ("name_to_handle_at", "d0 s1"),
    ("setxattr", "s0 s1"),
    ("lsetxattr", "s0 s1"),
    ("inotify_add_watch", "d0 s1"),
    ("openat2", "d0 s1"),
    ("iopl", "d0"),
];

/// Lists of names: a number, its name, a space.
pub(super) const LISTS: &[(&str, &str)] = &[
    (
        "ptrace",
        "0=PTRACE_TRACEME 1=PTRACE_PEEKTEXT 2=PTRACE_PEEKDATA 4=PTRACE_POKETEXT 5=PTRACE_POKEDATA 7=PTRACE_CONT \
         8=PTRACE_KILL 9=PTRACE_SINGLESTEP 16=PTRACE_ATTACH 17=PTRACE_DETACH 24=PTRACE_SYSCALL 16902=PTRACE_SEIZE",
    ),
    (
        "mount",
        "1=MS_RDONLY 2=MS_NOSUID 4=MS_NODEV 8=MS_NOEXEC 32=MS_REMOUNT 4096=MS_BIND 8192=MS_MOVE 16384=MS_REC \
         131072=MS_UNBINDABLE 262144=MS_PRIVATE 524288=MS_SLAVE 1048576=MS_SHARED",
    ),
    (
        "clone",
        "128=CLONE_NEWTIME 8192=CLONE_PTRACE 131072=CLONE_NEWNS 33554432=CLONE_NEWCGROUP 67108864=CLONE_NEWUTS \
         134217728=CLONE_NEWIPC 268435456=CLONE_NEWUSER 536870912=CLONE_NEWPID 1073741824=CLONE_NEWNET",
    ),
    ("bpf", "0=BPF_MAP_CREATE 5=BPF_PROG_LOAD 6=BPF_OBJ_PIN 7=BPF_OBJ_GET 8=BPF_PROG_ATTACH 18=BPF_BTF_LOAD"),
    ("personality", "4194304=READ_IMPLIES_EXEC 262144=ADDR_NO_RANDOMIZE 1048576=MMAP_PAGE_ZERO"),
    ("prot", "1=PROT_READ 2=PROT_WRITE 4=PROT_EXEC"),
    ("map", "1=MAP_SHARED 2=MAP_PRIVATE 16=MAP_FIXED 32=MAP_ANONYMOUS"),
    (
        "family",
        "1=AF_UNIX 2=AF_INET 10=AF_INET6 16=AF_NETLINK 17=AF_PACKET 29=AF_CAN 31=AF_BLUETOOTH 38=AF_ALG 40=AF_VSOCK \
         44=AF_XDP",
    ),
    ("kind", "1=SOCK_STREAM 2=SOCK_DGRAM 3=SOCK_RAW 4=SOCK_RDM 5=SOCK_SEQPACKET 10=SOCK_PACKET"),
    (
        "level",
        "0=IPPROTO_IP 1=SOL_SOCKET 6=IPPROTO_TCP 17=IPPROTO_UDP 41=IPPROTO_IPV6 263=SOL_PACKET 270=SOL_NETLINK",
    ),
    (
        "ioctl",
        "21506=TCSETS 21507=TCSETSW 21508=TCSETSF 21513=TCSBRK 21515=TCFLSH 21518=TIOCSCTTY 21522=TIOCSTI \
         21524=TIOCSWINSZ 21532=TIOCLINUX",
    ),
    ("fcntl", "8=F_SETOWN 10=F_SETSIG 1024=F_SETLEASE 1026=F_NOTIFY 1031=F_SETPIPE_SZ 1033=F_ADD_SEALS"),
    (
        "prctl",
        "4=PR_SET_DUMPABLE 8=PR_SET_KEEPCAPS 22=PR_SET_SECCOMP 24=PR_CAPBSET_DROP 28=PR_SET_SECUREBITS \
         35=PR_SET_MM 36=PR_SET_CHILD_SUBREAPER 38=PR_SET_NO_NEW_PRIVS 41=PR_SET_THP_DISABLE 47=PR_CAP_AMBIENT",
    ),
    (
        "rlimit",
        "0=RLIMIT_CPU 1=RLIMIT_FSIZE 2=RLIMIT_DATA 3=RLIMIT_STACK 4=RLIMIT_CORE 6=RLIMIT_NPROC 7=RLIMIT_NOFILE \
         8=RLIMIT_MEMLOCK 9=RLIMIT_AS 13=RLIMIT_NICE 14=RLIMIT_RTPRIO",
    ),
];
