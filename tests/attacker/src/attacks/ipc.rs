//! Descriptors, sockets, queues and signals across the border.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use libc::{SYS_kill, SYS_openat, SYS_pidfd_open, SYS_pidfd_send_signal, SYS_read};
use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::files::{char_node, ioctl};
use crate::attack::claim_from;
use crate::call::{HERE, Outcome, at, call, errno, into, text};
use crate::catalogue::Attack;
use crate::decoy;
use crate::order::{OS_SECRET, Order, victim_file};
use crate::witness::World;
use crate::witness::scene::Scene;
use crate::witness::scenes::{APPMGR_FROZEN, DECOY_READ, OS_FILE_READ, VICTIM_DEAD, VICTIM_READ};

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "inherited-descriptor",
        goal: "Reads a file of the OS through a descriptor that it found open at its start",
        scene: OS_FILE_READ,
        run: inherited,
    },
    Attack {
        name: "abstract-socket",
        goal: "Talks to a process of the OS over an abstract socket",
        scene: DECOY_READ,
        run: |order| {
            let name = SocketAddr::from_abstract_name(decoy::ABSTRACT).map_err(|error| errno(&error))?;
            answer(order, UnixStream::connect_addr(&name).map_err(|error| errno(&error))?)
        },
    },
    Attack {
        name: "socket-of-victim",
        goal: "Talks to another app over the socket in its folder",
        scene: VICTIM_READ,
        run: |order| {
            answer(order, UnixStream::connect(victim_file("socket")).map_err(|error| errno(&error))?)
        },
    },
    Attack {
        name: "loopback-service",
        goal: "Talks to a service that the OS has on its loopback interface only",
        scene: DECOY_READ,
        run: |order| {
            let address = std::net::SocketAddr::from(([127, 0, 0, 1], decoy::PORT));
            let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1));
            let stream = stream.map_err(|error| errno(&error))?;
            let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
            answer(order, stream)
        },
    },
    Attack {
        name: "signal-to-victim",
        goal: "Kills another app",
        scene: VICTIM_DEAD,
        run: |order| call(SYS_kill, &[order.number("victim"), Signal::SIGKILL as usize]).map(drop),
    },
    Attack {
        name: "signal-to-appmgr",
        goal: "Stops the app manager by a signal through a pidfd",
        scene: APPMGR_FROZEN,
        run: |order| {
            let process = call(SYS_pidfd_open, &[order.number("appmgr"), 0])?;
            call(SYS_pidfd_send_signal, &[process, Signal::SIGSTOP as usize, 0, 0]).map(drop)
        },
    },
    Attack {
        name: "message-queue",
        goal: "Reads a message of the OS out of a POSIX message queue",
        scene: QUEUE,
        run: read_queue,
    },
    Attack {
        name: "shared-memory",
        goal: "Reads a System V shared memory segment of the OS",
        scene: SEGMENT,
        run: read_segment,
    },
    Attack {
        name: "terminal-input",
        goal: "Types into the console on behalf of whoever reads there (TIOCSTI)",
        scene: TYPED,
        run: type_in,
    },
    Attack {
        name: "line-discipline",
        goal: "Puts another line discipline of the kernel on the console's terminal",
        scene: DISCIPLINE,
        run: discipline,
    },
];

/// Whatever is open beyond the three streams: as a folder, as something that leads to the OS's root, or itself.
fn inherited(order: &Order) -> Outcome {
    let mut last = Errno::EBADF;
    for descriptor in 3..256 {
        for path in
            [OS_SECRET.trim_start_matches('/'), &format!("1/root{OS_SECRET}"), &format!("../{OS_SECRET}")]
        {
            let path = text(path);
            match call(SYS_openat, &[descriptor, path.as_ptr() as usize, libc::O_RDONLY as usize]) {
                Ok(file) => {
                    let mut bytes = vec![0; 256];
                    let length = call(SYS_read, &[file, into(bytes.as_mut_slice()), bytes.len()])?;
                    return claim_from(order, bytes.get(..length).unwrap_or_default());
                }
                Err(Errno::EBADF) => {}
                Err(error) => last = error,
            }
        }
    }
    Err(last)
}

/// What the other end says.
pub(crate) fn answer(order: &Order, mut stream: impl Read) -> Outcome {
    let mut bytes = Vec::new();
    let mut piece = [0; 256];
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        bytes.extend_from_slice(piece.get(..length).unwrap_or_default());
        if bytes.len() > 4096 {
            break;
        }
    }
    claim_from(order, &bytes)
}

const QUEUE_NAME: &str = "nacre-attack";

const QUEUE: Scene =
    Scene::new("a process of the attacker knows the secret that the witness planted there", |world, _| {
        world.is_claimed()
    })
    .plant(|world: &mut World, _| {
        let name = text(QUEUE_NAME);
        let secret = format!("{}{}", world.order.mark(), world.secret);
        let flags = (libc::O_CREAT | libc::O_RDWR) as usize;
        let attributes: [libc::c_long; 8] = [0, 4, 256, 0, 0, 0, 0, 0];
        let opened = call(libc::SYS_mq_open, &[name.as_ptr() as usize, flags, 0o666, at(&attributes)]);
        if let Ok(queue) = opened {
            let _ = call(libc::SYS_fchmod, &[queue, 0o666]);
            let _ = call(libc::SYS_mq_timedsend, &[queue, secret.as_ptr() as usize, secret.len(), 0, 0]);
            let _ = call(libc::SYS_close, &[queue]);
        }
    })
    .restore(|_, _| {
        let name = text(QUEUE_NAME);
        let _ = call(libc::SYS_mq_unlink, &[name.as_ptr() as usize]);
    });

fn read_queue(order: &Order) -> Outcome {
    let name = text(QUEUE_NAME);
    let flags = (libc::O_RDONLY | libc::O_NONBLOCK) as usize;
    let queue = call(libc::SYS_mq_open, &[name.as_ptr() as usize, flags, 0, 0])?;
    let mut bytes = vec![0u8; 256];
    let length = call(libc::SYS_mq_timedreceive, &[queue, into(bytes.as_mut_slice()), bytes.len(), 0, 0])?;
    claim_from(order, bytes.get(..length).unwrap_or_default())
}

const SEGMENT_KEY: usize = 0x4e61_6372;

const SEGMENT: Scene =
    Scene::new("a process of the attacker knows the secret that the witness planted there", |world, _| {
        world.is_claimed()
    })
    .plant(|world: &mut World, _| {
        let secret = format!("{}{}", world.order.mark(), world.secret);
        let Ok(segment) = call(libc::SYS_shmget, &[SEGMENT_KEY, 4096, 0o1666]) else { return };
        world.before = segment.to_string().into_bytes();
        if let Ok(address) = call(libc::SYS_shmat, &[segment, 0, 0]) {
            // SAFETY: the segment has 4096 bytes, was attached writable just now, and holds the secret.
            unsafe { std::ptr::copy_nonoverlapping(secret.as_ptr(), address as *mut u8, secret.len()) };
            let _ = call(libc::SYS_shmdt, &[address]);
        }
    })
    .restore(|world, _| {
        const REMOVE: usize = 0;
        if let Ok(segment) = String::from_utf8_lossy(&world.before).parse() {
            let _ = call(libc::SYS_shmctl, &[segment, REMOVE, 0]);
        }
    });

fn read_segment(order: &Order) -> Outcome {
    let segment = call(libc::SYS_shmget, &[SEGMENT_KEY, 4096, 0])?;
    let address = call(libc::SYS_shmat, &[segment, 0, libc::SHM_RDONLY as usize])?;
    // SAFETY: the segment has 4096 bytes and stays attached.
    let bytes = unsafe { std::slice::from_raw_parts(address as *const u8, 256) };
    claim_from(order, bytes)
}

/// The witness reads what was typed.
const TYPED: Scene =
    Scene::new("who reads the console's terminal reads what the attacker typed", |world, _| {
        let mut bytes = [0; 256];
        let read = world.kept.as_ref().map(|mut console| console.read(&mut bytes));
        if let Some(Ok(length)) = read {
            world.before.extend_from_slice(bytes.get(..length).unwrap_or_default());
        }
        String::from_utf8_lossy(&world.before).contains(&world.order.token)
    })
    .plant(|world, _| {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        world.kept = fs::OpenOptions::new().read(true).custom_flags(flags).open("/dev/console").ok();
    });

fn open_console(order: &Order) -> Result<usize, Errno> {
    let node = text(&char_node(order, "console", 5, 1)?);
    call(SYS_openat, &[HERE, node.as_ptr() as usize, (libc::O_RDWR | libc::O_NOCTTY) as usize])
}

fn type_in(order: &Order) -> Outcome {
    let console = open_console(order)?;
    let _ = fs::write("/proc/sys/dev/tty/legacy_tiocsti", "1");
    for byte in order.token.bytes().chain([b'\n']) {
        ioctl(console, libc::TIOCSTI as usize, at(&byte))?;
    }
    Ok(())
}

/// The witness asks the terminal which it has: 0 is the ordinary one.
const DISCIPLINE: Scene = Scene::new("the console's terminal has another line discipline", |world, _| {
    let mut number = 0i32;
    let console = world.kept.as_ref().map_or(-1, AsRawFd::as_raw_fd);
    ioctl(console as usize, libc::TIOCGETD as usize, into(&mut number)).is_ok() && number != 0
})
.plant(TYPED.plant)
.restore(|world, _| {
    let console = world.kept.as_ref().map_or(-1, AsRawFd::as_raw_fd);
    let _ = ioctl(console as usize, libc::TIOCSETD as usize, at(&0i32));
});

fn discipline(order: &Order) -> Outcome {
    let console = open_console(order)?;
    // N_NULL, which does nothing: the others would silence the console.
    ioctl(console, libc::TIOCSETD as usize, at(&27i32)).map(drop)
}
