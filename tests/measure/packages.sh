#!/bin/sh
# RAM, flash and time of one mounted app package, for every candidate form, on an emulated
# Cortex-A7.  usage: packages.sh ZIMAGE PROGRAM [COUNT [BOOTS]]
#
# PROGRAM is a static ARM program that prints a line starting with `ready` and waits for the end
# of its standard input (tests/measure/app). The kernel needs squashfs (zstd), EROFS (lz4, backed
# by files), loop, dm-verity, ext4 and fs-verity. docs/adr/0001 quotes the table.
set -eu
kernel=$1 program=$2 count=${3:-6} boots=${4:-3}
# shellcheck source=tests/measure/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/measure/image.sh
. "$here/image.sh"

# with_tree IMAGE: appends the dm-verity tree; prints data blocks and root hash.
with_tree() {
    truncate -s %4096 "$1"
    bytes=$(stat -c %s "$1")
    hash=$(veritysetup format --no-superblock --salt=- --data-block-size=4096 --hash-block-size=4096 \
        --data-blocks=$((bytes / 4096)) --hash-offset="$bytes" "$1" "$1" | awk '/Root hash/ { print $3 }')
    echo $((bytes / 4096)) "$hash"
}

# steps CHECK N: how package N gets from the data partition to a running program.
steps() {
    file=/data/$2/app.img root=/run/$2
    echo mark
    case $1 in
    none) echo "run $2 /data/$2/app"; return ;;
    dm-verity)
        echo "loop $2 $file"
        echo "dm v$2 $((blocks * 8)) verity 1 /dev/loop$2 /dev/loop$2 4096 4096 $blocks $blocks sha256 $hash - "
        echo "mount /dev/v$2 $root $type ro" ;;
    fs-verity+loop) echo "loop $2 $file"; echo "mount /dev/loop$2 $root $type ro" ;;
    fs-verity) echo "mount $file $root $type ro" ;;
    esac
    echo "run $2 $root/app/bin/app"
}

measure() { # FORM CHECK
    form=$1 check=$2 type=${1%%-*} blocks=0 hash=0
    rm -rf "$work/files"; mkdir -p "$work/files"
    if [ "$form" = plain ]; then cp "$program" "$work/app.img"; name=app
    else image "$form" "$work/app.img"; name=app.img; fi
    if [ "$check" = dm-verity ]; then
        with_tree "$work/app.img" > "$work/tree"; read -r blocks hash < "$work/tree"
    fi
    for n in $(seq "$count"); do mkdir "$work/files/$n"; done
    for n in $(seq "$count"); do install -m 755 "$work/app.img" "$work/files/$n/$name"; done
    ext4 "$work/data.ext4"
    written=$(free_blocks "$work/data.ext4")
    {
        echo "mount /dev/vdb /data ext4"
        case $check in fs-verity*) for n in $(seq "$count"); do echo "seal /data/$n/app.img 1024"; done ;; esac
        echo "umount /data"
    } | boot "$work/data.ext4" > "$work/out" || { cat "$work/out" >&2; return 1; }
    # Whole blocks of the image, and what sealing it took beside them.
    flash=$((($(stat -c %s "$work/app.img") + 1023) / 1024 * 1024 + (written - $(free_blocks "$work/data.ext4")) * 1024 / count))
    : > "$work/all"
    for _ in $(seq "$boots"); do
        {
            echo "mount /dev/vdb /data ext4 noatime"
            echo "drop"; echo "mem base"
            for n in $(seq "$count"); do
                steps "$check" "$n"
                [ "$n" = 1 ] || [ "$n" = "$count" ] || continue
                echo "mem cached$n"; echo "drop"; echo "mem held$n"
            done
            echo "umount /data"
        } | boot "$work/data.ext4" > "$work/out" || { cat "$work/out" >&2; return 1; }
        # Anything refused makes the figures worthless; /data is busy at the end, and that's right.
        if grep '^!' "$work/out" | grep -qv '^! /data: Resource busy'; then cat "$work/out" >&2; return 1; fi
        cat "$work/out" >> "$work/all"
    done
    awk -v name="$form, $check" -v count="$count" -v boots="$boots" -v flash="$flash" \
        -v bytes="$(stat -c %s "$work/app.img")" -v plain="$(cat "$work/plain" 2>/dev/null || echo 0 0 0)" \
        -v keep="$work/plain" '
        function each(state, what) { return (sum[state "1", what] - sum[state count, what]) / (count - 1) }
        $2 == "mem" { for (i = 4; i < NF; i += 2) { sum[$3, $i] += $(i + 1) / boots; v[$i] = $(i + 1) }
                      if ($3 == "base") start = v["Free"]
                      if ($3 != "held" count) next
                      x = start - v["Free"]
                      if (low == "" || x < low) low = x
                      if (x > high) high = x }
        # The least of all boots: the rest of what a busy host adds is not the guest.
        $2 == "run" && $3 == 1 && (first == "" || $7 < first) { first = $7 }
        $2 == "run" && $3 != 1 && (later == "" || $7 < later) { later = $7 }
        END {
            split(plain, p, " ")
            one = sum["base", "Free"] - sum["held1", "Free"]
            held = each("held", "Free"); cached = each("cached", "Free")
            if (!p[1]) print one, held, cached > keep
            printf "| %s | %d | %d | %.0f | %.0f | %.0f | %.0f | %.0f | %.0f | ±%.0f |\n", name, bytes, flash,
                one - p[1], held - p[2], cached - p[3], -each("held", "SUnreclaim"), first / 1000, later / 1000,
                (high - low) / (2 * (count - 1))
        }' "$work/all"
}

cat <<T
kernel $(stat -c %s "$kernel") bytes, program $(stat -c %s "$program") bytes, $count packages, $boots boots.
RAM in kB with the program running, read after dropping the caches ("held") or not ("cached"), over
that of the first line: the same programs as plain files on ext4 (absolute figures there). Times
run from before the mount to the program's first line, the least seen.

| form, check | image B | flash B | first held | next held | next cached | next SUnreclaim | first ms | next ms | noise |
|---|---|---|---|---|---|---|---|---|---|
T
measure plain none
for form in squashfs-128k squashfs-4k erofs erofs-lz4hc; do
    measure "$form" dm-verity
    measure "$form" fs-verity+loop
    case $form in erofs*) measure "$form" fs-verity ;; esac
done
for form in erofs-lz4hc-16k erofs-lz4hc-64k; do measure "$form" fs-verity; done
