//! `nacre app check`.

use std::path::PathBuf;

use crate::app_project::check::{Request, check};
use crate::failure::Failure;
use crate::terminal::Terminal;

const EXAMPLES: &str = "Examples:
  nacre app check
  nacre app check thermostat --board qemu-x86_64
  nacre app check thermostat --recipe recipes/images/demo.yaml
  nacre app check thermostat --json | jq -r '.permissions[]'

All that is wrong is said at once, each with its line and a remedy. With a
recipe, the app is also held against that image's other apps: ports, devices,
messages and the sum of the limits.

If `nacre app build` has been here since the last change, its package in `out`
is searched for what the manifest asks for and the app never names.

Exit codes: 0 nothing is wrong; 64 it asks for what can't be enforced yet;
65 something is wrong; 66 a file that it names is missing.";

/// Arguments of `nacre app check`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The app's folder, or its manifest.
    #[arg(value_name = "DIR", default_value = ".")]
    app: PathBuf,
    /// Board, by name or file; qemu-armv7 without it.
    #[arg(long, value_name = "BOARD")]
    board: Option<String>,
    /// Recipe of an image that is to have the app.
    #[arg(long, value_name = "IMAGE.yaml")]
    recipe: Option<PathBuf>,
    /// Write JSON; what is wrong as well.
    #[arg(long)]
    json: bool,
}

/// Does it.
pub fn execute(args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    let request = Request { app: args.app.clone(), board: args.board.clone(), recipe: args.recipe.clone() };
    let mut checked = check(&request).inspect_err(|failure| {
        // The words go to standard error all the same.
        if args.json
            && let Some(report) = failure.report()
        {
            let _ = super::super::print(&format!("{}\n", report.to_json()));
        }
    })?;
    checked.look_at_package();
    terminal.print(&checked.warnings);
    if args.json {
        return super::super::print(&format!("{:#}\n", checked.json()));
    }
    super::super::print(&checked.text())
}
