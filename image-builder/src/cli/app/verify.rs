//! `nacre app verify`.

use std::path::PathBuf;

use serde_json::json;

use super::package;
use crate::cli::image;
use crate::failure::{Exit, Failure};
use crate::inspect::check::{Finding, Verdict};
use crate::inspect::text;
use crate::package_file::known_keys::{KnownKeys, foreign_key, problem};
use crate::package_file::open::{ReadPackageError, read_bytes, subject};
use crate::terminal::Terminal;

const EXAMPLES: &str = "Examples:
  nacre app verify out/demo-qemu-armv7/org.nacre.panel.app
  nacre app verify panel.app --root-key owner/root.pub
  nacre app verify --json panel.app

Every byte is looked at: archive, signature, signed content, filesystem. Which
keys may sign packages is said by the key sets in the key store or, with
--root-key, by those that this key signed: key-set.cose beside FILE, or one in
the key store.

Exit codes: 0 everything is as an app key signed it; 69 something is not, and
which part of it; 65 not a package; 66 there is nothing to check, or no key set
to check it with; 75 it could not be read.";

/// Arguments of `nacre app verify`.
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
    let known = KnownKeys::load(args.root_key.as_deref())?;
    let verdict = match read_bytes(&args.file) {
        Ok(bytes) => known.judge(&bytes),
        // Whatever it was, it is no longer what was signed.
        Err(error @ ReadPackageError::TooLarge { .. }) => {
            Verdict::Bad { part: "archive".to_owned(), error: error.into() }
        }
        Err(error) => return Err(package::failure(error)),
    };
    let finding = Finding { subject: subject(&args.file), partition: None, verdict };
    let objection = foreign_key(&finding.verdict).and_then(|_| problem(&finding.verdict, &known));
    if args.json {
        let mut json = image::finding_json(&finding);
        if let Some(objection) = &objection {
            json["reason"] = json!(objection);
        }
        crate::cli::print(&format!("{json}\n"))?;
    } else if let Some(objection) = &objection {
        crate::cli::print(&text::hang(&format!("BAD: {}: {objection}", finding.name()), 2))?;
    } else {
        crate::cli::print(&text::findings(std::slice::from_ref(&finding)))?;
    }
    if let Verdict::Package(package) = &finding.verdict
        && known.standing(package.signed_by).development
    {
        terminal.warning("signed with development keys, which protect nothing");
    }
    if let Some(objection) = objection {
        let key = foreign_key(&finding.verdict).map(|key| known.standing(key));
        let hint = match key.and_then(|key| key.role) {
            Some(_) => "have it signed by an app key: nacre app sign FILE.app --keys NAME",
            None => "if it is another owner's package, name their root key: --root-key FILE",
        };
        let step = format!("{}: not signed by a trusted app key", finding.name());
        return Err(Failure::new(Exit::VerificationFailed, step).because(objection).hint(hint));
    }
    match image::failure(finding) {
        Some(failure) if failure.exit() == Exit::NotFound => Err(failure
            .hint("make a key set (nacre key new NAME), or put the owner's key-set.cose beside root.pub")),
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}
