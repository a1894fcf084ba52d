//! `nacre app pack`.

use std::fs;
use std::path::{Path, PathBuf};

use nacre_diag::Diagnostic;
use nacre_manifest::app::Build;

use crate::app_project::check::{Checked, Request, check_manifest};
use crate::app_project::make::{default_path, pack};
use crate::build::Programs;
use crate::failure::{Exit, Failure, OrFail};
use crate::interrupt::Interrupts;
use crate::keys::DEVELOPMENT;
use crate::terminal::Terminal;

const EXAMPLES: &str = "Examples:
  nacre app pack thermostat --program build/thermostat
  nacre app pack thermostat --program dist/bin --board qemu-x86_64
  nacre app pack thermostat --keys factory --out thermostat.app

Nothing is compiled: what `build` says in the manifest is left alone. Each
--program is a file, or a folder whose files are all meant; they land in
/app/bin by their names, beside what the manifest lists under `files`. Each has
to be a static program for the board.

The same programs and manifest make the same bytes. To sign with a key that is
elsewhere, pack with any key set, then: nacre app sign --help

Exit codes: as `nacre app check`; 65 also if a program can't run on the board.";

/// Largest program; no board's disk has more.
const MAX_BYTES: u64 = 64 << 20;

/// Most programs of an app.
const MOST: usize = 64;

/// Arguments of `nacre app pack`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The app's folder, or its manifest.
    #[arg(value_name = "DIR", default_value = ".")]
    app: PathBuf,
    /// A program, or a folder of programs; may be given again.
    #[arg(long = "program", value_name = "PATH")]
    programs: Vec<PathBuf>,
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
pub(super) fn execute(args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    let _interrupts = Interrupts::catch()?;
    let request = Request { app: args.app.clone(), board: args.board.clone(), recipe: None };
    let checked = check_manifest(&request)?;
    terminal.print(&checked.warnings);
    let mut programs = Programs::new();
    for path in &args.programs {
        take(path, &mut programs)?;
    }
    if programs.is_empty() && checked.app.build != Build::None {
        return Err(nothing(&checked).into());
    }
    let out = args.out.clone().unwrap_or_else(|| default_path(&checked));
    let made = pack(&checked, programs, &args.keys, &out, terminal)?;
    super::build::show(&made, "packed", args.json, terminal)
}

fn nothing(checked: &Checked) -> Diagnostic {
    let name = checked.app.program().rsplit('/').next().unwrap_or_default();
    Diagnostic::error(Exit::NotFound, "there is no program to pack")
        .at(checked.app.places.program.clone())
        .with_hint(format!("name it: --program PATH/{name}; or let Nacre build it: nacre app build"))
}

/// Reads a program, or all those in a folder.
fn take(path: &Path, programs: &mut Programs) -> Result<(), Failure> {
    let step = || format!("can't read `{}`", path.display());
    if !fs::metadata(path).or_fail(Exit::NotFound, step)?.is_dir() {
        return take_file(path, programs);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).or_fail(Exit::TryAgain, step)? {
        files.push(entry.or_fail(Exit::TryAgain, step)?.path());
    }
    files.sort();
    // What lies in a folder was not named: a link of it could lead anywhere.
    for file in files {
        if !fs::symlink_metadata(&file).or_fail(Exit::TryAgain, step)?.is_file() {
            return Err(Failure::new(Exit::BadInput, format!("`{}` is not a file", file.display()))
                .hint("leave only programs in the folder, or name each with --program"));
        }
        take_file(&file, programs)?;
    }
    Ok(())
}

fn take_file(path: &Path, programs: &mut Programs) -> Result<(), Failure> {
    let step = || format!("can't read `{}`", path.display());
    let metadata = fs::metadata(path).or_fail(Exit::NotFound, step)?;
    let name =
        path.file_name().and_then(|name| name.to_str()).filter(|name| !name.chars().any(char::is_control));
    let Some(name) = name.filter(|_| metadata.is_file()) else {
        return Err(Failure::new(Exit::BadInput, format!("`{}` is no program", path.display()))
            .hint("name a file; its name is the program's in /app/bin"));
    };
    if metadata.len() > MAX_BYTES || programs.len() >= MOST {
        return Err(Failure::new(Exit::BadInput, format!("`{}` is too much for an app", path.display()))
            .hint(format!("at most {MOST} programs of at most {} MiB each", MAX_BYTES >> 20)));
    }
    let content = fs::read(path).or_fail(Exit::TryAgain, step)?;
    if programs.insert(name.to_owned(), content).is_some() {
        return Err(Failure::new(Exit::BadInput, format!("two programs are called `{name}`"))
            .hint("both would land in /app/bin: give one of them another name"));
    }
    Ok(())
}
