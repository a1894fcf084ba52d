//! `nacre app inspect`.

use std::path::PathBuf;

use super::package;
use crate::failure::{Exit, Failure, OrFail};
use crate::package_file::known_keys::KnownKeys;
use crate::package_file::report::Report;
use crate::package_file::text;
use crate::terminal::Terminal;

const EXAMPLES: &str = "Examples:
  nacre app inspect out/demo-qemu-armv7/org.nacre.panel.app
  nacre app inspect --json panel.app

A package that no trusted key signed is shown all the same, and marked: what it
says is then a claim. Its files are listed only when it is verified.

With --root-key, the key set is key-set.cose beside FILE, or in the key store.

Exit codes: 0 shown; 65 not a package; 66 there is nothing; 75 it could not be
read. Whether a package is good is what `nacre app verify` answers.";

/// Arguments of `nacre app inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// An app package.
    #[arg(value_name = "FILE.app")]
    file: PathBuf,
    /// Root public key (PEM); without it, any of the key store.
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// Does it.
pub(super) fn execute(args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    let package = package::read(&args.file)?;
    let known = KnownKeys::load(args.root_key.as_deref())?;
    let report = Report::of(&package, &known);
    if args.json {
        let json =
            serde_json::to_string_pretty(&report).or_fail(Exit::Internal, || "writing JSON".to_owned())?;
        return crate::cli::print(&(json + "\n"));
    }
    crate::cli::print(&text::report(&report, package::colour(terminal)))
}
