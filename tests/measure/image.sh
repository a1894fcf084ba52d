# Sourced by packages.sh and tamper.sh, after vm.sh: the app's tree, its image, the data partition.
# Needs: mksquashfs, mkfs.erofs, mke2fs, dumpe2fs.

mkdir -p "$work/app/app/bin" "$work/app/data" "$work/app/tmp" "$work/app/dev" "$work/app/proc" "$work/app/run"
cp "$program" "$work/app/app/bin/app"
: > "$work/app/run/nacre"

# image FORM FILE: the app image, as its builder makes it.
squashfs() { mksquashfs "$work/app" "$1" -comp zstd -Xcompression-level 22 -all-root -no-xattrs \
    -noappend -mkfs-time 0 -all-time 0 -b "$2" -quiet -no-progress >/dev/null; }
erofs() { out=$1; shift; mkfs.erofs -x-1 -T0 -U00000000-0000-0000-0000-000000000000 --all-root \
    --quiet "$@" "$out" "$work/app" >/dev/null; }
image() {
    case $1 in
    squashfs-128k) squashfs "$2" 131072 ;;
    squashfs-4k) squashfs "$2" 4096 ;;
    erofs) erofs "$2" ;;
    erofs-lz4hc) erofs "$2" -zlz4hc,12 ;;
    erofs-lz4hc-16k) erofs "$2" -zlz4hc,12 -C16384 ;;
    erofs-lz4hc-64k) erofs "$2" -zlz4hc,12 -C65536 ;;
    esac
}

# ext4 FILE: a data partition holding $work/files.
free_blocks() { dumpe2fs -h "$1" 2>/dev/null | awk -F: '/^Free blocks/ { print $2 + 0 }'; }
ext4() { rm -f "$1"; mke2fs -q -t ext4 -b 1024 -J size=1 -m 0 -O quota,verity -E root_owner=0:0 \
    -d "$work/files" "$1" 7M >/dev/null; }

