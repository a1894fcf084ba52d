#!/bin/sh
# Flips bytes of sealed app packages behind the kernel's back and shows what the device then does.
# usage: tamper.sh ZIMAGE PROGRAM [FORM]   (as packages.sh); exit 1 if a changed byte was read.
#
# Copies 1..20 have one byte changed in a data block each, spread over the image; 21 in its Merkle
# tree, 22 in its fs-verity descriptor; 23 is whole; 24 has a byte changed and no fs-verity, which
# shows that it is fs-verity that stops the others.
set -eu
kernel=$1 program=$2 form=${3:-erofs-lz4hc-16k} flips=20 MEMORY=32
# shellcheck source=tests/measure/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/measure/image.sh
. "$here/image.sh"

image "$form" "$work/app.img"
blocks=$(($(stat -c %s "$work/app.img") / 1024))
tree=$(((blocks + 63) / 64 * 64)) # the tree starts at the next 64 KiB (Documentation/filesystems/fsverity.rst)
leaves=$(((blocks + 31) / 32))
[ "$leaves" -gt 1 ] && nodes=$((leaves + (leaves + 31) / 32)) || nodes=1
whole=$((flips + 3)) bare=$((flips + 4))
mkdir -p "$work/files"
for n in $(seq $bare); do mkdir "$work/files/$n"; cp "$work/app.img" "$work/files/$n/app.img"; done
ext4 "$work/data.ext4"
{
    echo "mount /dev/vdb /data ext4"
    for n in $(seq $whole); do echo "seal /data/$n/app.img 1024"; done
    echo "digest /data/$whole/app.img"
    echo "umount /data"
} | boot "$work/data.ext4" > "$work/out" || { cat "$work/out"; exit 1; }
seen=$(awk '$2 == "digest" { print $4 }' "$work/out")
host=$(fsverity digest --compact --block-size=1024 "$work/app.img")
[ "$seen" = "$host" ] || { echo "digest on the device $seen, on the host $host"; exit 1; }

flip() { # COPY BLOCK BYTE: in the file's own block, found through the filesystem
    at=$(debugfs -R "bmap /$1/app.img $2" "$work/data.ext4" 2>/dev/null)
    [ "$at" -gt 0 ] || { echo "copy $1: block $2 isn't there"; exit 1; }
    old=$(od -An -tu1 -j$((at * 1024 + $3)) -N1 "$work/data.ext4")
    # shellcheck disable=SC2059 # the escape is made here
    printf "\\$(printf %o $((old ^ 1)))" |
        dd of="$work/data.ext4" bs=1 seek=$((at * 1024 + $3)) conv=notrunc status=none
}
where() { # COPY: the block changed in it
    [ "$1" = 1 ] && echo 1 || echo $((($1 - 1) * (blocks - 5) / (flips - 1)))
}
for n in $(seq $flips); do flip "$n" "$(where "$n")" 16; done
flip $((flips + 1)) "$tree" 16
# The descriptor starts at the first block boundary after the tree; its digest is 16 bytes in.
flip $((flips + 2)) $((tree + nodes)) 20
flip $bare "$(where 10)" 16
{
    echo "mount /dev/vdb /data ext4 noatime"
    for n in $(seq $bare); do
        echo "say $n"
        echo "mount /data/$n/app.img /run/$n erofs ro"
        echo "run $n /run/$n/app/bin/app"
        echo "read /run/$n/app/bin/app"
        echo "read /data/$n/app.img"
    done
    echo "say direct"
    echo "mount /data/10/app.img /run/d erofs ro,directio"
    echo "read /run/d/app/bin/app"
    echo "direct /data/10/app.img $(($(where 10) * 1024 / 4096 * 4096))"
} | boot "$work/data.ext4" > "$work/out" || { cat "$work/out"; exit 1; }
echo "image $((blocks)) KiB ($form), tree at block $tree; digest $host"
awk -v flips=$flips -v whole=$whole -v bare=$bare '
    $1 == "@" && NF == 2 { copy = $2; order[++count] = copy; next }
    copy == "" || $2 == "end" { next }
    /^!/ { sub(/^! /, ""); line[copy] = line[copy] "; " $0; if (/app.img/ && !/^\/run/) refused[copy] = 1; next }
    $2 == "run" { line[copy] = line[copy] "; runs" }
    $2 == "read" { if (/\/run/) { sum[copy] = $NF; line[copy] = line[copy] "; read whole" } else raw[copy] = 1 }
    $2 == "direct" { raw[copy] = 1 }
    END {
        for (i = 1; i < count; i++) {
            copy = order[i]
            print copy ": " substr(line[copy], 3)
            if (copy == whole || copy == bare) continue
            if (raw[copy] || !refused[copy] && copy != "direct" || (copy in sum) && sum[copy] != sum[whole]) {
                print "   read though changed"; bad = 1
            }
        }
        if (!(whole in sum) || (bare in sum) && sum[bare] == sum[whole]) { print "the controls failed"; bad = 1 }
        exit bad
    }' "$work/out"
