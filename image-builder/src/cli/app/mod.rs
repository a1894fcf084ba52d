//! `nacre app`.

use std::process::ExitCode;

use clap::Subcommand;

use crate::failure::Failure;
use crate::terminal::Terminal;

pub mod build;
pub mod check;
mod dev;
mod diff;
pub mod import;
mod inspect;
pub mod learn;
pub mod new;
mod pack;
pub(super) mod package;
pub mod run;
mod run_vm;
mod sign;
mod verify;

const EXAMPLES: &str = "Examples:
  nacre app new thermostat --lang c
  nacre app check thermostat
  nacre app run thermostat
  nacre app build thermostat
  nacre app dev thermostat
  nacre app inspect out/com.example.thermostat-armv7.app
  nacre app import app_manifest.json";

/// Arguments of `nacre app`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

impl Args {
    /// Those of `nacre app run`.
    pub(super) fn run(args: run::Args) -> Self {
        Self { action: Action::Run(args) }
    }
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Begin an app: a small one that works.
    New(new::Args),
    /// Find all that is wrong with an app; show how it fits its board.
    Check(check::Args),
    /// Build an app and sign its package.
    Build(build::Args),
    /// Pack and sign programs that are built already.
    Pack(pack::Args),
    /// Run an app here or in a VM, in the sandbox that it has on a device.
    Run(run::Args),
    /// Run an app in a VM, replaced whenever its source is saved.
    Dev(dev::Args),
    /// Propose the smallest manifest that covers what an app asks for.
    Learn(learn::Args),
    /// Show what is in a package and what the app may do.
    Inspect(inspect::Args),
    /// Check that a package is, to the last byte, what an app key signed.
    Verify(verify::Args),
    /// Show what changed between two packages, permissions first.
    Diff(diff::Args),
    /// Sign a package, here or where the key is.
    Sign(sign::Args),
    /// Turn an Azure Sphere manifest into a Nacre one.
    Import(import::Args),
}

/// Does it.
pub fn execute(args: Args, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let success = |()| ExitCode::SUCCESS;
    match args.action {
        Action::New(args) => new::execute(args, terminal).map(success),
        Action::Check(args) => check::execute(&args, terminal).map(success),
        Action::Build(args) => build::execute(&args, terminal).map(success),
        Action::Pack(args) => pack::execute(&args, terminal).map(success),
        Action::Run(args) => run::execute(args, terminal),
        Action::Dev(args) => dev::execute(&args, terminal).map(success),
        Action::Learn(args) => learn::execute(&args, terminal).map(success),
        Action::Inspect(args) => inspect::execute(&args, terminal).map(success),
        Action::Verify(args) => verify::execute(&args, terminal).map(success),
        // One of their answers is a code of its own.
        Action::Diff(args) => diff::execute(&args, terminal),
        Action::Sign(args) => sign::execute(&args, terminal).map(success),
        // What is left out has an exit code without being an error.
        Action::Import(args) => import::execute(args, terminal),
    }
}
