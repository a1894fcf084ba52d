//! `nacre app build`.

use std::path::PathBuf;

use crate::app_project::check::{Request, check};
use crate::app_project::make::{default_path, make};
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::keys::DEVELOPMENT;
use crate::terminal::Terminal;

const EXAMPLES: &str = "Examples:
  nacre app build
  nacre app build thermostat --board qemu-x86_64
  nacre app build thermostat --keys factory --out thermostat.app

`build: cargo` makes every binary of the crate; `build: c` makes one program of
src/*.c. Both are static, with musl, and the same bytes on every machine that
has the same compilers.

Exit codes: as `nacre app check`; 65 also if the compiler refuses the sources.";

/// Arguments of `nacre app build`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The app's folder, or its manifest.
    #[arg(value_name = "DIR", default_value = ".")]
    app: PathBuf,
    /// Board, by name or file; qemu-armv7 without it.
    #[arg(long, value_name = "BOARD")]
    board: Option<String>,
    /// Key set that signs the package.
    #[arg(long, value_name = "NAME", default_value = DEVELOPMENT)]
    keys: String,
    /// File to write; out/ID-ARCH.app without it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// Does it.
pub fn execute(args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    let _interrupts = Interrupts::catch()?;
    let checked = check(&Request { app: args.app.clone(), board: args.board.clone(), recipe: None })?;
    terminal.print(&checked.warnings);
    let out = args.out.clone().unwrap_or_else(|| default_path(&checked));
    let made = make(&checked, &args.keys, &out, terminal)?;
    if args.json {
        let json = serde_json::json!({ "path": made.path.display().to_string(), "size": made.size });
        super::super::print(&format!("{json:#}\n"))?;
    } else {
        super::super::print(&made.size.table())?;
    }
    terminal.notice(&format!("built `{}`", made.path.display()));
    Ok(())
}
