// PID 1 of the measuring guest: runs the lines of /script, one command each, and powers off.
//
// The shell scripts beside this file write that script; every figure is printed on the console as
// `@ key value ...` and every refusal as `! command: reason`. It holds no measurement of its own.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fsverity.h>
#include <linux/loop.h>
#include <linux/quota.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 32, RECORD = 64, RING = 64, STATE = 3000, PACKAGE = 150 * 1024 };

static long long marked;

static long long now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static int refuse(const char *what) {
    printf("! %s: %s\n", what, strerror(errno));
    return -1;
}

static void put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) refuse(path);
    close(fd);
}

// mount SOURCE TARGET TYPE [OPTIONS]; `ro` among the options becomes the flag.
static int do_mount(char **w) {
    char options[256] = "";
    unsigned long flags = 0;
    for (char *o = strtok(w[4] ? w[4] : "", ","); o; o = strtok(NULL, ","))
        if (!strcmp(o, "ro")) flags |= MS_RDONLY;
        else if (!strcmp(o, "noatime")) flags |= MS_NOATIME;
        else strcat(strcat(options, *options ? "," : ""), o);
    mkdir(w[2], 0755);
    return mount(w[1], w[2], w[3], flags, options) ? refuse(w[2]) : 0;
}

// loop NUMBER FILE: /dev/loopNUMBER, read-only, 4096-byte blocks where the file allows.
static int do_loop(char **w) {
    char node[32];
    struct loop_config c = {.info.lo_flags = LO_FLAGS_READ_ONLY};
    int control = open("/dev/loop-control", O_RDWR), fd, file;
    ioctl(control, LOOP_CTL_ADD, atol(w[1]));
    snprintf(node, sizeof node, "/dev/loop%s", w[1]);
    file = open(w[2], O_RDONLY);
    fd = open(node, O_RDONLY);
    c.fd = file;
    int r = file < 0 || fd < 0 || ioctl(fd, LOOP_CONFIGURE, &c) ? refuse(node) : 0;
    close(fd), close(file), close(control);
    return r;
}

// dm NAME SECTORS TARGET PARAMETERS...: a read-only device /dev/NAME with this one line.
static int do_dm(char **w) {
    static char buffer[4096] __attribute__((aligned(8)));
    struct dm_ioctl *d = (struct dm_ioctl *)buffer;
    struct dm_target_spec *t = (struct dm_target_spec *)(d + 1);
    char *line = (char *)(t + 1);
    int fd = open("/dev/mapper/control", O_RDWR);
    unsigned long steps[] = {DM_DEV_CREATE, DM_TABLE_LOAD, DM_DEV_SUSPEND};
    for (int i = 0; i < 3; i++) {
        memset(buffer, 0, sizeof buffer);
        d->version[0] = DM_VERSION_MAJOR;
        d->data_size = sizeof buffer;
        d->data_start = sizeof *d;
        strncpy(d->name, w[1], sizeof d->name - 1);
        if (i == 1) {
            d->flags = DM_READONLY_FLAG;
            d->target_count = 1;
            t->length = strtoull(w[2], NULL, 10);
            strcpy(t->target_type, w[3]);
            for (int k = 4; w[k]; k++) strcat(strcat(line, k > 4 ? " " : ""), w[k]);
        }
        if (ioctl(fd, steps[i], d)) return refuse("dm");
    }
    char node[64];
    snprintf(node, sizeof node, "/dev/%s", w[1]);
    mknod(node, S_IFBLK | 0600, makedev(major(d->dev), minor(d->dev)));
    close(fd);
    return 0;
}

// seal FILE BLOCK: fs-verity with SHA-256 and no salt.
static int do_seal(char **w) {
    struct fsverity_enable_arg a = {.version = 1, .hash_algorithm = FS_VERITY_HASH_ALG_SHA256,
                                    .block_size = strtoul(w[2], NULL, 10)};
    int fd = open(w[1], O_RDONLY);
    int r = fd < 0 || ioctl(fd, FS_IOC_ENABLE_VERITY, &a) ? refuse(w[1]) : 0;
    close(fd);
    return r;
}

// digest FILE: the measured fs-verity digest.
static int do_digest(char **w) {
    static char buffer[sizeof(struct fsverity_digest) + 64];
    struct fsverity_digest *d = (struct fsverity_digest *)buffer;
    d->digest_size = 64;
    int fd = open(w[1], O_RDONLY);
    if (fd < 0 || ioctl(fd, FS_IOC_MEASURE_VERITY, d)) return refuse(w[1]);
    printf("@ digest %s ", w[1]);
    for (int i = 0; i < d->digest_size; i++) printf("%02x", d->digest[i]);
    printf("\n");
    close(fd);
    return 0;
}

// run LABEL PROGRAM: start it, wait for its first line, leave it idle; a program that ends
// instead is reported with its status.
static int do_run(char **w) {
    static int keep[2] = {-1, -1};
    int out[2], status = 0;
    char line[256] = "";
    if (keep[0] < 0 && pipe2(keep, O_CLOEXEC)) return refuse("pipe");
    if (pipe2(out, O_CLOEXEC)) return refuse("pipe");
    long long start = now_us();
    pid_t pid = fork();
    if (!pid) {
        dup2(keep[0], 0), dup2(out[1], 1), dup2(out[1], 2);
        execl(w[2], w[2], NULL);
        dprintf(1, "exec: %s", strerror(errno));
        _exit(126);
    }
    close(out[1]);
    ssize_t n = read(out[0], line, sizeof line - 1);
    close(out[0]);
    long long end = now_us();
    line[strcspn(line, "\n")] = 0;
    if (n > 0 && !strncmp(line, "ready", 5)) {
        printf("@ run %s exec_us %lld since_mark_us %lld %s\n", w[1], end - start, end - marked, line);
        return 0;
    }
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status)) printf("! run %s: signal %d %s\n", w[1], WTERMSIG(status), line);
    else printf("! run %s: exit %d %s\n", w[1], WEXITSTATUS(status), line);
    return -1;
}

// Pages freed but kept on the CPU's own lists, which MemFree leaves out (hundreds of kB), in kB.
static long pagesets(void) {
    char line[256];
    long pages = 0, n;
    FILE *f = fopen("/proc/zoneinfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, " count: %ld", &n) == 1) pages += n;
    if (f) fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

// mem LABEL: the lines of /proc/meminfo (kB) that the tables are made of, and Free = MemFree plus
// the pages on the CPU's lists.
static int do_mem(char **w) {
    static const char *keys[] = {"MemFree:", "MemAvailable:", "Cached:", "Buffers:", "Slab:",
                                 "SUnreclaim:", "VmallocUsed:", "AnonPages:"};
    char line[128];
    long kept = pagesets();
    FILE *f = fopen("/proc/meminfo", "r");
    printf("@ mem %s", w[1]);
    while (f && fgets(line, sizeof line, f))
        for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
            size_t n = strlen(keys[i]);
            if (strncmp(line, keys[i], n)) continue;
            printf(" %.*s %ld", (int)n - 1, line, atol(line + n));
            if (!i) printf(" Free %ld", atol(line + n) + kept);
        }
    printf("\n");
    if (f) fclose(f);
    return 0;
}

// read FILE: all of it, with a sum (FNV-1a) of what came; the first failing offset is named.
static int do_read(char **w) {
    char page[4096];
    ssize_t n;
    long long at = 0;
    unsigned sum = 2166136261u;
    int fd = open(w[1], O_RDONLY);
    if (fd < 0) return refuse(w[1]);
    for (; (n = read(fd, page, sizeof page)) > 0; at += n)
        for (ssize_t i = 0; i < n; i++) sum = (sum ^ (unsigned char)page[i]) * 16777619u;
    if (n < 0) printf("! read %s: %s at %lld\n", w[1], strerror(errno), at);
    else printf("@ read %s %lld sum %08x\n", w[1], at, sum);
    close(fd);
    return 0;
}

// direct FILE OFFSET: one page with O_DIRECT, which must not go round the check.
static int do_direct(char **w) {
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open(w[1], O_RDONLY | O_DIRECT);
    ssize_t n = fd < 0 ? -1 : pread(fd, page, 4096, atoll(w[2]));
    if (n < 0) refuse("direct");
    else printf("@ direct %s %zd\n", w[1], n);
    close(fd);
    munmap(page, 4096);
    return 0;
}

// drop: what the kernel can give back, given back.
static int do_drop(void) {
    for (int i = 0; i < 3; i++) {
        sync();
        put("/proc/sys/vm/drop_caches", "3");
        usleep(100000);
    }
    return 0;
}

// quota DEVICE UID KIB: a hard limit; fill UID FILE: what that uid then can write.
static int do_quota(char **w) {
    struct if_dqblk q = {.dqb_bhardlimit = strtoull(w[3], NULL, 10), .dqb_valid = QIF_LIMITS};
    if (syscall(SYS_quotactl, QCMD(Q_SETQUOTA, USRQUOTA), w[1], atol(w[2]), &q)) return refuse("quota");
    return 0;
}

static int do_fill(char **w) {
    static char block[1024];
    pid_t pid = fork();
    if (!pid) {
        long long n = 0;
        int fd = open(w[2], O_CREAT | O_WRONLY, 0600);
        if (fd < 0 || fchown(fd, atol(w[1]), atol(w[1])) || setgid(atol(w[1])) || setuid(atol(w[1])))
            _exit(refuse("fill") != 0);
        while (write(fd, block, sizeof block) == sizeof block) n += sizeof block;
        printf("@ fill %s bytes %lld then %s\n", w[2], n, strerror(errno));
        fflush(stdout);
        _exit(0);
    }
    return waitpid(pid, NULL, 0) < 0;
}

// Writes a file whole: temporary name, fsync, rename, fsync of the folder.
static int replace(const char *folder, const char *name, const void *data, size_t bytes) {
    char from[128], to[128];
    snprintf(from, sizeof from, "%s/.new", folder);
    snprintf(to, sizeof to, "%s/%s", folder, name);
    int fd = open(from, O_CREAT | O_TRUNC | O_WRONLY, 0600), dir = open(folder, O_RDONLY);
    int bad = fd < 0 || dir < 0 || write(fd, data, bytes) != (ssize_t)bytes || fsync(fd);
    close(fd);
    bad = bad || rename(from, to) || fsync(dir);
    close(dir);
    return bad ? refuse(to) : 0;
}

// space FOLDER: what its filesystem says a user may still store.
static int do_space(char **w) {
    struct statvfs v;
    if (statvfs(w[1], &v)) return refuse(w[1]);
    printf("@ space %s %llu files %llu\n", w[1], (unsigned long long)v.f_bavail * v.f_bsize,
           (unsigned long long)v.f_ffree);
    return 0;
}

// disk NAME: sectors written and requests made so far, from /proc/diskstats.
static int do_disk(char **w) {
    char line[256], name[32];
    unsigned long writes, sectors;
    FILE *f = fopen("/proc/diskstats", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%*u %*u %31s %*u %*u %*u %*u %lu %*u %lu", name, &writes, &sectors) == 3 &&
            !strcmp(name, w[1]))
            printf("@ disk %s writes %lu sectors %lu ms %lld\n", name, writes, sectors, now_us() / 1000);
    if (f) fclose(f);
    return 0;
}

// churn FOLDER [ROUNDS]: for so many rounds or until the power goes, a ring written in place, a
// small state file and now and then a package-sized file replaced; `@ ack N` follows every round
// that was synced.
static int do_churn(char **w) {
    static unsigned block[PACKAGE / sizeof(unsigned)];
    char path[128];
    snprintf(path, sizeof path, "%s/ring", w[1]);
    int ring = open(path, O_CREAT | O_RDWR, 0600);
    if (ring < 0) return refuse(path);
    unsigned rounds = w[2] ? strtoul(w[2], NULL, 10) : ~0u;
    for (unsigned n = 1; n <= rounds; n++) {
        for (unsigned i = 0; i < PACKAGE / sizeof *block; i++) block[i] = n;
        if (pwrite(ring, block, RECORD, (n % RING) * RECORD) != RECORD || fsync(ring)) return refuse(path);
        if (replace(w[1], "state", block, STATE)) return -1;
        if (n % 4 == 0 && replace(w[1], n % 8 ? "package-a" : "package-b", block, PACKAGE)) return -1;
        if (!w[2]) printf("@ ack %u\n", n);
    }
    close(ring);
    return 0;
}

// One file that must hold one number throughout; 0 when it isn't there, -1 when torn.
static long whole(const char *folder, const char *name, size_t bytes) {
    static unsigned block[PACKAGE / sizeof(unsigned)];
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDONLY);
    if (fd < 0) return errno == ENOENT ? 0 : -1;
    ssize_t n = read(fd, block, bytes);
    close(fd);
    if (n != (ssize_t)bytes) return -1;
    for (size_t i = 1; i < bytes / sizeof *block; i++)
        if (block[i] != block[0]) return -1;
    return block[0];
}

// check FOLDER: what a churn left; torn things count as -1.
static int do_check(char **w) {
    unsigned record[RECORD / sizeof(unsigned)], newest = 0, torn = 0;
    char path[128];
    snprintf(path, sizeof path, "%s/ring", w[1]);
    int ring = open(path, O_RDONLY);
    while (ring >= 0 && read(ring, record, RECORD) == RECORD) {
        for (unsigned i = 1; i < RECORD / sizeof *record; i++) torn += record[i] != record[0];
        if (record[0] > newest) newest = record[0];
    }
    close(ring);
    printf("@ check ring %u torn %u state %ld package-a %ld package-b %ld\n", newest, torn,
           whole(w[1], "state", STATE), whole(w[1], "package-a", PACKAGE), whole(w[1], "package-b", PACKAGE));
    return 0;
}

static int command(char **w) {
    if (!strcmp(w[0], "mount")) return do_mount(w);
    if (!strcmp(w[0], "umount")) return umount(w[1]) ? refuse(w[1]) : 0;
    if (!strcmp(w[0], "mkdir")) return mkdir(w[1], 0755) ? refuse(w[1]) : 0;
    if (!strcmp(w[0], "loop")) return do_loop(w);
    if (!strcmp(w[0], "dm")) return do_dm(w);
    if (!strcmp(w[0], "seal")) return do_seal(w);
    if (!strcmp(w[0], "digest")) return do_digest(w);
    if (!strcmp(w[0], "run")) return do_run(w);
    if (!strcmp(w[0], "mem")) return do_mem(w);
    if (!strcmp(w[0], "read")) return do_read(w);
    if (!strcmp(w[0], "direct")) return do_direct(w);
    if (!strcmp(w[0], "drop")) return do_drop();
    if (!strcmp(w[0], "quota")) return do_quota(w);
    if (!strcmp(w[0], "fill")) return do_fill(w);
    if (!strcmp(w[0], "space")) return do_space(w);
    if (!strcmp(w[0], "disk")) return do_disk(w);
    if (!strcmp(w[0], "churn")) return do_churn(w);
    if (!strcmp(w[0], "check")) return do_check(w);
    if (!strcmp(w[0], "say")) return printf("@ %s\n", w[1]) < 0;
    if (!strcmp(w[0], "sleep")) return usleep(atol(w[1]) * 1000);
    if (!strcmp(w[0], "mark")) return marked = now_us(), 0;
    errno = EINVAL;
    return refuse(w[0]);
}

int main(void) {
    char line[1024], *w[WORDS + 1];
    setvbuf(stdout, NULL, _IOLBF, 0);
    // Without a clock the kernel starts in 1970: an ext4 inode deleted then has a dtime below the
    // number of inodes, which e2fsck takes for a link of the orphan list. By number, since musl
    // calls the 32-bit one, which a kernel without COMPAT_32BIT_TIME lacks.
    long long year_2026[2] = {1767225600, 0};
    if (syscall(SYS_clock_settime64, CLOCK_REALTIME, year_2026)) refuse("clock");
    mount("proc", "/proc", "proc", 0, "");
    mount("run", "/run", "tmpfs", 0, "");
    FILE *script = fopen("/script", "r");
    while (script && fgets(line, sizeof line, script)) {
        int n = 0;
        for (char *p = strtok(line, " \n"); p && n < WORDS; p = strtok(NULL, " \n")) w[n++] = p;
        w[n] = NULL;
        if (n) command(w);
    }
    printf("@ end\n");
    kill(-1, SIGKILL);
    while (wait(NULL) > 0) {}
    sync();
    reboot(RB_POWER_OFF);
    return 0;
}
