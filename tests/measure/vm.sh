# Sourced by packages.sh, tamper.sh and data.sh: a guest that runs one script of guest.c's commands.
# Needs: mksquashfs, qemu-system-arm, an ARM C compiler for static programs (musl).

: "${CC:=arm-linux-musleabihf-gcc}" "${QEMU:=qemu-system-arm}" "${MEMORY:=48}" "${CACHE:=writeback}"
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# The kernel's own headers come last: the C library's must win where both have a name.
"$CC" -Os -static -idirafter "${KERNEL_HEADERS:-/usr/arm-linux-gnueabihf/include}" \
    -o "$work/guest" "$here/guest.c"

# root_image: makes root.sq from the script on standard input.
root_image() {
    rm -rf "$work/root" "$work/root.sq"
    mkdir -p "$work/root/dev" "$work/root/proc" "$work/root/run" "$work/root/data"
    cp "$work/guest" "$work/root/init"
    cat > "$work/root/script"
    mksquashfs "$work/root" "$work/root.sq" -comp zstd -all-root -noappend -quiet -no-progress >/dev/null
}

# qemu DATA [SECONDS]: becomes the machine; the console is standard output. With LOG set, every
# write to DATA is logged there.
qemu() {
    if [ -n "${LOG:-}" ]; then
        set -- "driver=blklogwrites,file.driver=file,file.filename=$1,log.driver=file,log.filename=$LOG" "${2:-}"
    else
        set -- "file=$1,format=raw,cache=$CACHE" "${2:-}"
    fi
    exec ${2:+timeout -s KILL "$2"} "$QEMU" -M virt,highmem=off -cpu cortex-a7 -m "$MEMORY" \
        -nographic -nic none -no-reboot -kernel "$kernel" \
        -append "console=ttyAMA0 root=/dev/vda ro init=/init panic=1 quiet" \
        -drive "if=none,id=data,$1" \
        -device virtio-blk-pci,drive=data \
        -drive if=none,id=root,file="$work/root.sq",format=raw,readonly=on \
        -device virtio-blk-pci,drive=root </dev/null
}

# boot DATA < script: runs it and prints the console; fails if the guest didn't reach the end.
boot() {
    root_image
    (qemu "$1" "${TIMEOUT:-90}") > "$work/console" 2>&1 || true
    tr -d '\r' < "$work/console"
    grep -q '^@ end' "$work/console"
}
