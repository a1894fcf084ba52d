//! `nacre app diff`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::package;
use crate::failure::{Exit, Failure, OrFail};
use crate::package_file::changes::Changes;
use crate::package_file::known_keys::KnownKeys;
use crate::package_file::text;
use crate::terminal::Terminal;

const EXAMPLES: &str = "Examples:
  nacre app diff panel-1.0.0.app panel-1.1.0.app
  nacre app diff --json old.app new.app

What the app may do from now on comes first, then what it may no longer, its
limits, the rest of what is signed, and its files. A rollback index that goes
back is pointed out. Files are compared only when both packages are verified.

With --root-key, the key set is key-set.cose beside FILE, or in the key store.

Exit codes, like diff(1): 0 the same to the last byte, 1 different. If they
can't be compared: 65 one is not a package, 66 there is nothing, 75 one could
not be read.";

/// Exit code for two packages that are not the same.
const DIFFERENT: u8 = 1;

/// Arguments of `nacre app diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The package that is in use.
    #[arg(value_name = "OLD.app")]
    old: PathBuf,
    /// The one to take its place.
    #[arg(value_name = "NEW.app")]
    new: PathBuf,
    /// Root public key (PEM); without it, any of the key store.
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// Does it.
pub(super) fn execute(args: &Args, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let (old, new) = (package::read(&args.old)?, package::read(&args.new)?);
    let known = KnownKeys::load(args.root_key.as_deref())?;
    let changes = Changes::between(&old, &new, &known);
    if args.json {
        let json =
            serde_json::to_string_pretty(&changes).or_fail(Exit::Internal, || "writing JSON".to_owned())?;
        crate::cli::print(&(json + "\n"))?;
    } else {
        crate::cli::print(&text::changes(&changes, package::colour(terminal)))?;
    }
    if changes.identical {
        terminal.notice("the same to the last byte");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::from(DIFFERENT))
}
