//! What stays, and what is held for ransom.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;

use nix::errno::Errno;

use super::files::ioctl;
use crate::call::{Outcome, at, call, errno, text};
use crate::catalogue::{ATTACKER, Attack, VICTIM};
use crate::order::{Order, victim_file};
use crate::witness::scene::Scene;
use crate::witness::scenes::{VICTIM_FILE_CHANGED, VICTIM_FILE_GONE, appears, changes};

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "victim-data-encrypted",
        goal: "Writes over another app's file, as who wants a ransom for it",
        scene: VICTIM_FILE_CHANGED,
        run: |_| {
            let bytes = fs::read(victim_file("secret")).unwrap_or_else(|_| vec![0; 40]);
            let scrambled: Vec<u8> = bytes.iter().map(|byte| byte ^ 0x5a).collect();
            fs::write(victim_file("secret"), scrambled).map_err(|error| errno(&error))
        },
    },
    Attack {
        name: "victim-data-deleted",
        goal: "Deletes another app's file",
        scene: VICTIM_FILE_GONE,
        run: |_| fs::remove_file(victim_file("secret")).map_err(|error| errno(&error)),
    },
    Attack {
        name: "immutable-file",
        goal: "Makes a file that not even the OS can delete",
        scene: Scene::new("the attacker's file is immutable", |world, _| {
            let path = format!("/data/apps/{ATTACKER}/nacre-at-{}", world.order.token);
            File::open(path).is_ok_and(|file| flags(&file) & IMMUTABLE != 0)
        }),
        run: |order| {
            let file = File::create(order.own_file()).map_err(|error| errno(&error))?;
            set_flags(&file, IMMUTABLE).map(drop)
        },
    },
    Attack {
        name: "package-planted",
        goal: "Puts a package of its own among the installed ones",
        scene: appears("/data/packages", "a folder of the attacker lies among the packages"),
        run: |order| {
            fs::create_dir(format!("/data/packages/org.nacre.x{}", order.token))
                .map_err(|error| errno(&error))
        },
    },
    Attack {
        name: "package-moved-away",
        goal: "Takes another app's package away, so that it is gone after the next start",
        scene: Scene::new("the victim's package is not in its place", |_, _| {
            fs::metadata(format!("/data/packages/{VICTIM}")).is_err()
        })
        .restore(|world, _| {
            let away = format!("/data/packages/{VICTIM}.{}", world.order.token);
            let _ = fs::rename(away, format!("/data/packages/{VICTIM}"));
        }),
        run: |order| {
            let away = format!("/data/packages/{VICTIM}.{}", order.token);
            fs::rename(format!("/data/packages/{VICTIM}"), away).map_err(|error| errno(&error))
        },
    },
    Attack {
        name: "package-tampered",
        goal: "Changes the signed manifest of another app's package",
        scene: changes(
            "/data/packages/org.nacre.victim/manifest.cose",
            "the signed manifest of the victim's package is another one",
        ),
        run: |order| append(&format!("/data/packages/{VICTIM}/manifest.cose"), &order.token),
    },
    Attack {
        name: "uid-table",
        goal: "Writes to the table that says which app has which uid",
        scene: changes("/data/state/uids", "the table of uids is another one"),
        run: |_| append("/data/state/uids", "29999 org.nacre.intruder\n"),
    },
    Attack {
        name: "file-in-run",
        goal: "Leaves a file where the OS keeps its sockets and mounts",
        scene: appears("/run", "a file of the attacker lies in /run"),
        run: |order| fs::write(format!("/run/nacre-at-{}", order.token), "x").map_err(|error| errno(&error)),
    },
    Attack {
        name: "file-of-victim",
        goal: "Leaves a file of its own among another app's data",
        scene: appears("/data/apps/org.nacre.victim", "a file of the attacker lies in the victim's folder"),
        run: |order| fs::write(victim_file(&order.token), "x").map_err(|error| errno(&error)),
    },
    Attack {
        name: "quota-lifted",
        goal: "Lifts the quota on its own storage",
        scene: Scene::new("the quota on the attacker's uid is another one", |world, _| {
            quota(world.order.number("uid")).is_some_and(|now| now.to_string().into_bytes() != world.before)
        })
        .plant(|world, _| {
            world.before = quota(world.order.number("uid")).unwrap_or(0).to_string().into_bytes();
        })
        .restore(|world, _| {
            if let Ok(before) = String::from_utf8_lossy(&world.before).parse() {
                let _ = set_quota(world.order.number("uid"), before);
            }
        }),
        run: |order| set_quota(order.number("uid"), 123_456),
    },
    Attack {
        name: "survives-the-stop",
        goal: "Leaves a process that goes on when the app is stopped",
        scene: SURVIVES,
        run: survive,
    },
];

/// `FS_IMMUTABLE_FL`.
const IMMUTABLE: u32 = 0x10;

fn flags(file: &File) -> u32 {
    let mut flags: libc::c_long = 0;
    let done =
        ioctl(file.as_raw_fd() as usize, libc::FS_IOC_GETFLAGS as usize, crate::call::into(&mut flags));
    if done.is_ok() { flags as u32 } else { 0 }
}

/// `FS_IOC_SETFLAGS`.
pub(crate) fn set_flags(file: &File, flags: u32) -> Result<usize, Errno> {
    ioctl(file.as_raw_fd() as usize, libc::FS_IOC_SETFLAGS as usize, at(&libc::c_long::from(flags as i32)))
}

fn append(path: &str, added: &str) -> Outcome {
    let file = OpenOptions::new().append(true).open(path);
    file.and_then(|mut file| file.write_all(added.as_bytes())).map_err(|error| errno(&error))
}

fn data_device() -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let line = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/data"));
    line.and_then(|line| line.split(' ').next()).unwrap_or("/dev/vda4").to_owned()
}

fn quota(uid: usize) -> Option<u64> {
    use nix::sys::quota::{QuotaType, quotactl_get};
    let found = quotactl_get(QuotaType::USRQUOTA, data_device().as_str(), uid as i32).ok()?;
    found.blocks_hard_limit()
}

fn set_quota(uid: usize, blocks: u64) -> Outcome {
    use nix::sys::quota::{Dqblk, QuotaType, QuotaValidFlags, quotactl_set};
    let mut wanted = Dqblk::default();
    wanted.set_blocks_hard_limit(blocks);
    let device = data_device();
    quotactl_set(QuotaType::USRQUOTA, device.as_str(), uid as i32, &wanted, QuotaValidFlags::QIF_BLIMITS)
}

/// The witness stops the app as the app manager does, by its cgroup; the app is started again.
const SURVIVES: Scene =
    Scene::new("a process of the attacker goes on after its app was stopped", |world, _| {
        let is_there =
            |token: &str| crate::witness::processes().any(|pid| crate::witness::comm(pid) == token);
        let token = world.order.token.clone();
        if !is_there(&token) {
            return false;
        }
        let _ = fs::write(format!("/sys/fs/cgroup/apps/{ATTACKER}/cgroup.kill"), "1");
        std::thread::sleep(std::time::Duration::from_millis(300));
        is_there(&token)
    });

fn survive(order: &Order) -> Outcome {
    // SAFETY: one thread.
    if let Ok(nix::unistd::ForkResult::Parent { .. }) = unsafe { nix::unistd::fork() } {
        return Ok(());
    }
    let _ = nix::unistd::setsid();
    for path in ["/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/system/cgroup.procs"] {
        let _ = fs::write(path, "0");
    }
    crate::attack::name_process(&order.token);
    // One that is only slow to be killed is none that survives.
    let path = text("/");
    let _ = call(libc::SYS_chdir, &[path.as_ptr() as usize]);
    crate::attack::stay()
}
