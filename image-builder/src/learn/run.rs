//! One run, of which the denials are kept.

use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nacre_wire::denial::Denial;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Request;
use crate::failure::{Exit, Failure, OrFail};
use crate::host_run::{self, Options, Subject};
use crate::terminal::Terminal;

/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Runs the app, for as long as it may, and gives what it was denied.
pub(super) fn once(
    subject: &Subject,
    request: &Request,
    terminal: &Terminal,
) -> Result<Vec<Denial>, Failure> {
    let step = || "can't run the app".to_owned();
    let scratch = tempfile::tempdir().or_fail(Exit::TryAgain, step)?;
    let (record, words) = (scratch.path().join("denials"), scratch.path().join("words"));
    let options =
        Options { arguments: request.arguments.clone(), strict: false, denials: Some(record.clone()) };
    let said = fs::File::create(&words).or_fail(Exit::TryAgain, step)?;
    let mut command = host_run::command(subject, &options, terminal)?;
    command.stdout(Stdio::null()).stderr(said);
    let mut child = command.spawn().or_fail(Exit::Internal, step)?;
    let until = Instant::now() + request.each;
    let mut ended = None;
    while ended.is_none() && Instant::now() < until {
        sleep(LOOK);
        ended = child.try_wait().or_fail(Exit::Internal, step)?;
    }
    if ended.is_none() {
        let process = Pid::from_raw(i32::try_from(child.id()).unwrap_or(0));
        kill(process, Signal::SIGTERM).or_fail(Exit::Internal, step)?;
        child.wait().or_fail(Exit::Internal, step)?;
    }
    // The launcher makes it when the app has begun.
    let Ok(bytes) = fs::read(&record) else {
        let words = fs::read_to_string(&words).unwrap_or_default();
        let words: Vec<&str> = words.lines().filter(|line| !line.starts_with("notice:")).collect();
        return Err(Failure::new(Exit::Internal, "the app does not start").because(words.join("\n")));
    };
    let mut decoder = minicbor::Decoder::new(&bytes);
    let mut denials = Vec::new();
    while decoder.position() < bytes.len() {
        denials.push(decoder.decode().or_fail(Exit::Internal, step)?);
    }
    Ok(denials)
}
