//! `nacre app run --vm`: the app on a generic image of its board.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::app_vm::follow::{Follower, News};
use crate::app_vm::machine::Machine;
use crate::app_vm::{self, Fresh};
use crate::cli::device::failure;
use crate::cli::device::install::send;
use crate::device::print;
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::run::Forward;
use crate::terminal::Terminal;

/// What is to be run.
#[derive(Debug)]
pub(super) struct RunInVm {
    /// The app's folder, or its manifest.
    pub(super) app: PathBuf,
    /// Board, by name.
    pub(super) board: Option<String>,
    /// Ports of this machine that lead to the app.
    pub(super) forwards: Vec<Forward>,
}

/// Builds the app, boots the VM, installs the app there and shows its log until it ends, or Ctrl-C.
pub(super) fn run_in_vm(run: RunInVm, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let interrupts = Interrupts::catch()?;
    let Fresh { package, checked, .. } = app_vm::build(run.app, run.board, terminal)?;
    let machine = Machine::start(&checked.board.board, &run.forwards, terminal, &interrupts)?;
    let mut client = machine.connect()?;
    // What another run of it has said before is not this one's.
    let after = last_line(&mut client)?;
    send(&mut client, &package, terminal)?;
    let app = package.content.payload.component.clone();
    let mut follower = Follower::begin(machine.connect()?, &app, after).map_err(failure)?;
    loop {
        match follower.news().map_err(failure)? {
            News::Line(line) => super::super::print(&(print::log(&line) + "\n"))?,
            News::Nothing => {}
            News::Ended(end) if end.is_success() => return Ok(ExitCode::SUCCESS),
            News::Ended(_) => return Ok(ExitCode::FAILURE),
        }
    }
}

/// The number of the last line of the device's log.
pub(super) fn last_line(client: &mut crate::device::client::Client) -> Result<u64, Failure> {
    use crate::device::client::{Next, Waiting};
    use nacre_wire::channel::{Answer, Command};
    let mut last = 0;
    let all = Command::Logs { after: 0, follow: false, app: None };
    client
        .ask_many(all, Waiting::Bounded, |answer| {
            if let Answer::Log(line) = answer {
                last = line.number;
            }
            Next::GoOn
        })
        .map_err(failure)?;
    Ok(last)
}
