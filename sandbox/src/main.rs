//! The launcher: from a description on descriptor 3 to the app, or to one line on descriptor 4.
#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::error::Error;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;

use nacre_sandbox::{LaunchSpec, MAX_REPORT_BYTES, MAX_SPEC_BYTES, NETWORK_FD, Plan, REPORT_FD, SPEC_FD};
use nacre_sys::file::read_open;
use nacre_sys::inherited;

#[cfg(all(target_arch = "arm", target_env = "musl"))]
#[global_allocator]
static HEAP: nacre_sys::allocator::Allocator = nacre_sys::allocator::Allocator::new();

fn main() -> ExitCode {
    let Ok(report) = inherited::take(REPORT_FD) else {
        // Nobody listens: it was not started by appmgr.
        return ExitCode::from(2);
    };
    let Err(error) = launch(report.as_fd());
    // If even this fails, appmgr still sees the exit code.
    let _ = File::from(report).write_all(line_of(&*error).as_bytes());
    ExitCode::from(1)
}

fn launch(report: BorrowedFd<'_>) -> Result<Infallible, Box<dyn Error>> {
    // Before anything is opened here: the number could become that of another descriptor. Whether it has to be
    // there, the description says.
    let network = inherited::take(NETWORK_FD).ok();
    let spec = read_spec()?;
    Ok(Plan::new(&spec)?.prepare(network)?.seal(report)?.execute()?)
}

fn read_spec() -> Result<LaunchSpec, Box<dyn Error>> {
    let mut file = File::from(inherited::take(SPEC_FD)?);
    // Who wrote it shares the offset, and left it at the end.
    file.rewind()?;
    // One byte more than allowed tells a description that is too long.
    Ok(LaunchSpec::decode(&read_open(&mut file, MAX_SPEC_BYTES as u64 + 1)?)?)
}

/// The error with its causes, in one line: it may quote what an app's maker wrote.
fn line_of(error: &(dyn Error + 'static)) -> String {
    let line = nacre_diag::CauseChain(error).to_string();
    let mut line = line.replace(|character: char| character.is_control(), "?");
    let mut end = line.len().min(MAX_REPORT_BYTES - 1);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    line.push('\n');
    line
}
