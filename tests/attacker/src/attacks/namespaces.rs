//! Out of the namespaces, and around the mounts.

use std::fs;
use std::os::unix::fs::{chroot, symlink};

use libc::{
    CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUSER, MS_BIND, MS_REMOUNT, SYS_clone3, SYS_fsconfig, SYS_fsmount,
    SYS_fsopen, SYS_mount, SYS_move_mount, SYS_open_tree, SYS_openat, SYS_pidfd_open, SYS_sethostname,
    SYS_setns, SYS_unshare,
};
use nix::errno::Errno;

use super::files::{block_node, scan_disk};
use crate::attack::{claim_file, stay};
use crate::call::{HERE, Outcome, at, call, errno, text};
use crate::catalogue::Attack;
use crate::order::{OS_SECRET, Order, victim_file};
use crate::witness::scenes::{
    DISK_READ, HOST_NAME, OS_FILE_READ, OWN_NAMESPACE, ROOT_CGROUP, VICTIM_READ, changes, holds,
};

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "proc-1-root",
        goal: "Reads a file of the OS through the root of process 1",
        scene: OS_FILE_READ,
        run: |order| claim_file(order, &format!("/proc/1/root{OS_SECRET}")),
    },
    Attack {
        name: "proc-victim-root",
        goal: "Reads another app's file through the root of its process",
        scene: VICTIM_READ,
        run: |order| claim_file(order, &format!("/proc/{}/root/data/secret", order.fact("victim"))),
    },
    Attack {
        name: "chroot-escape",
        goal: "Leaves its root by a second chroot, and reads a file of the OS",
        scene: OS_FILE_READ,
        run: chroot_escape,
    },
    Attack {
        name: "os-program-by-exe",
        goal: "Holds a program of the OS through /proc/PID/exe, as one that would overwrite it",
        scene: holds("/sbin/", "a process of the attacker holds a descriptor of a program of the OS"),
        run: os_program,
    },
    Attack {
        name: "mount-data",
        goal: "Mounts the data partition and reads a file of the OS in it",
        scene: OS_FILE_READ,
        run: mount_data,
    },
    Attack {
        name: "bind-mount-victim",
        goal: "Binds another app's folder over one of its own",
        scene: VICTIM_READ,
        run: bind_victim,
    },
    Attack {
        name: "open-tree-victim",
        goal: "Clones another app's folder with open_tree and puts it into its own with move_mount",
        scene: VICTIM_READ,
        run: open_tree,
    },
    Attack {
        name: "fresh-devtmpfs",
        goal: "Mounts a devtmpfs of its own with fsopen, and reads the disk through it",
        scene: DISK_READ,
        run: fresh_devtmpfs,
    },
    Attack {
        name: "fresh-proc",
        goal: "Mounts a proc of its own with fsopen, and changes a setting of the kernel in it",
        scene: changes("/proc/sys/fs/protected_hardlinks", "a setting of the kernel has another value"),
        run: fresh_proc,
    },
    Attack {
        name: "remount-proc-writable",
        goal: "Makes /proc writable again, and changes a setting of the kernel",
        scene: changes("/proc/sys/fs/protected_symlinks", "a setting of the kernel has another value"),
        run: remount_proc,
    },
    Attack {
        name: "nested-user-namespace",
        goal: "Makes a user namespace, in which it has every capability",
        scene: OWN_NAMESPACE.of("user"),
        run: |_| call(SYS_unshare, &[CLONE_NEWUSER as usize]).map(drop),
    },
    Attack {
        name: "clone3-user-namespace",
        goal: "Makes a user namespace by clone3, whose arguments no filter sees",
        scene: OWN_NAMESPACE.of("user"),
        run: clone3_namespace,
    },
    Attack {
        name: "new-mount-namespace",
        goal: "Makes a mount namespace, to arrange the tree as it likes",
        scene: OWN_NAMESPACE.of("mnt"),
        run: |_| call(SYS_unshare, &[CLONE_NEWNS as usize]).map(drop),
    },
    Attack {
        name: "setns-init",
        goal: "Joins the mount namespace of process 1 and reads a file of the OS",
        scene: OS_FILE_READ,
        run: setns_init,
    },
    Attack {
        name: "setns-victim",
        goal: "Joins another app's namespaces by a pidfd and reads its file",
        scene: VICTIM_READ,
        run: setns_victim,
    },
    Attack {
        name: "cgroup-escape",
        goal: "Moves itself to the root of the cgroups, where nothing is limited",
        scene: ROOT_CGROUP,
        run: |order| write_cgroup(order, "cgroup.procs", "0"),
    },
    Attack {
        name: "cgroup-limit-lifted",
        goal: "Lifts the memory limit of its own cgroup",
        scene: changes(
            "/sys/fs/cgroup/apps/org.nacre.attacker/memory.max",
            "the memory limit of the attacker's cgroup is another one",
        ),
        run: |order| write_cgroup(order, "apps/org.nacre.attacker/memory.max", "max"),
    },
    Attack {
        name: "host-name",
        goal: "Gives the machine another name",
        scene: HOST_NAME,
        run: |order| {
            call(SYS_sethostname, &[text(&order.token).as_ptr() as usize, order.token.len()]).map(drop)
        },
    },
    Attack {
        name: "symlink-out",
        goal: "Follows a link of its own making out of its folder to another app's file",
        scene: VICTIM_READ,
        run: |order| {
            symlink(victim_file("secret"), order.own_file()).map_err(|error| errno(&error))?;
            claim_file(order, &order.own_file())
        },
    },
];

fn folder(order: &Order) -> Result<String, Errno> {
    let path = order.own_file();
    fs::create_dir(&path).map_err(|error| errno(&error))?;
    Ok(path)
}

/// The oldest way out: a root below the working directory holds nobody.
fn chroot_escape(order: &Order) -> Outcome {
    let below = folder(order)?;
    chroot(&below).map_err(|error| errno(&error))?;
    for _ in 0..64 {
        let _ = std::env::set_current_dir("..");
    }
    chroot(".").map_err(|error| errno(&error))?;
    claim_file(order, OS_SECRET)
}

fn os_program(order: &Order) -> Outcome {
    for pid in ["1", order.fact("appmgr")] {
        let path = text(&format!("/proc/{pid}/exe"));
        let opened = call(SYS_openat, &[HERE, path.as_ptr() as usize, libc::O_RDONLY as usize]);
        if opened.is_ok()
            && fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.starts_with("/sbin"))
        {
            return Ok(());
        }
    }
    Err(Errno::EACCES)
}

/// mount(2).
pub(crate) fn mount(source: &str, target: &str, kind: &str, flags: libc::c_ulong) -> Outcome {
    let (source, target, kind) = (text(source), text(target), text(kind));
    let texts = [source.as_ptr() as usize, target.as_ptr() as usize, kind.as_ptr() as usize];
    call(SYS_mount, &[texts[0], texts[1], texts[2], flags as usize, 0]).map(drop)
}

fn mount_data(order: &Order) -> Outcome {
    let below = folder(order)?;
    let node = block_node(order, "data")?;
    mount(&node, &below, "ext4", 0)?;
    claim_file(order, &format!("{below}/state/attack-secret"))
}

fn bind_victim(order: &Order) -> Outcome {
    let below = folder(order)?;
    mount(&victim_file(""), &below, "", MS_BIND)?;
    claim_file(order, &format!("{below}/secret"))
}

fn open_tree(order: &Order) -> Outcome {
    const CLONE: usize = 1;
    const EMPTY_PATH: usize = 4;
    let below = text(&folder(order)?);
    let path = text(&victim_file(""));
    let tree = call(SYS_open_tree, &[HERE, path.as_ptr() as usize, CLONE])?;
    let empty = text("");
    call(SYS_move_mount, &[tree, empty.as_ptr() as usize, HERE, below.as_ptr() as usize, EMPTY_PATH])?;
    claim_file(order, &format!("{}/secret", below.to_string_lossy()))
}

/// A new instance of a filesystem, as a descriptor of its root.
fn fresh(filesystem: &str) -> Result<usize, Errno> {
    const CREATE: usize = 6;
    let name = text(filesystem);
    let context = call(SYS_fsopen, &[name.as_ptr() as usize, 0])?;
    call(SYS_fsconfig, &[context, CREATE, 0, 0, 0])?;
    call(SYS_fsmount, &[context, 0, 0])
}

fn open_in(folder: usize, path: &str, flags: i32) -> Result<usize, Errno> {
    let path = text(path);
    call(SYS_openat, &[folder, path.as_ptr() as usize, flags as usize])
}

fn fresh_devtmpfs(order: &Order) -> Outcome {
    let root = fresh("devtmpfs")?;
    let name = order.fact("data").trim_start_matches("/dev/");
    scan_disk(order, open_in(root, name, libc::O_RDONLY)?)
}

fn fresh_proc(_: &Order) -> Outcome {
    let file = open_in(fresh("proc")?, "sys/fs/protected_hardlinks", libc::O_WRONLY)?;
    call(libc::SYS_write, &[file, at("0"), 1])?;
    Ok(())
}

fn remount_proc(_: &Order) -> Outcome {
    // Where it is writable already, this changes nothing.
    let _ = mount("", "/proc", "", MS_REMOUNT | MS_BIND);
    fs::write("/proc/sys/fs/protected_symlinks", "0").map_err(|error| errno(&error))
}

fn clone3_namespace(_: &Order) -> Outcome {
    let mut arguments = [0u64; 8];
    arguments[0] = CLONE_NEWUSER as u64;
    arguments[4] = libc::SIGCHLD as u64;
    if call(SYS_clone3, &[at(&arguments), size_of_val(&arguments)])? == 0 {
        stay();
    }
    Ok(())
}

fn setns(descriptor: usize, kinds: i32) -> Outcome {
    call(SYS_setns, &[descriptor, kinds as usize]).map(drop)
}

fn setns_init(order: &Order) -> Outcome {
    setns(open_in(HERE, "/proc/1/ns/mnt", libc::O_RDONLY)?, CLONE_NEWNS)?;
    claim_file(order, OS_SECRET)
}

fn setns_victim(order: &Order) -> Outcome {
    let process = call(SYS_pidfd_open, &[order.number("victim"), 0])?;
    setns(process, CLONE_NEWNS | CLONE_NEWNET)?;
    claim_file(order, "/data/secret")
}

/// Writes a file of the cgroups, where they are or where it mounts them.
fn write_cgroup(order: &Order, file: &str, value: &str) -> Outcome {
    let write = |base: &str| fs::write(format!("{base}/{file}"), value).map_err(|error| errno(&error));
    write("/sys/fs/cgroup").or_else(|_| {
        let below = folder(order)?;
        mount("cgroup2", &below, "cgroup2", 0)?;
        write(&below)
    })
}
