//! `nacre app`.

pub mod build;
pub mod check;
pub mod new;

use clap::Subcommand;

use crate::failure::Failure;
use crate::terminal::Terminal;

const EXAMPLES: &str = "Examples:
  nacre app new thermostat --lang c
  nacre app check thermostat
  nacre app build thermostat";

/// Arguments of `nacre app`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Begin an app: a small one that works.
    New(new::Args),
    /// Find everything that is wrong with an app, and show how it fits its board.
    Check(check::Args),
    /// Build an app and sign its package.
    Build(build::Args),
}

/// Does it.
pub fn execute(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    match args.action {
        Action::New(args) => new::execute(args, terminal),
        Action::Check(args) => check::execute(&args, terminal),
        Action::Build(args) => build::execute(&args, terminal),
    }
}
