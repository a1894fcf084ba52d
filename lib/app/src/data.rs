//! The app's own storage.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// The app's data folder: what is in it survives restarts, updates and power cuts, and nobody else sees it. Manifest:
/// `storage: { data: 64KiB }`, which is also the most that it holds (`EDQUOT` when it is full).
pub const FOLDER: &str = "/data";

/// Why something was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The manifest gives the app no storage.
    #[error("denied: save in {FOLDER} — set storage.data: 64KiB in nacre.yaml")]
    Denied(#[source] io::Error),
    /// It is a path, or no name at all.
    #[error("`{0}` is not the name of a file")]
    Name(String),
    /// Another reason: it is full, perhaps.
    #[error("save in {FOLDER}")]
    Write(#[source] io::Error),
}

/// Saves a file in the data folder, whole or not at all: a power cut at any moment leaves the old content or the new.
/// When this returns, the new one is on the disk. For a moment both are, so the storage must have room for it.
///
/// ```no_run
/// // nacre.yaml: storage: { data: 64KiB }
/// nacre_app::data::save("settings", b"every=5")?;
/// let settings = std::fs::read("/data/settings")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`SaveError`]; the old content is still there.
pub fn save(name: &str, content: &[u8]) -> Result<(), SaveError> {
    save_in(Path::new(FOLDER), name, content)
}

fn save_in(folder: &Path, name: &str, content: &[u8]) -> Result<(), SaveError> {
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err(SaveError::Name(name.to_owned()));
    }
    let fresh = folder.join(format!(".{name}.new"));
    let saved = File::create(&fresh).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&fresh, folder.join(name))?;
        File::open(folder)?.sync_all()
    });
    saved.map_err(|error| {
        // There may be none, if that is what failed.
        let _ = fs::remove_file(&fresh);
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotFound => {
                SaveError::Denied(error)
            }
            _ => SaveError::Write(error),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_saved_is_replaced_whole_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        for content in [&b"first"[..], b"2"] {
            save_in(folder.path(), "settings", content).unwrap();
            assert_eq!(fs::read(folder.path().join("settings")).unwrap(), content);
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
        fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(matches!(save_in(folder.path(), "taken", b"x"), Err(SaveError::Write(_))));
        assert_eq!(folder.path().read_dir().unwrap().count(), 2);
    }

    #[test]
    fn file_that_cannot_be_is_told_apart_from_storage_that_is_not_granted() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["", "a/b", "..", "."] {
            assert!(matches!(save_in(folder.path(), name, b""), Err(SaveError::Name(_))), "{name}");
        }
        let error = save_in(&folder.path().join("none"), "x", b"").unwrap_err();
        assert_eq!(error.to_string(), "denied: save in /data — set storage.data: 64KiB in nacre.yaml");
    }
}
