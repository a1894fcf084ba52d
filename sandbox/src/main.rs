//! The launcher: from a description to the app, or to one line about the step that failed.
#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::process::ExitCode;

use nacre_sandbox::{LaunchSpec, MANAGER_FD, MAX_REPORT_BYTES, MAX_SPEC_BYTES, NETWORK_FD, Plan};
use nacre_sys::inherited;
use nix::sys::socket::{MsgFlags, recv};

#[cfg(all(target_arch = "arm", target_env = "musl"))]
#[global_allocator]
static HEAP: nacre_sys::allocator::Allocator = nacre_sys::allocator::Allocator::new();

fn main() -> ExitCode {
    let Ok(manager) = inherited::take(MANAGER_FD) else {
        // Nobody listens: it was not started by appmgr.
        return ExitCode::from(2);
    };
    let Err(error) = launch(manager.as_fd());
    // If even this fails, appmgr still sees the exit code.
    let _ = File::from(manager).write_all(line_of(&*error).as_bytes());
    ExitCode::from(1)
}

fn launch(manager: BorrowedFd<'_>) -> Result<Infallible, Box<dyn Error>> {
    // Before anything is opened here: the number could become that of another descriptor. Whether it has to be
    // there, the description says.
    let network = inherited::take(NETWORK_FD).ok();
    let spec = receive_spec(manager)?;
    Ok(Plan::new(&spec)?.prepare(network)?.seal(manager)?.execute()?)
}

fn receive_spec(manager: BorrowedFd<'_>) -> Result<LaunchSpec, Box<dyn Error>> {
    // A look at nothing of it says how long the packet is (recv(2), MSG_TRUNC).
    let length = recv(manager.as_raw_fd(), &mut [], MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC)?;
    // One byte more than allowed tells a description that is too long.
    let mut bytes = vec![0; length.min(MAX_SPEC_BYTES + 1)];
    recv(manager.as_raw_fd(), &mut bytes, MsgFlags::empty())?;
    Ok(LaunchSpec::decode(&bytes)?)
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
