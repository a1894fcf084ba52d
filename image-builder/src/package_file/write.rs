//! Putting a file in its place in one step: what was there stays whole until the new one is.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure, OrFail};

/// Writes a file beside its place and renames it. Keeps the permissions of what was there.
///
/// # Errors
/// When it can't, or when there is something that is no file.
pub fn put(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let step = || format!("can't write `{}`", path.display());
    let elsewhere = |failure: Failure| failure.hint("name a file that you can write to with --out");
    // A link stays a link: what it leads to is what is replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = match fs::metadata(&target) {
        Ok(found) if !found.is_file() => {
            let failure =
                Failure::new(Exit::Refused, format!("`{}` is there and is no file", path.display()));
            return Err(elsewhere(failure));
        }
        Ok(found) => found.permissions().mode() & 0o777,
        Err(_) => 0o644,
    };
    let write = || {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let mut fresh =
            tempfile::Builder::new().prefix(&format!(".{name}.new-")).tempfile_in(folder(&target))?;
        fresh.write_all(content)?;
        fresh.as_file().set_permissions(Permissions::from_mode(mode))?;
        fresh.as_file().sync_all()?;
        fresh.persist(&target).map(drop).map_err(|failed| failed.error)
    };
    write().or_fail(Exit::Internal, step).map_err(elsewhere)
}

/// Whether two paths lead to the same file.
pub fn is_same(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_put_over_another_keeps_its_mode_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("x.app"), dir.path().join("link.app"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("x.app", &link).unwrap();
        put(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn file_put_where_it_cannot_be_says_so_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("folder");
        fs::create_dir(&folder).unwrap();
        assert_eq!(put(&folder, b"x").unwrap_err().exit(), Exit::Refused);
        assert_eq!(put(&dir.path().join("none/x"), b"x").unwrap_err().exit(), Exit::Internal);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
