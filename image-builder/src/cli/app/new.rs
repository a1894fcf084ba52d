//! `nacre app new`.

use std::path::PathBuf;

use crate::app_project::create::{Language, create};
use crate::failure::Failure;
use crate::terminal::Terminal;

const EXAMPLES: &str = "Examples:
  nacre app new thermostat
  nacre app new apps/thermostat --lang c --id com.example.heating.thermostat

The folder gets a manifest (nacre.yaml), a program that answers HTTP requests on
port 8080, and its test. The last part of the path names app and program.

Exit codes: 0 made; 64 there is something of that name, which stays; 65 the name
can't be an app's; 75 the folder can't be written to.";

/// Arguments of `nacre app new`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder to make.
    #[arg(value_name = "NAME")]
    path: PathBuf,
    /// What it is written in: rust or c.
    #[arg(long, value_enum, value_name = "LANGUAGE", default_value = "rust", hide_possible_values = true)]
    lang: Language,
    /// The app's id; without it, one below com.example.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// Does it.
pub fn execute(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let id = create(&args.path, args.id.as_deref(), args.lang)?;
    let folder = args.path.display();
    terminal.notice(&format!("made `{folder}`, the app {id}"));
    super::super::print(&format!(
        "Its test:     cd {folder} && {}\nIs it right:  nacre app check {folder}\nIts package:  nacre app build {folder}\n",
        args.lang.test_command()
    ))
}
