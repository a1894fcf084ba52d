//! `nacre app build`.

use std::path::PathBuf;

use crate::app_project::check::{Request, check};
use crate::app_project::make::{Made, default_path, make};
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

`build: [make, thermostat]` runs a command, without a shell, in a fresh copy of
the app's folder (without .git, out and folders with a CACHEDIR.TAG; all files
of one age). Every file that it leaves in the folder $NACRE_OUT is a program of
the app. It gets no other variables than these:
  CC, AR           the C compiler for the board, static with musl, and ar
  NACRE_ARCH       armv7 or x86_64
  NACRE_TARGET     the same as Rust and LLVM name it
  NACRE_OUT        folder for the programs
  SOURCE_DATE_EPOCH, LC_ALL=C, TZ=UTC; an empty HOME; your PATH

Exit codes: as `nacre app check`; 65 also if the compiler refuses the sources or
the command fails.";

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
    show(&made, "built", args.json, terminal)
}

/// Shows a package that was written.
pub(super) fn show(made: &Made, done: &str, json: bool, terminal: &Terminal) -> Result<(), Failure> {
    terminal.print(&made.unused);
    if json {
        let hints: Vec<String> = made.unused.entries().iter().map(|found| found.one_line()).collect();
        let json = serde_json::json!({
            "path": made.path.display().to_string(), "size": made.size, "warnings": hints,
        });
        super::super::print(&format!("{json:#}\n"))?;
    } else {
        super::super::print(&made.size.table())?;
    }
    terminal.notice(&format!("{done} `{}`", made.path.display()));
    Ok(())
}
