//! `nacre build`.

use std::path::PathBuf;

use crate::build::{self, Request};
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::keys::DEVELOPMENT;
use crate::terminal::Terminal;

const EXAMPLES: &str = "Examples:
  nacre build recipes/images/demo.yaml
  nacre build recipes/images/demo.yaml --out /tmp/demo --keys factory

The folder gets slot.img, disk.img, board.yaml, sizes.json and one .app file for
each app. It is put in its place when everything is done; what was there stays
until then.

Kernel, standard library, dependencies and programs are kept in $NACRE_CACHE,
else $XDG_CACHE_HOME/nacre, else ~/.cache/nacre, and made again when what they
are made of changes.

Apps are compiled quickly for an image with `profile: development`, and to be
small for one with `profile: production`.";

/// Arguments of `nacre build`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The image's recipe.
    #[arg(value_name = "IMAGE.yaml")]
    recipe: PathBuf,
    /// Build for this board instead of the recipe's.
    #[arg(long, value_name = "BOARD")]
    board: Option<String>,
    /// Folder to make; `out/<image>-<board>` without it.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Key set that signs the image.
    #[arg(long, value_name = "NAME", default_value = DEVELOPMENT)]
    keys: String,
}

/// Does it.
pub fn execute(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let interrupts = Interrupts::catch()?;
    let request = Request { recipe: args.recipe, board: args.board, out: args.out, keys: args.keys };
    let built = build::build(&request, terminal, &interrupts)?;
    super::print(&built.sizes.table())?;
    terminal.notice(&format!("built `{}`", built.folder.display()));
    Ok(())
}
