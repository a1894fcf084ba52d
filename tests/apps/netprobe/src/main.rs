//! Tries from inside an app whom it can reach over the network, and says how each attempt ended.
//!
//! One line per attempt: `attempt NAME: succeeded`, `attempt NAME: EPERM` or `attempt NAME: no answer`. What is
//! sent is the attempt's name, so that whoever gets it can say what has arrived; it succeeded when the same came
//! back. `answer PORT` is the other side: it sends everything back.
#![forbid(unsafe_code)]

mod answer;
mod reach;
mod sockets;

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;

/// How an attempt failed.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// The kernel refused, or somebody on the way did.
    Refused(Errno),
    /// It was sent, and nothing came of it.
    NoAnswer,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(errno) => write!(f, "{errno:?}"),
            Self::NoAnswer => f.write_str("no answer"),
        }
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::EAGAIN | Errno::ETIMEDOUT => Self::NoAnswer,
            other => Self::Refused(other),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match (error.raw_os_error(), error.kind()) {
            (Some(errno), _) => Errno::from_raw(errno).into(),
            // Closed without an answer is none.
            (None, ErrorKind::TimedOut | ErrorKind::UnexpectedEof) => Self::NoAnswer,
            (None, _) => Self::Refused(Errno::UnknownErrno),
        }
    }
}

type Outcome = Result<(), Failure>;

/// What is tried, given its name.
type Attempt = Box<dyn FnOnce(&str) -> Outcome + Send>;

/// After the start of an attempt that somebody on the way may refuse: the kernel tells an app six times at once and once a second that it may not
/// do something, and what it does not tell looks like silence.
const STAGGER: Duration = Duration::from_millis(250);

/// For one attempt: a socket, and some frames.
const STACK: usize = 48 * 1024;

/// Where to try.
#[derive(Debug, Clone, Copy)]
struct Targets {
    /// The port of the one address that the app's manifest has, for TCP.
    open: u16,
    /// Another one, on which the same machine listens.
    other: u16,
    /// Address of an app that listens on `open`, TCP and UDP.
    app: Ipv4Addr,
    /// Also addresses beyond this machine. Without a packet filter, these would be reached.
    beyond: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["answer", port] => match port.parse() {
            Ok(port) => answer::all(port),
            Err(_) => usage(),
        },
        ["try", open, other, app, how @ ("everywhere" | "within")] => {
            match (open.parse(), other.parse(), app.parse()) {
                (Ok(open), Ok(other), Ok(app)) => {
                    try_all(Targets { open, other, app, beyond: how == "everywhere" })
                }
                _ => usage(),
            }
        }
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("error: usage: netprobe answer PORT | try OPEN-PORT OTHER-PORT APP-ADDRESS everywhere|within");
    ExitCode::from(2)
}

fn try_all(targets: Targets) -> ExitCode {
    let sockets = sockets::attempts().into_iter().map(|attempt| (Duration::ZERO, attempt));
    let peers = reach::attempts(targets).into_iter().map(|attempt| (STAGGER, attempt));
    let mut running = Vec::new();
    for (pause, (name, attempt)) in sockets.chain(peers) {
        let started = thread::Builder::new().stack_size(STACK).spawn(move || match attempt(name) {
            Ok(()) => println!("attempt {name}: succeeded"),
            Err(failure) => println!("attempt {name}: {failure}"),
        });
        match started {
            Ok(thread) => running.push(thread),
            Err(error) => println!("attempt {name}: not made: {error}"),
        }
        thread::sleep(pause);
    }
    let whole = running.into_iter().all(|thread| thread.join().is_ok());
    println!("{}", if whole { "all attempts made" } else { "some attempts failed" });
    ExitCode::SUCCESS
}
