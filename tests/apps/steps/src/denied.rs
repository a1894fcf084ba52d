//! Things that the sandbox denies, and a storm of them.

use std::net::TcpListener;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use nix::unistd::sethostname;

use crate::{Outcome, seconds};

/// One denied thing; `None` if it is none of these.
pub(crate) fn attempt(words: &[&str]) -> Option<Outcome> {
    let done = |result: Result<(), std::io::Error>| Some(result.map(|()| "done".into()).map_err(Into::into));
    match *words {
        ["unshare"] => done(unshare(CloneFlags::CLONE_NEWUSER).map_err(Into::into)),
        ["hostname", name] => done(sethostname(name).map_err(Into::into)),
        ["packets"] => {
            let protocol = Some(SockProtocol::EthAll);
            let packets = socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), protocol);
            done(packets.map(drop).map_err(Into::into))
        }
        ["code"] => {
            // Memory that was written, made executable.
            let memory = memmap2::MmapMut::map_anon(4096);
            done(memory.and_then(memmap2::MmapMut::make_exec).map(drop))
        }
        ["folder", path] => done(fs::create_dir(path)),
        ["remove", path] => done(fs::remove_file(path)),
        ["execute", path] => done(Command::new(path).status().map(drop)),
        ["connect", address] => done(TcpStream::connect(address).map(drop)),
        ["bind", address] => done(TcpListener::bind(address).map(drop)),
        ["storm", threads, time] => Some(storm(threads, time)),
        ["grip", time] => Some(grip(time)),
        _ => None,
    }
}

/// Makes denied calls from so many threads for so long; says how many.
fn storm(threads: &str, time: &str) -> Outcome {
    let (threads, until) = (threads.parse::<u32>()?, Instant::now() + seconds(time)?);
    let workers: Vec<_> = (0..threads)
        .map(|number| {
            thread::spawn(move || {
                let mut made = 0u64;
                while Instant::now() < until {
                    // Others each time, so that every one is a new kind.
                    let limit = format!("storm{number}-{made}");
                    if sethostname(&limit) != Err(Errno::EPERM) {
                        return None;
                    }
                    made += 1;
                }
                Some(made)
            })
        })
        .collect();
    let mut all = 0;
    for worker in workers {
        all += worker.join().ok().flatten().ok_or("one was not denied")?;
    }
    // What waits in the kernel then is left there.
    thread::sleep(Duration::from_millis(1));
    Ok(format!("{all} denied"))
}

/// Makes denied calls while other threads map and unmap memory without end, which locks it; says how many.
fn grip(time: &str) -> Outcome {
    let until = Instant::now() + seconds(time)?;
    let hands: Vec<_> = (0..3)
        .map(|_| {
            thread::spawn(move || {
                while Instant::now() < until {
                    drop(memmap2::MmapMut::map_anon(64 << 10));
                }
            })
        })
        .collect();
    let said = storm("2", time);
    hands.into_iter().for_each(|hand| drop(hand.join()));
    said
}
