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

/// What no image has that Nacre made, each with its remedy: a package that was built with something else, or to deceive.
pub(crate) fn oddities(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, entry) in tree {
        let odd = match entry.kind {
            "special file" => "is a device, a pipe or a socket; the device doesn't let it be opened as one",
            "link" => "is a link; Nacre packs files",
            _ if !entry.mode.starts_with('0') => {
                "has a set-id or sticky bit; the device ignores it, and nobody needs it"
            }
            "file" | "folder" if entry.mode != "0644" && entry.mode != "0755" => {
                "has a mode that Nacre doesn't give"
            }
            _ => continue,
        };
        found.push(format!("{path} {odd}."));
    }
    found
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
