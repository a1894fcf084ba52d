#!/bin/sh
# The filesystem of the data partition: space, RAM, writes, quota, fs-verity and power cuts, on an
# emulated Cortex-A7.  usage: data.sh ZIMAGE [CUTS [KILLS]]
#
# Power is cut in two ways. CUTS times, the run's log of writes is replayed up to a random entry,
# and sectors that no flush had made durable are there or not at random (replay.c); KILLS times,
# QEMU itself is killed while writing, and what was acknowledged must be there. After each the
# guest mounts, checks its files and unmounts, and e2fsck -fn must find nothing.
# MIB sets the partition's size and FORMS the forms: f2fs doesn't fit in 7 MiB, so it is weighed by
# MIB=52 FORMS=f2fs with a kernel that has F2FS_FS. docs/adr/0002 quotes the tables.
set -eu
kernel=$1 cuts=${2:-20} kills=${3:-10} mib=${MIB:-7}
# shellcheck source=tests/measure/vm.sh
. "$(dirname "$0")/vm.sh"
cc -O2 -o "$work/replay" "$here/replay.c"
mkdir "$work/empty"

base="-t ext4 -m 0 -N 256 -E quotatype=usrquota,lazy_itable_init=0,nodiscard -O quota,verity,^resize_inode,^orphan_file,^64bit"
make_data() { # FORM FILE
    rm -f "$2"
    case $1 in
    ext4-1k-default) set -- "$2" -t ext4 -b 1024 -O quota,verity ;;
    ext4-1k) set -- "$2" $base -b 1024 -J size=1 ;;
    ext4-1k-fast-commit) set -- "$2" $base,fast_commit -b 1024 -J size=1,fast_commit_size=64 ;;
    ext4-1k-no-journal) set -- "$2" $base,^has_journal -b 1024 ;;
    ext4-4k-no-journal) set -- "$2" $base,^has_journal -b 4096 ;;
    ext4-4k) set -- "$2" $base -b 4096 -J size=4 ;;
    f2fs) truncate -s "${mib}M" "$2"
        mkfs.f2fs -O quota,verity,extra_attr "$2" 2>&1 | grep Error > "$work/refusal" || return 0
        return 1 ;;
    esac
    file=$1; shift
    # mke2fs leaves the journal out without failing when it doesn't fit.
    mke2fs -q "$@" -d "$work/empty" "$file" "${mib}M" >"$work/refusal" 2>&1
    ! grep -q 'too small' "$work/refusal"
}
kind() { case $1 in f2fs) echo f2fs ;; *) echo ext4 ;; esac; }
options() { case $1 in f2fs) echo noatime,usrquota ;; *) echo noatime,usrquota,noinit_itable ;; esac; }

# The last word on a filesystem that was mounted and unmounted again: 1 if it is damaged.
damaged() {
    case $1 in
    f2fs) fsck.f2fs --dry-run "$2" > "$work/fsck" 2>&1 && ! grep -q '\[Fail\]' "$work/fsck" && return 1; return 0 ;;
    *) e2fsck -fn "$2" > "$work/fsck" 2>&1 && return 1; return 0 ;;
    esac
}
check() { # FORM FILE: mounts, checks, unmounts; prints the check's figures
    {
        echo "mount /dev/vdb /data $(kind "$1") $(options "$1")"
        echo "check /data"
        echo "umount /data"
    } | boot "$2" > "$work/out" && awk '$2 == "check" { print $4, $6, $8, $10, $12 }' "$work/out"
}
# In order and whole: state N comes after ring N, packages every fourth round after state.
in_order='{ ring=$1; torn=$2; state=$3; a=$4; b=$5
    due = int(state / 4) * 4; b_due = int((state - 1) / 8) * 8; a_due = int((state + 3) / 8) * 8 - 4; if (a_due < 0) a_due = 0
    exit torn || state < 0 || a < 0 || b < 0 || ring < state || ring > state + 1 || a < a_due || b < b_due || a > state || b > state }'

weigh() { # FORM
    if ! make_data "$1" "$work/data.img"; then
        echo "| $1 | refused: $(tail -1 "$work/refusal") | | | | | | | |"; return
    fi
    {
        echo "drop"; echo "mem base"
        echo "mount /dev/vdb /data $(kind "$1") $(options "$1")"
        echo "space /data"; echo "drop"; echo "mem mounted"
        echo "disk vdb"; echo "churn /data 40"; echo "disk vdb"
        echo "drop"; echo "mem used"
        echo "quota /dev/vdb 20000 64"; echo "fill 20000 /data/fill"
        echo "seal /data/package-a 1024"; echo "seal /data/package-b 4096"
        echo "umount /data"
    } | boot "$work/data.img" > "$work/out" || cat "$work/out" >&2
    awk -v name="$1" '
        $2 == "space" { space = $4 }
        $2 == "mem" { for (i = 4; i < NF; i += 2) if ($i == "Free") free[$3] = $(i + 1) }
        $2 == "disk" { n++; writes[n] = $5; sectors[n] = $7; ms[n] = $9 }
        $2 == "fill" { quota = $5 }
        /^! \/data\/package-a/ { k1 = "no" } /^! \/data\/package-b/ { k4 = "no" }
        /^! quota/ { quota = "no" }
        END {
            printf "| %s | %d | %d | %d | %.1f | %.1f | %.0f | %s | %s/%s |\n", name, space / 1024,
                free["base"] - free["mounted"], free["base"] - free["used"],
                (sectors[2] - sectors[1]) / 2 / 40, (writes[2] - writes[1]) / 40, (ms[2] - ms[1]) / 40,
                quota, k1 ? k1 : "yes", k4 ? k4 : "yes" }' "$work/out"
}

replayed() { # FORM: cuts by replay
    make_data "$1" "$work/start.img"; cp "$work/start.img" "$work/run.img"; : > "$work/log"
    {
        echo "mount /dev/vdb /data $(kind "$1") $(options "$1")"
        echo "churn /data 40"
        echo "umount /data"
    } | LOG="$work/log" boot "$work/run.img" > "$work/out" || { cat "$work/out" >&2; return 1; }
    entries=$("$work/replay" "$work/log" "$work/run.img" 0 0)
    bad=0 broken=0 n=0
    while [ $n -lt "$cuts" ]; do
        n=$((n + 1))
        cut=$(awk -v n=$n -v e="$entries" 'BEGIN { srand(n * 7919); print int(e / 10 + rand() * e * 0.9) }')
        cp "$work/start.img" "$work/cut.img"
        "$work/replay" "$work/log" "$work/cut.img" "$cut" $n >/dev/null
        if check "$1" "$work/cut.img" > "$work/seen" && [ -s "$work/seen" ] && awk "$in_order" "$work/seen"; then :
        else bad=$((bad + 1)); fi
        if damaged "$1" "$work/cut.img"; then broken=$((broken + 1)); fi
    done
    echo "| $1 | replay | $cuts | $bad | $broken |"
}

killed() { # FORM CACHE: cuts by killing QEMU
    bad=0 broken=0 n=0
    while [ $n -lt "$kills" ]; do
        n=$((n + 1))
        make_data "$1" "$work/cut.img"
        { echo "mount /dev/vdb /data $(kind "$1") $(options "$1")"; echo "churn /data"; } | root_image
        (CACHE=$2 qemu "$work/cut.img") > "$work/console" 2>&1 &
        machine=$!
        sleep "$(awk -v n=$n 'BEGIN { srand(n * 104729); printf "%.2f", 3 + 3 * rand() }')"
        kill -9 $machine; wait $machine 2>/dev/null || true
        acked=$(tr -d '\r' < "$work/console" | awk '$2 == "ack" { n = $3 } END { print n + 0 }')
        if check "$1" "$work/cut.img" > "$work/seen" && [ -s "$work/seen" ] && awk "$in_order" "$work/seen" &&
            awk -v a="$acked" '{ exit $1 < a || $3 < a }' "$work/seen"; then :
        else bad=$((bad + 1)); fi
        if damaged "$1" "$work/cut.img"; then broken=$((broken + 1)); fi
    done
    echo "| $1 | kill, cache=$2 | $kills | $bad | $broken |"
}

cat <<T
kernel $(stat -c %s "$kernel") bytes, partition $mib MiB

| form | free KiB | RAM mounted kB | RAM after use kB | KiB written/round | requests/round | ms/round | quota 64 KiB stops at | fs-verity 1024/4096 |
|---|---|---|---|---|---|---|---|---|
T
for form in ${FORMS:-ext4-1k-default ext4-1k ext4-1k-fast-commit ext4-1k-no-journal ext4-4k ext4-4k-no-journal f2fs}; do
    weigh "$form"
done
cat <<T

| form | cut by | cuts | files wrong | fsck errors after remount |
|---|---|---|---|---|
T
[ "$cuts" = 0 ] || for form in ${FORMS:-ext4-1k ext4-1k-fast-commit ext4-1k-no-journal}; do replayed "$form"; done
[ "$kills" = 0 ] || for cache in writeback writethrough directsync; do killed ext4-1k "$cache"; done
