//! An app developer's folder: begun from a template, checked against a board, built to a package.

pub mod check;
pub mod create;
pub mod make;
pub mod unused;

use std::path::Path;

use nacre_manifest::board::{self, Board};

use crate::failure::{Exit, Failure, OrFail};
use crate::workspace::Workspace;

/// The board that is meant when none is named.
pub const DEFAULT_BOARD: &str = "qemu-armv7";

/// A board by the name of one in the checkout, or by the path of its file.
fn find_board(name: &str, app: &Path) -> Result<Board, Failure> {
    let path = Path::new(name);
    if name.contains('/') || path.extension().is_some_and(|extension| extension == "yaml") {
        return Ok(board::load(path)?);
    }
    let here =
        std::env::current_dir().or_fail(Exit::Internal, || "can't find the current folder".to_owned())?;
    let file = Workspace::find(&[app, &here])?.board_file(name);
    if !file.is_file() {
        let mut there: Vec<String> = file
            .parent()
            .into_iter()
            .filter_map(|folder| folder.read_dir().ok())
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".yaml")?.to_owned()))
            .collect();
        there.sort();
        let failure = Failure::new(Exit::NotFound, format!("no board `{name}`"));
        return Err(match nacre_diag::did_you_mean(name, there.iter().map(String::as_str)) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint(format!(
                "boards that are there: {}; or name a board's file, like ./my-board.yaml",
                there.join(", ")
            )),
        });
    }
    Ok(board::load(&file)?)
}
