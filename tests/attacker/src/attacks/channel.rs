//! The app manager's socket, and pretending to be somebody else.

use std::fs;
use std::os::unix::net::UnixListener;

use libc::{SYS_openat, SYS_pidfd_getfd, SYS_pidfd_open};
use nacre_app::System;
use nix::errno::Errno;

use crate::attack::claim_file;
use crate::call::{HERE, Outcome, call, errno, text};
use crate::catalogue::{Attack, WITNESS};
use crate::order::{Order, victim_file};
use crate::witness::scene::Scene;
use crate::witness::scenes::VICTIM_READ;

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "call-as-victim",
        goal: "Sends a message to a third app that the OS delivers in another app's name",
        scene: crate::witness::CALLED_AS_VICTIM,
        run: call_as_victim,
    },
    Attack {
        name: "uid-of-victim",
        goal: "Takes another app's uid and reads its file",
        scene: VICTIM_READ,
        run: |order| {
            become_victim(order)?;
            claim_file(order, &victim_file("secret"))
        },
    },
    Attack {
        name: "socket-taken-over",
        goal: "Puts a socket of its own where apps look for the app manager",
        scene: Scene::new("another socket lies in the app manager's place", |world, _| {
            inode() != world.before
        })
        .plant(|world, _| world.before = inode())
        .restore(|_, _| {
            if fs::metadata(AWAY).is_ok() {
                let _ = fs::rename(AWAY, SOCKET);
            }
        }),
        run: |_| {
            fs::rename(SOCKET, AWAY).map_err(|error| errno(&error))?;
            std::mem::forget(UnixListener::bind(SOCKET).map_err(|error| errno(&error))?);
            Ok(())
        },
    },
    Attack {
        name: "listener-stolen",
        goal: "Takes the app manager's listening socket out of its process, and with it what apps say",
        scene: Scene::new(
            "a process of the attacker holds the app manager's listening socket",
            |world, _| {
                let of_appmgr = crate::witness::descriptors(world.appmgr);
                let is_stolen = |link: &std::path::PathBuf| {
                    link.to_string_lossy().starts_with("socket:") && of_appmgr.contains(link)
                };
                world.hits().into_iter().any(|pid| crate::witness::descriptors(pid).iter().any(is_stolen))
            },
        ),
        run: |order| {
            let process = call(SYS_pidfd_open, &[order.number("appmgr"), 0])?;
            let mut last = Errno::EBADF;
            let mut taken = 0;
            for number in 3..24 {
                match call(SYS_pidfd_getfd, &[process, number, 0]) {
                    Ok(_) => taken += 1,
                    Err(error) => last = error,
                }
            }
            if taken > 0 { Ok(()) } else { Err(last) }
        },
    },
    Attack {
        name: "device-channel",
        goal: "Opens the channel by which people command the device",
        scene: Scene::new("a process of the attacker holds the port of the device channel", |world, _| {
            world.hits().into_iter().any(|pid| {
                crate::witness::descriptors(pid).iter().any(|link| link.to_string_lossy().contains("/vport"))
            })
        }),
        run: device_channel,
    },
];

const SOCKET: &str = "/run/nacre.sock";
const AWAY: &str = "/run/nacre.away";

fn inode() -> Vec<u8> {
    let found = fs::metadata(SOCKET).map(|found| std::os::unix::fs::MetadataExt::ino(&found));
    found.unwrap_or(0).to_string().into_bytes()
}

fn become_victim(order: &Order) -> Outcome {
    let uid = order.number("victim-uid");
    nix::unistd::setresgid((uid as u32).into(), (uid as u32).into(), (uid as u32).into())?;
    nix::unistd::setresuid((uid as u32).into(), (uid as u32).into(), (uid as u32).into())
}

/// Asks the OS in the name that it has now.
fn call_as_victim(order: &Order) -> Outcome {
    // Where it isn't allowed to be the victim, it says so in the message: the OS must not believe that.
    let _ = become_victim(order);
    let socket = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Unix,
        nix::sys::socket::SockType::SeqPacket,
        nix::sys::socket::SockFlag::empty(),
        None,
    )?;
    let connect = |path: &str| {
        let address = nix::sys::socket::UnixAddr::new(path)?;
        nix::sys::socket::connect(std::os::fd::AsRawFd::as_raw_fd(&socket), &address)
    };
    connect("/run/nacre").or_else(|_| connect(SOCKET))?;
    let mut system = System::over(socket).with_patience(std::time::Duration::from_secs(2));
    match system.call(WITNESS, order.token.as_bytes()) {
        Ok(_) => Ok(()),
        Err(_) => Err(Errno::EACCES),
    }
}

fn device_channel(order: &Order) -> Outcome {
    // The port is a node of its own major number: by name where /dev shows it, else it can't be known.
    let mut last = Errno::ENOENT;
    for name in fs::read_dir("/dev").map_err(|error| errno(&error))?.flatten() {
        let name = name.file_name().to_string_lossy().into_owned();
        if name.starts_with("vport") {
            let path = text(&format!("/dev/{name}"));
            match call(SYS_openat, &[HERE, path.as_ptr() as usize, libc::O_RDWR as usize]) {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
        }
    }
    // In use: it takes it from who has it.
    let process = call(SYS_pidfd_open, &[order.number("appmgr"), 0])?;
    for number in 3..24 {
        let Ok(taken) = call(SYS_pidfd_getfd, &[process, number, 0]) else { continue };
        if fs::read_link(format!("/proc/self/fd/{taken}"))
            .is_ok_and(|to| to.to_string_lossy().contains("/vport"))
        {
            return Ok(());
        }
    }
    Err(last)
}
