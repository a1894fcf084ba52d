//! `nacre completions` and `nacre manual`: what a shell and man(1) want to know of the command line.

use std::fs;
use std::path::PathBuf;

use clap::Command;
use clap_complete::Shell;

use crate::failure::{Exit, Failure, OrFail};
use crate::terminal::Terminal;

const COMPLETIONS_EXAMPLES: &str = "Examples:
  nacre completions bash > ~/.local/share/bash-completion/completions/nacre
  nacre completions zsh > ~/.zfunc/_nacre
  nacre completions fish > ~/.config/fish/completions/nacre.fish";

const MANUAL_EXAMPLES: &str = "Examples:
  nacre manual ~/.local/share/man/man1
  man nacre-app-build";

/// Arguments of `nacre completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub struct Completions {
    /// Shell: bash, zsh or fish; also elvish and powershell.
    #[arg(value_name = "SHELL", value_enum, hide_possible_values = true)]
    shell: Shell,
}

/// Arguments of `nacre manual`.
#[derive(Debug, clap::Args)]
#[command(after_help = MANUAL_EXAMPLES)]
pub struct Manual {
    /// Folder for the pages, one for each command; made if not there.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Prints a shell's script.
pub fn completions(args: &Completions, mut command: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "nacre", &mut script);
    super::print(&String::from_utf8_lossy(&script))
}

/// Writes the manual's pages.
pub fn manual(args: &Manual, command: Command, terminal: &Terminal) -> Result<(), Failure> {
    let step = || format!("can't write to `{}`", args.folder.display());
    fs::create_dir_all(&args.folder).or_fail(Exit::TryAgain, step)?;
    clap_mangen::generate_to(command, &args.folder).or_fail(Exit::TryAgain, step)?;
    terminal.notice(&format!("wrote the pages to `{}`", args.folder.display()));
    Ok(())
}
