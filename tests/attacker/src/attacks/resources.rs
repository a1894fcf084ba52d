//! Using up what all share: the others must keep their service.

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

use libc::{MAP_ANONYMOUS, MAP_POPULATE, MAP_PRIVATE, PROT_READ, PROT_WRITE, SYS_sendmsg};
use nix::errno::Errno;
use nix::unistd::{ForkResult, fork};

use super::files::char_node;
use crate::call::{HERE, Outcome, at, call, errno, into, text};
use crate::catalogue::Attack;
use crate::order::Order;
use crate::witness::scene::Scene;
use crate::witness::scenes::{SERVICE, kernel_log, log_line};

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "fork-bomb",
        goal: "Makes so many processes that nobody can make another",
        scene: SERVICE,
        run: |_| {
            // Each of them goes on with it.
            loop_for(5000, || {
                // SAFETY: one thread.
                unsafe { fork() }.map(drop)
            })
        },
    },
    Attack {
        name: "memory-bomb",
        goal: "Takes all of the memory",
        scene: SERVICE,
        run: |_| loop_for(3000, || map(64 * 1024)),
    },
    Attack {
        name: "cpu-bomb",
        goal: "Takes all of the processor's time, at the highest priority",
        scene: SERVICE,
        run: spin,
    },
    Attack {
        name: "descriptor-bomb",
        goal: "Opens so many files that nobody can open another",
        scene: SERVICE,
        run: descriptors,
    },
    Attack {
        name: "disk-bomb",
        goal: "Fills the disk, so that nobody can store anything",
        scene: SERVICE,
        run: fill_disk,
    },
    Attack {
        name: "inode-bomb",
        goal: "Makes so many files that nobody can make another",
        scene: SERVICE,
        run: fill_inodes,
    },
    Attack {
        name: "tmp-bomb",
        goal: "Takes all of the memory with files in /tmp",
        scene: SERVICE,
        run: fill_tmp,
    },
    Attack {
        name: "pipe-bomb",
        goal: "Takes all of the kernel's memory with pipes that nobody reads",
        scene: SERVICE,
        run: |_| {
            lift_limits();
            loop_for(3000, || {
                let mut ends = [0i32; 2];
                call(libc::SYS_pipe2, &[into(&mut ends), libc::O_NONBLOCK as usize])?;
                let _ = call(libc::SYS_fcntl, &[ends[1] as usize, libc::F_SETPIPE_SZ as usize, 1 << 20]);
                fill(ends[1] as usize)
            })
        },
    },
    Attack {
        name: "socket-bomb",
        goal: "Takes all of the kernel's memory with what it sends to itself",
        scene: SERVICE,
        run: |_| {
            lift_limits();
            loop_for(3000, || {
                let mut ends = [0i32; 2];
                let kind = (libc::SOCK_STREAM | libc::SOCK_NONBLOCK) as usize;
                call(libc::SYS_socketpair, &[libc::AF_UNIX as usize, kind, 0, into(&mut ends)])?;
                fill(ends[0] as usize)
            })
        },
    },
    Attack {
        name: "passed-descriptor-bomb",
        goal: "Hides open files in messages that nobody takes, beyond every count",
        scene: SERVICE,
        run: |_| {
            lift_limits();
            loop_for(6000, pass)
        },
    },
    Attack {
        name: "kernel-log-flood",
        goal: "Floods the kernel's log, so that what was in it is gone",
        scene: FLOOD,
        run: |order| {
            let node = char_node(order, "kmsg", 1, 11)?;
            let mut log = fs::OpenOptions::new().write(true).open(node).map_err(|error| errno(&error))?;
            let _ = fs::write("/proc/sys/kernel/printk_devkmsg", "on\n");
            let line = "x".repeat(500) + "\n";
            for _ in 0..800 {
                log.write_all(line.as_bytes()).map_err(|error| errno(&error))?;
            }
            Ok(())
        },
    },
    Attack {
        name: "frozen-system",
        goal: "Freezes every app by the cgroups",
        scene: SERVICE.restore(|_, _| {
            let _ = fs::write("/sys/fs/cgroup/apps/org.nacre.victim/cgroup.freeze", "0");
        }),
        run: |_| {
            fs::write("/sys/fs/cgroup/apps/org.nacre.victim/cgroup.freeze", "1")
                .map_err(|error| errno(&error))
        },
    },
];

/// Does something again and again, until it can't or the time is over; then waits with what it has.
fn loop_for(milliseconds: u64, mut step: impl FnMut() -> Outcome) -> Outcome {
    let until = Instant::now() + Duration::from_millis(milliseconds);
    let mut failures = 0;
    while Instant::now() < until {
        if let Err(error) = step() {
            failures += 1;
            if failures > 50 {
                std::thread::sleep(Duration::from_millis(500));
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Err(Errno::UnknownErrno)
}

fn map(bytes: usize) -> Outcome {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
    // SAFETY: a new mapping, which is never given back.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), bytes, PROT_READ | PROT_WRITE, flags, -1, 0) };
    if page == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    // SAFETY: the mapping has that many bytes, and nobody else has it.
    let bytes = unsafe { std::slice::from_raw_parts_mut(page.cast::<u8>(), bytes) };
    bytes.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(bytes);
    Ok(())
}

/// As many descriptors as root may have.
fn lift_limits() {
    let _ = fs::write("/proc/sys/fs/nr_open", "1000000");
    let limit = libc::rlimit { rlim_cur: 65536, rlim_max: 65536 };
    // SAFETY: it reads the structure.
    let _ = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
}

fn fill(descriptor: usize) -> Outcome {
    let piece = [0x5au8; 4096];
    while call(libc::SYS_write, &[descriptor, at(&piece), piece.len()]).is_ok() {}
    Ok(())
}

fn spin(_: &Order) -> Outcome {
    const FIFO: usize = 1;
    // Between groups priorities don't count, weights do.
    let weigh = |app: &str, weight: &str| {
        let _ = fs::write(format!("/sys/fs/cgroup/apps/org.nacre.{app}/cpu.weight"), weight);
    };
    weigh("attacker", "10000");
    weigh("victim", "1");
    let until = Instant::now() + Duration::from_secs(4);
    let _ = call(libc::SYS_setpriority, &[0, 0, -20i32 as usize]);
    let mut first = true;
    for _ in 0..12 {
        // SAFETY: one thread.
        if let Ok(ForkResult::Child) = unsafe { fork() } {
            first = false;
            break;
        }
    }
    if first {
        // A real-time process leaves 5 % to the others whatever is set here (sched(7), and the deadline server of
        // 6.12): the twelve take these.
        let _ = fs::write("/proc/sys/kernel/sched_rt_runtime_us", "-1");
        let _ = call(libc::SYS_sched_setscheduler, &[0, FIFO, at(&50i32)]);
    }
    let mut count = 0u64;
    while Instant::now() < until {
        for _ in 0..10_000 {
            count = std::hint::black_box(count + 1);
        }
    }
    if first {
        weigh("attacker", "100");
        weigh("victim", "100");
    }
    Err(Errno::UnknownErrno)
}

fn descriptors(_: &Order) -> Outcome {
    lift_limits();
    // Whoever is root may go beyond the kernel's own limit, and nobody else.
    loop_for(6000, || {
        for _ in 0..64 {
            File::open("/dev/null").map(std::mem::forget).map_err(|error| errno(&error))?;
        }
        Ok(())
    })
}

fn fill_disk(order: &Order) -> Outcome {
    let mut file = File::create(order.own_file()).map_err(|error| errno(&error))?;
    let piece = vec![0x5a; 64 * 1024];
    let (mut size, mut last) = (piece.len(), Errno::UnknownErrno);
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        if let Err(error) = file.write_all(piece.get(..size).unwrap_or_default()) {
            last = errno(&error);
            // To the last block, and what others give back.
            size = (size / 2).max(512);
            let _ = file.sync_all();
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Err(last)
}

fn fill_inodes(order: &Order) -> Outcome {
    fs::create_dir(order.own_file()).map_err(|error| errno(&error))?;
    let mut number = 0;
    loop_for(3000, || {
        number += 1;
        File::create(format!("{}/{number}", order.own_file())).map(drop).map_err(|error| errno(&error))
    })
}

fn fill_tmp(order: &Order) -> Outcome {
    // Who may makes the filesystem larger.
    let _ = remount_tmp();
    let piece = vec![0x5a; 64 * 1024];
    let mut file = File::create(format!("/tmp/nacre-at-{}", order.token)).map_err(|error| errno(&error))?;
    loop_for(3000, || file.write_all(&piece).map_err(|error| errno(&error)))
}

fn remount_tmp() -> Outcome {
    let (none, point, kind, options) = (text(""), text("/tmp"), text("tmpfs"), text("size=1g"));
    let flags = libc::MS_REMOUNT as usize;
    let texts = [none.as_ptr() as usize, point.as_ptr() as usize, kind.as_ptr() as usize];
    call(libc::SYS_mount, &[texts[0], texts[1], texts[2], flags, options.as_ptr() as usize]).map(drop)
}

/// Most descriptors in a message (`SCM_MAX_FD`).
const MOST: usize = 253;

/// Sends open files to itself, and closes its own: only the message holds them.
fn pass() -> Outcome {
    let mut ends = [0i32; 2];
    let kind = (libc::SOCK_STREAM | libc::SOCK_NONBLOCK) as usize;
    call(libc::SYS_socketpair, &[libc::AF_UNIX as usize, kind, 0, into(&mut ends)])?;
    let null = text("/dev/null");
    let mut files = Vec::new();
    for _ in 0..MOST {
        match call(libc::SYS_openat, &[HERE, null.as_ptr() as usize, 0]) {
            Ok(file) => files.push(file as i32),
            Err(_) => break,
        }
    }
    #[repr(C)]
    struct Rights {
        length: usize,
        level: i32,
        kind: i32,
        files: [i32; MOST],
    }
    let mut rights = Rights {
        length: size_of::<usize>() + 8 + 4 * files.len(),
        level: libc::SOL_SOCKET,
        kind: 1,
        files: [0; MOST],
    };
    for (place, file) in rights.files.iter_mut().zip(&files) {
        *place = *file;
    }
    let byte = [0u8];
    let part = libc::iovec { iov_base: byte.as_ptr().cast_mut().cast(), iov_len: 1 };
    // SAFETY: all zero is a valid header; its pointers are set below.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = (&raw const part).cast_mut();
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut rights).cast();
    header.msg_controllen = rights.length as _;
    let sent = call(SYS_sendmsg, &[ends[0] as usize, at(&header), 0]);
    for file in files {
        let _ = call(libc::SYS_close, &[file as usize]);
    }
    sent.map(drop)
}

/// The witness's line is in the log before the flood, and gone after it.
const FLOOD: Scene =
    Scene::new("the line that the witness had written to the kernel's log is gone", |world, _| {
        !kernel_log().contains(&world.secret)
    })
    .plant(|world, _| {
        let secret = world.secret.clone();
        log_line(&secret);
    });
