# The second half of rc.sh, in the app's namespaces.
set -e
busybox hostname hello
busybox mount --bind /run/app /run/app
busybox mount -o remount,bind,ro,nosuid,nodev /run/app
busybox mount -t proc -o ro,nosuid,nodev,noexec,hidepid=2,subset=pid proc /run/app/proc
busybox mount --bind /run/dev /run/app/dev
busybox mount -o remount,bind,ro,nosuid,noexec /run/app/dev
cd /run/app
busybox pivot_root . tmp
/tmp/bin/busybox umount -l /tmp
exec /app/bin/hello
