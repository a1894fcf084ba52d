//! A launch from its plan to its end, in the process that becomes the app.

use std::convert::Infallible;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use crate::MAX_REPORT_BYTES;
use crate::error::LaunchError;
use crate::plan::Plan;

/// Goes through a plan to the app. It comes back only when a step has failed, which it has then told over `manager` in
/// one line; the process is good for nothing but to end.
///
/// `manager` is the socket (unix, of packets) to who starts the app, `network` the app's network namespace, if it has
/// a network.
pub fn carry_out(plan: Plan, manager: OwnedFd, network: Option<OwnedFd>) {
    let Err(error) = steps(plan, &manager, network);
    // If even this fails, the process's exit code is still seen.
    let _ = File::from(manager).write_all(line_of(&error).as_bytes());
}

fn steps(plan: Plan, manager: &OwnedFd, network: Option<OwnedFd>) -> Result<Infallible, LaunchError> {
    plan.prepare(network)?.seal(manager.as_fd())?.execute()
}

/// An error with its causes, in one line: it may quote what an app's maker wrote.
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
