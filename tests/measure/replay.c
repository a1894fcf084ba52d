// A disk as a power cut leaves it, from QEMU's log of writes (`blklogwrites`, the format of the
// kernel's dm-log-writes): replay LOG DISK CUT SEED.
//
// DISK is a copy of the disk before the run. Entries up to the last flush before entry CUT are
// applied; of those between that flush and CUT each sector is there or not, as SEED has it: what a
// device with a volatile cache may keep. With CUT 0 only the number of entries is printed.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SECTOR = 512, FLUSH = 1, FUA = 2, DISCARD = 4, MARK = 8 };

struct entry {
    uint64_t sector, sectors, flags, bytes;
};

static int take(FILE *log, struct entry *e) {
    return fread(e, sizeof *e, 1, log) == 1 && !fseek(log, SECTOR - (long)sizeof *e, SEEK_CUR);
}

static int carries(const struct entry *e) { return !(e->flags & (DISCARD | MARK)) && e->sectors; }

int main(int argc, char **argv) {
    uint64_t super[3];
    struct entry e;
    if (argc != 5) return 2;
    FILE *log = fopen(argv[1], "rb"), *disk = fopen(argv[2], "r+b");
    uint64_t cut = strtoull(argv[3], NULL, 10), flushed = 0, kept = 0, lost = 0;
    if (!log || !disk || fread(super, sizeof super, 1, log) != 1 || super[0] != 0x6a736677736872) return 1;
    if (!cut) return printf("%" PRIu64 "\n", super[2]) < 0;
    srand(strtoul(argv[4], NULL, 10));
    for (int pass = 0; pass < 2; pass++) {
        fseek(log, SECTOR, SEEK_SET);
        for (uint64_t i = 0; i < cut && take(log, &e); i++) {
            if (!pass && e.flags & FLUSH) flushed = i;
            for (uint64_t s = 0; carries(&e) && s < e.sectors; s++) {
                char data[SECTOR];
                if (fread(data, SECTOR, 1, log) != 1) return 1;
                if (!pass) continue;
                int keep = i < flushed || e.flags & FUA || rand() % 2;
                keep ? kept++ : lost++;
                if (keep && (fseek(disk, (long)((e.sector + s) * SECTOR), SEEK_SET) ||
                             fwrite(data, SECTOR, 1, disk) != 1)) return 1;
            }
        }
    }
    printf("kept %" PRIu64 " lost %" PRIu64 "\n", kept, lost);
    return fclose(disk) != 0;
}
