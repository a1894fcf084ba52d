// PID 1 of a measured boot: the least that the kernel has to do before an app runs as this design wants it, and nothing
// else. No C library, no checks, no messages, no program in between: what it takes, no other implementation can avoid.
//
// It leaves out what is done in programs (signatures, decoding, logging) and dm-verity of the root filesystem. It ends
// like an app's start: with execve of the app's program, from its package, in its sandbox.
//
// Made for 32-bit ARM with DATA (device of the data filesystem) and PACKAGE (path of app.img) defined.

typedef unsigned long ulong;
typedef unsigned long long u64;

// Numbers of arch/arm/tools/syscall.tbl.
enum {
    EXIT = 1, READ = 3, WRITE = 4, OPEN = 5, EXECVE = 11, CHDIR = 12, MKNOD = 14, MOUNT = 21, PAUSE = 29,
    MKDIR = 39, UMOUNT2 = 52, IOCTL = 54, SETSID = 66, SETHOSTNAME = 74, SETRLIMIT = 75, PRCTL = 172, CAPSET = 185,
    SETGROUPS = 206, SETRESUID = 208, SETRESGID = 210, PIVOT_ROOT = 218, SOCKET = 281, BIND = 282, LISTEN = 284,
    OPENAT = 322, UNSHARE = 337, SECCOMP = 383, CLONE3 = 435, CLOSE_RANGE = 436, LANDLOCK_CREATE = 444, LANDLOCK_ADD = 445,
    LANDLOCK_RESTRICT = 446,
};

enum {
    MS_RDONLY = 1, MS_NOSUID = 2, MS_NODEV = 4, MS_NOEXEC = 8, MS_REMOUNT = 32, MS_NOATIME = 1024, MS_BIND = 4096,
    MS_REC = 16384, MS_PRIVATE = 1 << 18,
};
enum { HARDENED = MS_NOSUID | MS_NODEV | MS_NOEXEC };

enum { O_WRONLY = 1, O_PATH = 0x200000, UID = 20000 };

static long call(long number, ulong a, ulong b, ulong c, ulong d, ulong e) {
    register long r7 __asm__("r7") = number;
    register ulong r0 __asm__("r0") = a;
    register ulong r1 __asm__("r1") = b;
    register ulong r2 __asm__("r2") = c;
    register ulong r3 __asm__("r3") = d;
    register ulong r4 __asm__("r4") = e;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4) : "memory");
    return (long)r0;
}

static ulong length(const char *text) {
    ulong n = 0;
    while (text[n]) n++;
    return n;
}

// What fails ends PID 1, and with it the kernel and the VM: a number on the console says where.
static long must(long result, int line) {
    if (result >= 0) return result;
    char text[] = "least: line 0x000\n";
    for (int at = 16; at > 13; at--, line >>= 4) text[at] = "0123456789abcdef"[line & 15];
    call(WRITE, 2, (ulong)text, sizeof text - 1, 0, 0);
    call(EXIT, 1, 0, 0, 0, 0);
    return 0;
}

#define DO(number, a, b, c, d, e) must(call(number, (ulong)(a), (ulong)(b), (ulong)(c), (ulong)(d), (ulong)(e)), __LINE__)
#define MOUNT_AT(source, target, type, flags, options) DO(MOUNT, source, target, type, flags, options)
// A relative path is one below /proc.
#define PUT(path, text) DO(WRITE, DO(OPENAT, proc, path, O_WRONLY, 0, 0), text, length(text), 0, 0)

#define ROOT "/run/apps/root"
#define GROUP "/sys/fs/cgroup/apps/app"

static int proc;
static char filter[32768];
static unsigned filter_bytes;

static void bind_mount(const char *source, const char *target, ulong flags) {
    MOUNT_AT(source, target, 0, MS_BIND, 0);
    MOUNT_AT(0, target, 0, MS_REMOUNT | MS_BIND | MS_NOSUID | flags, 0);
}

static void allow(int ruleset, const char *folder, u64 access) {
    struct __attribute__((packed)) { u64 access; int fd; } rule = {access, DO(OPEN, folder, O_PATH, 0, 0, 0)};
    DO(LANDLOCK_ADD, ruleset, 1, &rule, 0, 0);
}

static void app(void) {
    static char program[] = "/app/bin/hello";
    static char *argv[] = {program, 0}, *env[] = {0};
    DO(SETSID, 0, 0, 0, 0, 0);
    // CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET.
    DO(UNSHARE, 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x40000000, 0, 0, 0, 0);
    MOUNT_AT(0, "/", 0, MS_REC | MS_PRIVATE, 0);
    bind_mount(ROOT, ROOT, MS_RDONLY | MS_NODEV);
    MOUNT_AT("proc", ROOT "/proc", "proc", HARDENED | MS_RDONLY, "hidepid=2,subset=pid");
    bind_mount("/run/apps/dev", ROOT "/dev", MS_RDONLY | MS_NOEXEC);
    bind_mount("/run/nacre.sock", ROOT "/run/nacre", MS_RDONLY | MS_NODEV | MS_NOEXEC);
    MOUNT_AT("tmp", ROOT "/tmp", "tmpfs", HARDENED, "mode=0700,uid=20000,gid=20000,size=16384,nr_inodes=12");
    DO(CHDIR, ROOT, 0, 0, 0, 0);
    DO(PIVOT_ROOT, ".", ".", 0, 0, 0);
    DO(UMOUNT2, ".", 2, 0, 0, 0);
    DO(CHDIR, "/", 0, 0, 0, 0);
    PUT("self/oom_score_adj", "500");
    DO(SETHOSTNAME, "hello", 5, 0, 0, 0);
    DO(SETGROUPS, 0, 0, 0, 0, 0);
    DO(SETRESGID, UID, UID, UID, 0, 0);
    DO(SETRESUID, UID, UID, UID, 0, 0);
    // CLONE_NEWUSER; then PR_SET_DUMPABLE, as the maps belong to root otherwise.
    DO(UNSHARE, 0x10000000, 0, 0, 0, 0);
    DO(PRCTL, 4, 1, 0, 0, 0);
    PUT("self/uid_map", "1000 20000 1");
    PUT("self/setgroups", "deny");
    PUT("self/gid_map", "1000 20000 1");
    PUT("sys/user/max_user_namespaces", "0");
    // PR_SET_SECUREBITS; PR_CAPBSET_DROP; capset; PR_SET_NO_NEW_PRIVS.
    DO(PRCTL, 28, 0xef, 0, 0, 0);
    for (int capability = 0; capability <= 40; capability++) DO(PRCTL, 24, capability, 0, 0, 0);
    unsigned header[2] = {0x20080522, 0}, none[6] = {0};
    DO(CAPSET, header, none, 0, 0, 0);
    DO(PRCTL, 38, 1, 0, 0, 0);
    // All of ABI 6: sixteen rights on files, two on TCP, two scopes.
    u64 handled[3] = {0xffff, 3, 3};
    int ruleset = DO(LANDLOCK_CREATE, handled, sizeof handled, 0, 0, 0);
    allow(ruleset, "/", 0xc);
    allow(ruleset, "/app", 1);
    allow(ruleset, "/dev", 2);
    allow(ruleset, "/tmp", 0xffff & ~(1 | 0x40 | 0x800 | 0x8000));
    DO(LANDLOCK_RESTRICT, ruleset, 0, 0, 0, 0);
    // RLIMIT_NOFILE, RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO.
    static const unsigned limits[][3] = {{7, 8, 8}, {4, 0, 0}, {8, 0, 0}, {12, 0, 0}, {13, 0, 0}, {14, 0, 0}};
    for (int at = 0; at < 6; at++) DO(SETRLIMIT, limits[at][0], &limits[at][1], 0, 0, 0);
    DO(CLOSE_RANGE, 3, ~0u, 4, 0, 0);
    struct { unsigned short instructions; char *filter; } loaded = {filter_bytes / 8, filter};
    DO(SECCOMP, 1, 0, &loaded, 0, 0);
    DO(EXECVE, program, argv, env, 0, 0);
}

static void boot(void) {
    MOUNT_AT("proc", "/proc", "proc", HARDENED, "hidepid=invisible");
    proc = DO(OPEN, "/proc", O_PATH, 0, 0, 0);
    MOUNT_AT("sysfs", "/sys", "sysfs", HARDENED, 0);
    MOUNT_AT("tmpfs", "/run", "tmpfs", HARDENED, "mode=0755,size=64k");
    MOUNT_AT("cgroup2", "/sys/fs/cgroup", "cgroup2", HARDENED, "nsdelegate");
    MOUNT_AT(DATA, "/data", "ext4", HARDENED | MS_NOATIME, "usrquota,errors=remount-ro,noinit_itable");
    filter_bytes = DO(READ, DO(OPEN, "/filter", 0, 0, 0, 0), filter, sizeof filter, 0, 0);

    PUT("/sys/fs/cgroup/cgroup.subtree_control", "+memory +pids +cpu");
    DO(MKDIR, "/sys/fs/cgroup/apps", 0755, 0, 0, 0);
    PUT("/sys/fs/cgroup/apps/cgroup.subtree_control", "+memory +pids +cpu");
    DO(MKDIR, GROUP, 0755, 0, 0, 0);
    PUT(GROUP "/memory.max", "1048576");
    PUT(GROUP "/memory.oom.group", "1");
    PUT(GROUP "/pids.max", "1");
    PUT(GROUP "/cpu.max", "100000 100000");

    DO(MKDIR, "/run/apps", 0755, 0, 0, 0);
    DO(MKDIR, "/run/apps/dev", 0755, 0, 0, 0);
    MOUNT_AT("dev", "/run/apps/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "size=4k,nr_inodes=8,mode=0755");
    DO(MKNOD, "/run/apps/dev/null", 0020666, 1 << 8 | 3, 0, 0);

    static const struct { unsigned short family; char path[16]; } address = {1, "/run/nacre.sock"};
    // SOCK_SEQPACKET.
    int listener = DO(SOCKET, 1, 5, 0, 0, 0);
    DO(BIND, listener, &address, sizeof address, 0, 0);
    DO(LISTEN, listener, 8, 0, 0, 0);

    // FS_IOC_MEASURE_VERITY.
    struct { unsigned short algorithm, size; unsigned char digest[32]; } digest = {0, 32, {0}};
    DO(IOCTL, DO(OPEN, PACKAGE, 0, 0, 0, 0), 0xc0046686, &digest, 0, 0);
    DO(MKDIR, ROOT, 0755, 0, 0, 0);
    MOUNT_AT(PACKAGE, ROOT, "erofs", MS_RDONLY | MS_NOSUID | MS_NODEV, 0);

    // struct clone_args: CLONE_PIDFD, CLONE_NEWPID, CLONE_INTO_CGROUP; SIGCHLD.
    int pidfd;
    u64 child[11] = {0x1000 | 0x20000000 | 0x200000000ull, (ulong)&pidfd};
    child[4] = 17;
    child[10] = (u64)DO(OPEN, GROUP, 0, 0, 0, 0);
    if (DO(CLONE3, child, sizeof child, 0, 0, 0) == 0) app();
    for (;;) call(PAUSE, 0, 0, 0, 0, 0);
}

void _start(void) { boot(); }

// The compiler may want it for what is zero at first.
void *memset(void *to, int value, ulong count) {
    for (volatile char *at = to; count--; at++) *at = value;
    return to;
}
void *memcpy(void *to, const void *from, ulong count) {
    for (ulong at = 0; at < count; at++) ((volatile char *)to)[at] = ((const char *)from)[at];
    return to;
}
