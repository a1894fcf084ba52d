//! `nacre app run`.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use super::run_vm::{RunInVm, run_in_vm};
use crate::failure::{Exit, Failure};
use crate::host_run::{self, Options};
use crate::run::Forward;
use crate::terminal::Terminal;

const EXAMPLES: &str = "Examples:
  nacre app run
  nacre app run thermostat -- --interval 1s
  nacre app run out/com.example.thermostat-x86_64.app --strict
  nacre app run thermostat --vm --board qemu-x86_64 --forward 8080:8080

The app runs on this machine, as you or as root, in the sandbox that it has on
a device: the same namespaces, Landlock rules and system calls, out of the same
manifest. What is denied is told in the same words, with the line that would
allow it. What this machine can't enforce is said before the app starts.

Its output goes through unchanged, and its standard input is empty, as on a
device. Its data stay in $NACRE_STATE, else ~/.local/state/nacre, under
apps/ID/data. It is run once, whatever `restart` says.

With --vm it is built for the board and runs there, on a generic image that has
no apps of its own. The image is built with the first call; what a later one
uses of it is kept. The app's log goes to standard output.

Exit codes: the app's own; 128 and the number of a signal that ended it, so 130
after Ctrl-C. If it did not start: as `nacre app build`; 64 also with --strict
where something would not be enforced. With --vm: 0 when the app ended with 0,
1 when it ended otherwise.";

/// Arguments of `nacre app run`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The app's folder, its manifest, or a package.
    #[arg(value_name = "APP", default_value = ".")]
    app: PathBuf,
    /// Arguments for the app, after those of its manifest.
    #[arg(value_name = "ARGS", last = true, conflicts_with = "vm")]
    arguments: Vec<String>,
    /// Refuse to run if anything would not be enforced.
    #[arg(long, conflicts_with = "vm")]
    strict: bool,
    /// Run it on its board, in a VM.
    #[arg(long)]
    vm: bool,
    /// Board of the VM, by name; qemu-armv7 without it.
    #[arg(long, value_name = "BOARD", requires = "vm")]
    board: Option<String>,
    /// Lead a port of this machine to the VM, as 8080:80.
    #[arg(long, value_name = "PORTS", requires = "vm")]
    forward: Vec<Forward>,
}

/// Does it. On this machine it comes back only if it can't: the launcher takes the process over.
pub fn execute(args: Args, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if args.vm {
        return run_in_vm(RunInVm { app: args.app, board: args.board, forwards: args.forward }, terminal);
    }
    let options = Options { arguments: args.arguments, strict: args.strict, denials: None };
    let error = host_run::open_command(&args.app, &options, terminal)?.exec();
    Err(Failure::new(Exit::Internal, "can't start the launcher").because(error))
}
