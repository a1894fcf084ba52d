//! `nacre schema`: what an editor wants to know of our YAML.

use nacre_manifest::schema::{Kind, json_schema};

use crate::failure::Failure;

const EXAMPLES: &str = "Examples:
  nacre schema app > .nacre/app.schema.json
  nacre schema board

An editor with yaml-language-server completes and checks a file whose first line
names the schema:
  # yaml-language-server: $schema=.nacre/app.schema.json
`nacre app new` writes both. What a schema can't say, `nacre app check` finds.";

/// Arguments of `nacre schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What the file describes: app, image or board.
    #[arg(value_name = "KIND", value_enum, hide_possible_values = true)]
    kind: Word,
}

/// A kind of file, as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Word {
    App,
    Image,
    Board,
}

/// Does it.
pub fn execute(args: &Args) -> Result<(), Failure> {
    super::print(&json_schema::text(match args.kind {
        Word::App => Kind::App,
        Word::Image => Kind::Image,
        Word::Board => Kind::Board,
    }))
}
