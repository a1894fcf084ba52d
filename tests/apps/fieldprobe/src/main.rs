//! Tries from inside an app what one field of its manifest allows, and says how each attempt ended.
//!
//! `fieldprobe ATTEMPT…`: each is a name, or `NAME=HOW`. One line for each: `attempt NAME: succeeded`,
//! `attempt NAME: 23` where there is something to measure, or `attempt NAME: EACCES`.
#![forbid(unsafe_code)]

mod asks;
mod reach;
mod uses;

use std::fmt;
use std::io;
use std::process::ExitCode;
use std::str::FromStr;

use nacre_app::{AskError, ConnectError};
use nix::errno::Errno;

/// How an attempt failed.
#[derive(Debug)]
enum Failure {
    /// The kernel refused.
    Kernel(Errno),
    /// The OS did, with its words.
    Os(String),
    /// There is no such attempt, or not in this way.
    Usage,
}

/// What came of an attempt: a figure, if there is one.
type Outcome = Result<Option<u64>, Failure>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(errno) => write!(f, "{errno:?}"),
            Self::Os(words) => f.write_str(words),
            Self::Usage => f.write_str("not an attempt"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        error
            .raw_os_error()
            .map_or_else(|| Self::Os(error.to_string()), |number| Self::Kernel(Errno::from_raw(number)))
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        Self::Os(error.to_string())
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::Os(error.to_string())
    }
}

fn main() -> ExitCode {
    // Unconfined, some attempts would fill the machine that they run on.
    if std::env::var_os("NACRE_APP").is_none() {
        eprintln!("error: this runs as an app on a test image only");
        return ExitCode::from(64);
    }
    for word in std::env::args().skip(1) {
        let (name, how) = word.split_once('=').unwrap_or((&word, ""));
        match attempt(name, how) {
            Ok(None) => println!("attempt {name}: succeeded"),
            Ok(Some(figure)) => println!("attempt {name}: {figure}"),
            Err(failure) => println!("attempt {name}: {failure}"),
        }
    }
    println!("all attempts made");
    ExitCode::SUCCESS
}

fn attempt(name: &str, how: &str) -> Outcome {
    match name {
        "memory" => uses::memory(number(how)?),
        "tasks" => uses::tasks(number(how)?),
        "cpu" => uses::cpu(number(how)?),
        "open-files" => uses::open_files(number(how)?),
        "tmp" => uses::fill("/tmp/file", number(how)?),
        "data" => uses::fill("/data/file", number(how)?),
        "code" => uses::code(),
        "connect-tcp" => reach::tcp(how),
        "connect-udp" => reach::udp(how),
        "listen-tcp" => reach::listen_tcp(number(how)?),
        "listen-udp" => reach::listen_udp(number(how)?),
        "stats" => asks::stats(),
        "apps-status" => asks::apps_status(),
        "call" => asks::call(how),
        "answer" => asks::answer(number(how)?),
        "events" => asks::events(),
        "gpio" => asks::gpio(how),
        "uart" => asks::uart(how),
        "beat" => asks::beat(number(how)?),
        "pause" => uses::pause(number(how)?),
        _ => Err(Failure::Usage),
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::Usage)
}
