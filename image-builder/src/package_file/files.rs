//! Files of an app's image. Only those of a verified package are read: the unpacker meets no hostile bytes.

use serde::Serialize;

use crate::diff::erofs;
use crate::diff::tree::{Entry, Tree};
use crate::inspect::check::explain;

/// A file of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppFile {
    /// Absolute path in the app's filesystem.
    pub path: String,
    /// `file`, `folder`, `link`, or what else it is.
    pub kind: &'static str,
    /// Permissions, octal.
    pub mode: String,
    /// Size; 0 of all but files.
    pub bytes: usize,
    /// Where a link leads.
    pub target: Option<String>,
}

impl AppFile {
    /// One entry of a tree.
    pub(crate) fn of(path: &str, entry: &Entry) -> Self {
        Self {
            path: path.to_owned(),
            kind: entry.kind,
            mode: entry.mode.clone(),
            bytes: entry.content.len(),
            target: entry.target.clone(),
        }
    }
}

/// Unpacks an image.
///
/// # Errors
/// Why not, on one line.
pub(crate) fn read(image: &[u8], verified: bool) -> Result<Tree, String> {
    if !verified {
        return Err("Not read: the package is not verified.".to_owned());
    }
    erofs::read(image).map_err(|failure| explain(&failure))
}
