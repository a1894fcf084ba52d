//! `nacre app learn`.

use std::path::PathBuf;
use std::time::Duration;

use nacre_manifest::app::FILE_NAME;

use crate::failure::{Exit, Failure, OrFail};
use crate::interrupt::Interrupts;
use crate::learn::{Request, learn};
use crate::terminal::Terminal;

const EXAMPLES: &str = "Examples:
  nacre app learn
  nacre app learn thermostat --for 30 -- --interval 1s
  nacre app learn thermostat --write

The app is run on this machine, in its sandbox, with nothing granted. What it
is denied and a manifest could allow is granted to the next run, until a run
has nothing new. So nothing has to be let through unchecked to be seen, and no
device needs a mode that does: an image for production has none, and this
command talks to none.

The proposal is a difference to nacre.yaml, with a reason beside each line. It
is incomplete evidence: it has what the app did in these runs and nothing else.
UDP, limits and what happens once a week are not in it; a grant that no run
needed may be needed tomorrow.

Exit codes: as `nacre app run` for an app that does not start; 0 otherwise.";

/// Arguments of `nacre app learn`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The app's folder, or its manifest.
    #[arg(value_name = "DIR", default_value = ".")]
    app: PathBuf,
    /// Arguments for the app, after those of its manifest.
    #[arg(value_name = "ARGS", last = true)]
    arguments: Vec<String>,
    /// How long each run may take, in seconds.
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Change the manifest instead of showing how.
    #[arg(long)]
    write: bool,
    /// Write JSON: `new`, `unused`, `never`, `runs`, `diff`.
    #[arg(long)]
    json: bool,
}

/// Does it.
pub fn execute(args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    let _interrupts = Interrupts::catch()?;
    let is_package = args.app.is_file() && args.app.extension().is_none_or(|extension| extension != "yaml");
    if is_package {
        let what =
            format!("`{}` is a package, and learning is for what can still change", args.app.display());
        return Err(Failure::new(Exit::Refused, what).hint("name the app's folder instead"));
    }
    let file = if args.app.is_dir() { args.app.join(FILE_NAME) } else { args.app.clone() };
    let request = Request {
        file: file.clone(),
        arguments: args.arguments.clone(),
        each: Duration::from_secs(args.seconds),
    };
    let learned = learn(&request, terminal)?;
    if args.json {
        super::super::print(&format!("{:#}\n", learned.json()))?;
    } else {
        super::super::print(&learned.text(&file.display().to_string()))?;
    }
    if args.write && learned.before != learned.after {
        learned.write(&file).or_fail(Exit::TryAgain, || format!("can't write `{}`", file.display()))?;
        terminal.notice(&format!("changed `{}`", file.display()));
    }
    Ok(())
}
