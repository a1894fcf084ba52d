//! `nacre app dev`.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nacre_manifest::app::FILE_NAME;

use super::run_vm::last_line;
use crate::app_vm::follow::{Follower, News};
use crate::app_vm::machine::Machine;
use crate::app_vm::watch::Source;
use crate::app_vm::{self, Fresh};
use crate::cli::device::failure;
use crate::cli::device::install::send;
use crate::device::print;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupts;
use crate::run::Forward;
use crate::terminal::Terminal;

/// How often the source is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// How long it must look the same before it is built: editors write in several steps.
const QUIET: Duration = Duration::from_millis(50);

const EXAMPLES: &str = "Examples:
  nacre app dev
  nacre app dev thermostat --board qemu-x86_64 --forward 8080:8080

Boots a VM with a generic image, installs the app and shows its log. Whenever a
file of DIR is saved, the app is built, checked, installed in place of the old
one and started. What doesn't build, or is refused, leaves the old one running.
Hidden files and the folders target and out are not watched, nor is anything
outside of DIR. Ctrl-C ends the VM.";

/// Arguments of `nacre app dev`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The app's folder.
    #[arg(value_name = "DIR", default_value = ".")]
    app: PathBuf,
    /// Board, by name; qemu-armv7 without it.
    #[arg(long, value_name = "BOARD")]
    board: Option<String>,
    /// Lead a port of this machine to the device, as 8080:80.
    #[arg(long, value_name = "PORTS")]
    forward: Vec<Forward>,
}

/// Does it, until Ctrl-C.
pub(super) fn execute(args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    let interrupts = Interrupts::catch()?;
    let folder = folder_of(&args.app);
    let mut source = Source::look(&folder);
    // The first build decides whether there is anything to do: what is wrong with the app is said before a VM is booted.
    let Fresh { package, checked, built_in } = app_vm::build(args.app.clone(), args.board.clone(), terminal)?;
    let machine = Machine::start(&checked.board.board, &args.forward, terminal, &interrupts)?;
    let mut client = machine.connect()?;
    let after = last_line(&mut client)?;
    let took = send(&mut client, &package, terminal)?;
    let app = package.content.payload.component.clone();
    tell(terminal, &package.content.name(), took, built_in);
    let gone = follow(&machine, &app, after)?;
    terminal.notice(&format!("watching `{}`; Ctrl-C ends", folder.display()));
    loop {
        thread::sleep(LOOK);
        if let Ok(failure) = gone.try_recv() {
            return Err(failure);
        }
        let Some((changed, now)) = change(&folder, &source) else { continue };
        source = now;
        let shown = changed.strip_prefix(&folder).unwrap_or(&changed);
        terminal.notice(&format!("`{}` was saved", shown.display()));
        match again(args, &machine, &app, terminal) {
            Ok(()) => {}
            Err(failure) => {
                terminal.print(&failure.into_report());
                terminal.notice("the version before goes on");
            }
        }
    }
}

/// Builds and installs the app once more.
fn again(args: &Args, machine: &Machine, app: &str, terminal: &Terminal) -> Result<(), Failure> {
    let Fresh { package, built_in, .. } = app_vm::build(args.app.clone(), args.board.clone(), terminal)?;
    let found = &package.content.payload.component;
    if found != app {
        let what = format!("the app is called `{found}` now, and `{app}` runs");
        return Err(Failure::new(Exit::Refused, what).hint("end this command and begin again"));
    }
    let took = send(&mut machine.connect()?, &package, terminal)?;
    tell(terminal, &package.content.name(), took, built_in);
    Ok(())
}

fn tell(terminal: &Terminal, name: &str, took: f64, built_in: Duration) {
    terminal
        .notice(&format!("{name} runs: built in {:.1} s, running {took:.1} s later", built_in.as_secs_f64()));
}

/// What has changed, once it looks the same for a moment, and how the source looks then.
fn change(folder: &Path, before: &Source) -> Option<(PathBuf, Source)> {
    let mut now = Source::look(folder);
    let changed = before.difference(&now)?;
    let begin = Instant::now();
    loop {
        thread::sleep(QUIET);
        let next = Source::look(folder);
        if next == now || begin.elapsed() > QUIET * 20 {
            return Some((changed, next));
        }
        now = next;
    }
}

/// Shows the log of the app in a thread of its own. What comes out of it says why it can't any more.
fn follow(machine: &Machine, app: &str, after: u64) -> Result<Receiver<Failure>, Failure> {
    let mut follower = Follower::begin(machine.connect()?, app, after).map_err(failure)?;
    let (sender, gone) = channel();
    thread::spawn(move || {
        let problem = loop {
            match follower.news() {
                Ok(News::Line(line)) => {
                    if let Err(failure) = crate::cli::print(&(print::log(&line) + "\n")) {
                        break failure;
                    }
                }
                // That it ended is in its log.
                Ok(News::Ended(_) | News::Nothing) => {}
                Err(error) => break failure(error),
            }
        };
        // The command may be over.
        let _ = sender.send(problem);
    });
    Ok(gone)
}

fn folder_of(app: &Path) -> PathBuf {
    match app.file_name() {
        Some(name) if name == FILE_NAME => app.parent().unwrap_or(Path::new(".")).to_owned(),
        _ => app.to_owned(),
    }
}
