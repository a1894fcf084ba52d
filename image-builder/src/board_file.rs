//! The board's description in an output folder. The slot's signature covers its bytes, because it says which
//! program `nacre run` starts, and with which arguments.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use nacre_manifest::board::{self, Board};
use nacre_verify::digest::Digest;

use crate::failure::{Exit, Failure, OrFail};

/// Its name in the output folder.
pub const FILE_NAME: &str = "board.yaml";

/// Most bytes that are read: far more than a board may have, so that a longer file never has a signed digest.
const MAX_BYTES: u64 = 1 << 20;

/// Bytes of a board's description; nothing in them is looked at before they are known to be signed.
#[derive(Debug)]
pub struct BoardFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl BoardFile {
    /// Reads the file once: what is compared is what is parsed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// SHA-256 of its bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Parses it.
    ///
    /// # Errors
    /// When it is not a board.
    pub fn parse(&self) -> Result<Board, Failure> {
        let name = self.path.display().to_string();
        let text =
            std::str::from_utf8(&self.bytes).or_fail(Exit::BadInput, || format!("`{name}` is not text"))?;
        Ok(board::parse(text, &name)?)
    }
}

/// A board's description that is not the one of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{FILE_NAME}` is not the one that the image was signed with: SHA-256 {found}, signed {signed}")]
pub struct BoardFileError {
    /// SHA-256 of the file.
    pub found: Digest,
    /// SHA-256 that the slot's signature covers.
    pub signed: Digest,
}

/// Compares a board's description with the signed digest.
///
/// # Errors
/// When it is another one.
pub fn check(found: Digest, signed: Digest) -> Result<(), BoardFileError> {
    if found == signed { Ok(()) } else { Err(BoardFileError { found, signed }) }
}
