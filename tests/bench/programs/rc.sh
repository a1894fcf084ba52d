#!/bin/sh
# What the sandbox around an app needs before it starts, as far as busybox has it: data, the app's image, a group with
# limits, namespaces, an own root. It has no user namespace with one uid, no uid of the app, and neither Landlock nor
# seccomp; the image comes from a partition, as busybox mounts files through loop devices only.
set -e
busybox mount -t proc -o hidepid=2 proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t tmpfs -o mode=0755,size=64k run /run
busybox mount -t cgroup2 cgroup2 /sys/fs/cgroup
busybox mount -t ext4 -o nosuid,nodev,noexec,noatime,usrquota /dev/vda4 /data
busybox mkdir /run/app /run/dev
busybox mount -t erofs -o ro,nosuid,nodev /dev/vda3 /run/app
busybox mount -t tmpfs -o size=4k,nr_inodes=8,mode=0755 dev /run/dev
busybox mknod -m 666 /run/dev/null c 1 3
cd /sys/fs/cgroup
echo '+memory +pids +cpu' > cgroup.subtree_control
busybox mkdir apps
echo '+memory +pids +cpu' > apps/cgroup.subtree_control
busybox mkdir apps/app
cd apps/app
echo 1048576 > memory.max
echo 1 > memory.oom.group
echo 8 > pids.max
echo 100000 100000 > cpu.max
echo $$ > cgroup.procs
exec busybox unshare -m -n -i -u -p -f /bin/sh /bin/inside.sh
