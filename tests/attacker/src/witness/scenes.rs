//! The scenes that attacks share.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::time::{Duration, Instant};

use nacre_app::Wake;
use nix::unistd::{gethostname, sethostname};

use super::World;
use super::scene::{Judge, Scene};
use super::world::{cgroup, comm, descriptors, memory_at, partition_of, processes, status};
use crate::order::{OS_SECRET, victim_file};

fn claimed(world: &mut World, _: &str) -> bool {
    world.is_claimed()
}

const KNOWS: Scene =
    Scene::new("a process of the attacker knows the secret that the witness planted there", claimed);

/// A file of the OS that only root may read.
pub(crate) const OS_FILE_READ: Scene =
    KNOWS.plant(|world, _| world.plant_os_secret()).restore(|_, _| drop(fs::remove_file(OS_SECRET)));

/// The same, also in the blocks of the disk.
pub(crate) const DISK_READ: Scene = KNOWS
    .plant(|world, _| {
        world.plant_os_secret();
        nix::unistd::sync();
        // What was read of the disk before may be kept beside the files.
        let _ = fs::write("/proc/sys/vm/drop_caches", "1");
    })
    .restore(|_, _| drop(fs::remove_file(OS_SECRET)));

/// The victim's file, which it also serves.
pub(crate) const VICTIM_READ: Scene = KNOWS.plant(|world, _| world.plant_victim_secret());

/// A process of the OS.
pub(crate) const DECOY_READ: Scene = KNOWS.plant(|world, _| world.start_decoy());

/// The kernel's log.
pub(crate) const LOG_READ: Scene = KNOWS.plant(|world, _| {
    let text = format!("{}{}", world.order.mark(), world.secret);
    log_line(&text);
});

/// A line into the kernel's log.
pub(crate) fn log_line(text: &str) {
    let log = fs::OpenOptions::new().write(true).open("/dev/kmsg");
    // Without its end the line is one that may go on, and is not shown yet.
    let _ = log.and_then(|mut log| log.write_all(format!("{text}\n").as_bytes()));
}

/// What the kernel's log holds.
pub(crate) fn kernel_log() -> String {
    let mut text = String::new();
    let Ok(mut log) = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg")
    else {
        return text;
    };
    let mut record = [0; 1024];
    loop {
        match log.read(&mut record) {
            Ok(0) => break,
            Ok(length) => text.push_str(&String::from_utf8_lossy(record.get(..length).unwrap_or_default())),
            // It was overwritten while we read.
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
            Err(_) => break,
        }
    }
    text
}

/// A process of the attacker has a mapping of some kind.
const MAPS: Scene = Scene::new("", |world, kind| {
    let token = world.order.token.clone();
    world.hits().into_iter().any(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        text.lines().any(|line| {
            let mut words = line.split_whitespace();
            let (Some(range), Some(rights)) = (words.next(), words.next()) else { return false };
            let name = words.nth(3).unwrap_or_default();
            match kind {
                "writable and executable" => rights.starts_with("rwx"),
                "executable without a file" => rights.contains('x') && name.is_empty(),
                "executable file of its own" => rights.contains('x') && name.contains(&token),
                "page 0" => {
                    range.split('-').next().and_then(|low| usize::from_str_radix(low, 16).ok()) < Some(0x8000)
                }
                "aio" => name.contains("[aio]"),
                _ => false,
            }
        })
    })
});

const fn maps(kind: &'static str, seen_by: &'static str) -> Scene {
    let scene = MAPS.of(kind);
    Scene { seen_by, ..scene }
}

/// See its sentence.
pub(crate) const WRITABLE_EXECUTABLE: Scene =
    maps("writable and executable", "a mapping of the attacker is writable and executable");
/// See its sentence.
pub(crate) const NEW_CODE: Scene =
    maps("executable without a file", "memory of the attacker that no file stands behind is executable");
/// See its sentence.
pub(crate) const OWN_FILE_MAPPED: Scene =
    maps("executable file of its own", "a file that the attacker wrote is mapped executable");
/// See its sentence.
pub(crate) const NULL_PAGE: Scene = maps("page 0", "the attacker has memory in the first eight pages");
/// See its sentence.
pub(crate) const AIO: Scene = maps("aio", "the attacker has a ring of the kernel's asynchronous I/O");

/// A file that the attacker wrote runs.
pub(crate) const OWN_FILE_RUNS: Scene =
    Scene::new("a process runs a file that the attacker wrote", |world, _| {
        let token = world.order.token.clone();
        processes().any(|pid| {
            fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.to_string_lossy().contains(&token))
        })
    });

/// Memory that the attacker may not write has changed; the process is named after its address.
pub(crate) const READ_ONLY_CHANGED: Scene =
    Scene::new("memory that is mapped read-only has other content", |world, _| {
        world.hits().into_iter().any(|pid| {
            let name = comm(pid);
            let address = name.strip_prefix('@').and_then(|digits| usize::from_str_radix(digits, 16).ok());
            let Some(address) = address else { return false };
            let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
            let read_only = maps.lines().any(|line| {
                let Some((range, rest)) = line.split_once(' ') else { return false };
                let bound = |text: &str| usize::from_str_radix(text, 16).unwrap_or(0);
                let Some((low, high)) = range.split_once('-') else { return false };
                (bound(low)..bound(high)).contains(&address) && rest.starts_with("r--")
            });
            read_only && memory_at(pid, address, world.order.token.len()) == world.order.token.as_bytes()
        })
    });

/// The decoy's memory holds what the attacker wrote.
pub(crate) const DECOY_WRITTEN: Scene =
    Scene::new("the memory of a process of the OS holds what the attacker wrote", |world, _| {
        let Some((child, address)) = &world.decoy else { return false };
        memory_at(child.id() as i32, *address, world.order.token.len()) == world.order.token.as_bytes()
    })
    .plant(|world, _| world.start_decoy());

/// A process of the attacker holds a descriptor of some kind.
pub(crate) const fn holds(link: &'static str, seen_by: &'static str) -> Scene {
    let scene = Scene::new(seen_by, |world, link| {
        let hits = world.hits();
        hits.into_iter()
            .any(|pid| descriptors(pid).iter().any(|target| target.to_string_lossy().starts_with(link)))
    });
    scene.of(link)
}

/// A process of the attacker holds a character device, `major:minor`.
pub(crate) const fn holds_device(numbers: &'static str, seen_by: &'static str) -> Scene {
    let scene = Scene::new(seen_by, |world, numbers| {
        let hits = world.hits();
        hits.into_iter().any(|pid| {
            let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            entries.filter_map(|entry| fs::metadata(entry.path()).ok()).any(|found| {
                let device = found.rdev();
                found.file_type().is_char_device()
                    && format!("{}:{}", libc::major(device as _), libc::minor(device as _)) == numbers
            })
        })
    });
    scene.of(numbers)
}

/// A process of the attacker is in a namespace of its own making.
pub(crate) const OWN_NAMESPACE: Scene =
    Scene::new("a process of the attacker is in a namespace that it made", |world, kind| {
        let link = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
        let own = link(world.attacker);
        world.hits().into_iter().any(|pid| comm(pid) == "hit" && link(pid).is_some() && link(pid) != own)
    });

/// A process of the attacker is in the root of the cgroups.
pub(crate) const ROOT_CGROUP: Scene =
    Scene::new("a process of the attacker is in no app's cgroup", |_, _| {
        processes().any(|pid| comm(pid) == "hit" && cgroup(pid).trim() == "0::/")
    });

/// The name of the machine.
pub(crate) const HOST_NAME: Scene =
    Scene::new("the OS's host name is the attacker's", |world, _| host_name() == world.order.token)
        .plant(|world, _| world.before = host_name().into_bytes())
        .restore(|world, _| {
            let _ = sethostname(String::from_utf8_lossy(&world.before).as_ref());
        });

fn host_name() -> String {
    gethostname().unwrap_or_default().to_string_lossy().into_owned()
}

/// A file of the OS has another content than before; it is brought back.
pub(crate) const fn changes(path: &'static str, seen_by: &'static str) -> Scene {
    let scene = Scene::new(seen_by, |world, path| fs::read(path).unwrap_or_default() != world.before);
    scene.of(path).plant(|world, path| world.before = fs::read(path).unwrap_or_default()).restore(
        |world, path| {
            if fs::read(path).unwrap_or_default() != world.before {
                let _ = fs::write(path, &world.before);
            }
        },
    )
}

/// A file with the attacker's token in its name lies in a folder of the OS.
pub(crate) const fn appears(folder: &'static str, seen_by: &'static str) -> Scene {
    let scene = Scene::new(seen_by, |world, folder| find_in(folder, &world.order.token).is_some());
    scene.of(folder).restore(|world, folder| {
        if let Some(found) = find_in(folder, &world.order.token) {
            super::world::remove(&found);
        }
    })
}

fn find_in(folder: &str, part: &str) -> Option<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).find(|path| path.to_string_lossy().contains(part))
}

/// The victim's file is not as the victim left it.
pub(crate) const VICTIM_FILE_CHANGED: Scene =
    Scene::new("the victim's file has another content", |world, _| {
        fs::read(victim_file("secret")).is_ok_and(|now| now != world.before)
    })
    .plant(|world, _| {
        world.plant_victim_secret();
        world.before = fs::read(victim_file("secret")).unwrap_or_default();
    });

/// The victim's file is gone.
pub(crate) const VICTIM_FILE_GONE: Scene =
    Scene::new("the victim's file is gone", |_, _| !std::path::Path::new(&victim_file("secret")).exists())
        .plant(|world, _| world.plant_victim_secret());

/// The victim died.
pub(crate) const VICTIM_DEAD: Scene = Scene::new("the victim's process is dead", |world, _| {
    comm(world.victim) != "victim" || status(world.victim, "State").starts_with('Z')
});

/// The app manager stands still.
pub(crate) const APPMGR_FROZEN: Scene = Scene::new("the app manager's process stands still", |world, _| {
    status(world.appmgr, "State").starts_with(['T', 't'])
})
.restore(|world, _| {
    let appmgr = nix::unistd::Pid::from_raw(world.appmgr);
    let _ = nix::sys::signal::kill(appmgr, nix::sys::signal::Signal::SIGCONT);
});

/// The victim can't do its work any more. It writes down itself how well it can; that it writes nothing counts
/// as well.
pub(crate) const SERVICE: Scene = Scene::new(
    "the victim died, stood still for two seconds, or could not open, store, start a thread or ask the OS",
    |world, _| {
        if comm(world.victim) != "victim" || status(world.victim, "State").starts_with('Z') {
            return true;
        }
        let text = fs::read_to_string(world.victim_tmp("beat")).unwrap_or_default();
        if text != world.beat.0 {
            world.beat = (text.clone(), Instant::now());
        }
        let mut words = text.split(' ').skip(1);
        let longest: u64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        longest >= 2000 || words.next().is_some() || world.beat.1.elapsed() > Duration::from_secs(3)
    },
)
.plant(|world, _| {
    let _ = fs::write(world.victim_tmp("forget"), "");
    let until = Instant::now() + Duration::from_secs(3);
    while fs::metadata(world.victim_tmp("forget")).is_ok() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    world.beat = (String::new(), Instant::now());
})
.after(Duration::from_millis(1200));

/// A message leaves the device.
pub(crate) const LEAVES: Scene = {
    let scene =
        Scene::new("the host sees the attacker's packet leave the device's network card", |_, _| false);
    Scene { judge: Judge::Host, after: Duration::from_millis(250), ..scene }
};

/// A line stands on the console as if the OS had written it.
pub(crate) const ON_CONSOLE: Scene = {
    let scene = Scene::new(
        "the host sees the attacker's line on the console, without an app's name before it",
        |_, _| false,
    );
    Scene { judge: Judge::Host, ..scene }
};

/// The attacker's token lies in a partition.
pub(crate) const fn on_partition(partition: &'static str, seen_by: &'static str) -> Scene {
    let scene = Scene::new(seen_by, |world, partition| {
        let Some((device, _)) = partition_of(partition) else { return false };
        let mut bytes = vec![0; world.order.token.len()];
        let read = File::open(device).and_then(|file| file.read_exact_at(&mut bytes, 0));
        read.is_ok() && bytes == world.order.token.as_bytes()
    });
    scene.of(partition).restore(|world, partition| {
        let Some((device, _)) = partition_of(partition) else { return };
        let mut bytes = vec![0; world.order.token.len()];
        if let Ok(file) = fs::OpenOptions::new().read(true).write(true).open(device)
            && file.read_exact_at(&mut bytes, 0).is_ok()
            && bytes == world.order.token.as_bytes()
        {
            let _ = file.write_all_at(&vec![0; bytes.len()], 0);
            let _ = file.sync_all();
        }
    })
}

/// The OS delivers a call to the witness in the victim's name. The witness takes part as the app that it also is:
/// it connects with its app's uid.
pub(crate) const CALLED_AS_VICTIM: Scene =
    Scene::new("a message of the attacker arrives at a third app in the victim's name", |world, _| {
        let Some(system) = &mut world.system else { return false };
        while let Ok(Wake::Call(call)) = system.wait(&[], Duration::from_millis(5)) {
            let _ = system.answer(&call, b"heard");
            if call.from == crate::catalogue::VICTIM && call.payload == world.order.token.as_bytes() {
                return true;
            }
        }
        false
    })
    .plant(|world, _| {
        if world.system.is_none() {
            world.system = connect_as_witness();
        }
    });

fn connect_as_witness() -> Option<nacre_app::System> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
    use nix::unistd::{Uid, seteuid};
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).ok()?;
    let address = UnixAddr::new("/run/nacre.sock").ok()?;
    seteuid(Uid::from_raw(super::world::uid_of(crate::catalogue::WITNESS))).ok()?;
    let connected = connect(std::os::fd::AsRawFd::as_raw_fd(&socket), &address);
    let _ = seteuid(Uid::from_raw(0));
    connected.ok()?;
    Some(nacre_app::System::over(socket).with_patience(Duration::from_secs(1)))
}
