//! Files, device nodes, and what the kernel shows as files.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown};

use libc::{SYS_close, SYS_ioctl, SYS_mknodat, SYS_openat, SYS_read};
use nix::errno::Errno;

use super::namespaces::mount;
use crate::attack::{claim, claim_file, find_secret};
use crate::call::{HERE, Outcome, at, call, errno, into, text};
use crate::catalogue::Attack;
use crate::order::{OS_SECRET, Order, victim_file};
use crate::witness::World;
use crate::witness::scene::Scene;
use crate::witness::scenes::{
    DECOY_READ, DISK_READ, LOG_READ, ON_CONSOLE, OS_FILE_READ, VICTIM_READ, changes, kernel_log, on_partition,
};

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "os-file",
        goal: "Reads a file of the OS by its path",
        scene: OS_FILE_READ,
        run: |order| {
            let climb = format!("{}{OS_SECRET}", "../".repeat(32));
            claim_file(order, &climb).or_else(|_| claim_file(order, OS_SECRET))
        },
    },
    Attack {
        name: "victim-file",
        goal: "Reads another app's file by its path",
        scene: VICTIM_READ,
        run: |order| claim_file(order, &victim_file("secret")),
    },
    Attack {
        name: "hard-link-to-victim",
        goal: "Gives another app's file a second name in its own folder, which keeps it alive",
        scene: LINKED,
        run: |order| fs::hard_link(victim_file("secret"), order.own_file()).map_err(|error| errno(&error)),
    },
    Attack {
        name: "disk-node",
        goal: "Makes a device node of the disk, and finds another's secret in its blocks",
        scene: DISK_READ,
        run: |order| {
            let node = text(&block_node(order, "data")?);
            scan_disk(order, call(SYS_openat, &[HERE, node.as_ptr() as usize, libc::O_RDONLY as usize])?)
        },
    },
    Attack {
        name: "node-in-own-folder",
        goal: "Reads the disk through a device node that lies in its folder, as one might in an app's image",
        scene: PLANTED_NODE,
        run: planted_node,
    },
    Attack {
        name: "set-id-program",
        goal: "Runs a set-user-id program of root that lies in its folder",
        scene: SET_ID,
        run: set_id,
    },
    Attack {
        name: "proc-environ",
        goal: "Reads the environment of a process of the OS",
        scene: DECOY_READ,
        run: |order| claim_file(order, &format!("/proc/{}/environ", order.fact("decoy"))),
    },
    Attack {
        name: "proc-cmdline",
        goal: "Reads the arguments of a process of the OS",
        scene: DECOY_READ,
        run: |order| claim_file(order, &format!("/proc/{}/cmdline", order.fact("decoy"))),
    },
    Attack {
        name: "proc-descriptor",
        goal: "Opens a descriptor of a process of the OS once more, through /proc/PID/fd",
        scene: DECOY_READ,
        run: |order| {
            claim_file(order, &format!("/proc/{}/fd/{}", order.fact("decoy"), order.fact("decoy-descriptor")))
        },
    },
    Attack {
        name: "proc-net-unix",
        goal: "Reads the names of the OS's sockets",
        scene: DECOY_READ,
        run: |order| claim_file(order, "/proc/net/unix"),
    },
    Attack {
        name: "sysctl",
        goal: "Changes a setting of the kernel",
        scene: changes("/proc/sys/vm/dirty_ratio", "a setting of the kernel has another value"),
        run: |_| fs::write("/proc/sys/vm/dirty_ratio", "7").map_err(|error| errno(&error)),
    },
    Attack {
        name: "sysfs",
        goal: "Changes a setting of a device through sysfs",
        scene: changes("/sys/block/vda/queue/read_ahead_kb", "a setting of the disk has another value"),
        run: sysfs,
    },
    Attack {
        name: "kernel-log-node",
        goal: "Reads the kernel's log through a device node",
        scene: LOG_READ,
        run: log_node,
    },
    Attack {
        name: "kernel-log-forged",
        goal: "Writes a line into the kernel's log",
        scene: Scene::new("the kernel's log has the attacker's line", |world, _| {
            kernel_log().contains(&world.order.token)
        }),
        run: |order| {
            let node = char_node(order, "kmsg", 1, 11)?;
            fs::write(node, format!("kernel: all is well {}\n", order.token)).map_err(|error| errno(&error))
        },
    },
    Attack {
        name: "console-forged",
        goal: "Writes a line on the console that looks like the OS's",
        scene: ON_CONSOLE,
        run: |order| {
            let node = char_node(order, "console", 5, 1)?;
            let line = format!("\n[    0.000] appmgr: all is well {}\n", order.token);
            fs::write(node, line).map_err(|error| errno(&error))?;
            Err(Errno::UnknownErrno)
        },
    },
    Attack {
        name: "physical-memory",
        goal: "Opens the machine's memory as a file",
        scene: crate::witness::scenes::holds_device("1:1", "a process of the attacker holds /dev/mem"),
        run: |order| {
            let node = text(&char_node(order, "mem", 1, 1)?);
            call(SYS_openat, &[HERE, node.as_ptr() as usize, libc::O_RDONLY as usize]).map(drop)
        },
    },
    Attack {
        name: "slot-overwritten",
        goal: "Writes to the partition that the next OS would start from",
        scene: on_partition("slot-b", "the attacker's bytes stand at the beginning of slot b"),
        run: |order| {
            let node = block_node(order, "slot-b")?;
            let file = fs::OpenOptions::new().write(true).open(node).map_err(|error| errno(&error))?;
            std::os::unix::fs::FileExt::write_all_at(&file, order.token.as_bytes(), 0)
                .and_then(|()| file.sync_all())
                .map_err(|error| errno(&error))
        },
    },
];

const LINKED: Scene = Scene::new("the victim's file has two names", |_, _| {
    fs::metadata(victim_file("secret")).is_ok_and(|found| std::os::unix::fs::MetadataExt::nlink(&found) > 1)
})
.plant(|world, _| world.plant_victim_secret());

/// The witness leaves a node of the disk in the attacker's folder, for everybody to read.
const PLANTED_NODE: Scene = DISK_READ
    .plant(|world: &mut World, detail| {
        (DISK_READ.plant)(world, detail);
        let path = format!("/data/apps/{}/nacre-at-{}", crate::catalogue::ATTACKER, world.order.token);
        let numbers = world.order.fact("data-numbers").to_owned();
        if let Some((Ok(major), Ok(minor))) = numbers.split_once(':').map(|(a, b)| (a.parse(), b.parse())) {
            let path = text(&path);
            let kind = (libc::S_IFBLK | 0o666) as usize;
            let device = libc::makedev(major, minor) as usize;
            let _ = call(SYS_mknodat, &[HERE, path.as_ptr() as usize, kind, device]);
        }
        let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o666));
    })
    .restore(|world, detail| {
        crate::witness::harden_mounts();
        (DISK_READ.restore)(world, detail);
    });

fn planted_node(order: &Order) -> Outcome {
    let path = text(&order.own_file());
    let open = || call(SYS_openat, &[HERE, path.as_ptr() as usize, libc::O_RDONLY as usize]);
    let node = open().or_else(|_| {
        let _ = mount("", "/data", "", libc::MS_REMOUNT | libc::MS_BIND);
        open()
    })?;
    scan_disk(order, node)
}

/// The witness leaves a set-user-id program in the attacker's folder, as if it had got there somehow.
const SET_ID: Scene = Scene::new("the program runs, and as root", |world, _| {
    let token = world.order.token.clone();
    crate::witness::processes().any(|pid| {
        fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.to_string_lossy().contains(&token))
            && crate::witness::effective_uid(pid) == 0
    })
})
.plant(|world: &mut World, _| {
    let path = format!("/data/apps/{}/nacre-at-{}", crate::catalogue::ATTACKER, world.order.token);
    let _ = fs::copy("/proc/self/exe", &path);
    let _ = chown(&path, Some(0), Some(0));
    let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o4755));
})
.restore(|_, _| crate::witness::harden_mounts());

/// Executes a program that stays, if the mount that it lies on allows it or can be made to.
pub(crate) fn execute(path: &str) -> Outcome {
    let attempt = || {
        let path = text(path);
        let stay = text("stay");
        let arguments = [path.as_ptr(), stay.as_ptr(), std::ptr::null()];
        let environment: [*const libc::c_char; 1] = [std::ptr::null()];
        call(libc::SYS_execve, &[path.as_ptr() as usize, at(&arguments), at(&environment)]).map(drop)
    };
    attempt().or_else(|_| {
        for point in ["/data", "/tmp"] {
            let _ = mount("", point, "", libc::MS_REMOUNT | libc::MS_BIND);
        }
        attempt()
    })
}

fn set_id(order: &Order) -> Outcome {
    execute(&order.own_file())
}

fn sysfs(order: &Order) -> Outcome {
    let write = |base: &str| {
        fs::write(format!("{base}/block/vda/queue/read_ahead_kb"), "64").map_err(|error| errno(&error))
    };
    write("/sys").or_else(|_| {
        let below = order.own_file();
        fs::create_dir(&below).map_err(|error| errno(&error))?;
        mount("sysfs", &below, "sysfs", 0)?;
        write(&below)
    })
}

fn log_node(order: &Order) -> Outcome {
    use std::os::unix::fs::OpenOptionsExt;
    let node = char_node(order, "kmsg", 1, 11)?;
    let mut log = fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(node)
        .map_err(|error| errno(&error))?;
    let mut record = [0; 2048];
    loop {
        match log.read(&mut record) {
            Ok(length) => {
                if let Some(secret) = find_secret(order, record.get(..length).unwrap_or_default()) {
                    return claim(secret);
                }
            }
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
            Err(error) => return Err(errno(&error)),
        }
    }
}

/// Folders in which it may be possible to make a node.
fn places(order: &Order) -> [String; 4] {
    let name = format!("nacre-at-{}", order.token);
    [order.own_file(), format!("/tmp/{name}"), format!("/dev/{name}"), format!("/run/{name}")]
}

/// A node that can be opened: the OS's, or one that it makes.
fn node(order: &Order, known: &str, kind: u32, major: u32, minor: u32) -> Result<String, Errno> {
    let opens = |path: &str| -> Result<(), Errno> {
        let path = text(path);
        let opened =
            call(SYS_openat, &[HERE, path.as_ptr() as usize, (libc::O_RDONLY | libc::O_NONBLOCK) as usize])
                .or_else(|_| call(SYS_openat, &[HERE, path.as_ptr() as usize, libc::O_WRONLY as usize]))?;
        call(SYS_close, &[opened]).map(drop)
    };
    if opens(known).is_ok() {
        return Ok(known.to_owned());
    }
    let mut last = Errno::ENOENT;
    for place in places(order) {
        let path = text(&place);
        let device = libc::makedev(major, minor) as usize;
        let made = call(SYS_mknodat, &[HERE, path.as_ptr() as usize, (kind | 0o666) as usize, device]);
        match made.and_then(|_| opens(&place)) {
            Ok(()) => return Ok(place),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A node of a partition.
pub(crate) fn block_node(order: &Order, partition: &str) -> Result<String, Errno> {
    let numbers = order.fact(&format!("{partition}-numbers")).to_owned();
    let (major, minor) = numbers.split_once(':').ok_or(Errno::ENODEV)?;
    let number = |text: &str| text.parse().map_err(|_| Errno::ENODEV);
    node(order, order.fact(partition), libc::S_IFBLK, number(major)?, number(minor)?)
}

/// A node of a character device.
pub(crate) fn char_node(order: &Order, name: &str, major: u32, minor: u32) -> Result<String, Errno> {
    node(order, &format!("/dev/{name}"), libc::S_IFCHR, major, minor)
}

/// Looks for the secret in all blocks of a disk.
pub(crate) fn scan_disk(order: &Order, disk: usize) -> Outcome {
    let mut piece = vec![0u8; 256 * 1024];
    let mut kept = 0;
    loop {
        let room = piece.len() - kept;
        let read = call(SYS_read, &[disk, into(piece[kept..].first_mut().ok_or(Errno::EIO)?), room])?;
        if read == 0 {
            return Err(Errno::ENODATA);
        }
        let filled = kept + read;
        if let Some(secret) = find_secret(order, piece.get(..filled).unwrap_or_default()) {
            return claim(secret);
        }
        // A secret may lie across two pieces.
        kept = filled.min(128);
        piece.copy_within(filled - kept..filled, 0);
    }
}

/// ioctl(2) with a pointer or number.
pub(crate) fn ioctl(descriptor: usize, request: usize, argument: usize) -> Result<usize, Errno> {
    call(SYS_ioctl, &[descriptor, request, argument])
}
