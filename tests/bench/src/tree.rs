//! A copy of the checkout, in which sources are changed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;

/// Not part of the sources.
const LEFT_OUT: [&str; 2] = ["target", "out"];

/// Makes the copy anew. It is made in the same place each time, where cargo finds what it built before.
pub(crate) fn copy_checkout(from: &Path, to: &Path) -> Result<PathBuf> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    copy_folder(from, to)?;
    Ok(to.to_owned())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|other| name == *other) || name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let (source, target, kind) = (entry.path(), to.join(&name), entry.file_type()?);
        if kind.is_dir() {
            copy_folder(&source, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target).map_err(|error| format!("copy {}: {error}", source.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_has_the_sources_and_not_what_was_built() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        for file in ["a/source.rs", "target/debug/a", "out/disk.img", ".git/config"] {
            fs::create_dir_all(from.join(file).parent().unwrap()).unwrap();
            fs::write(from.join(file), file).unwrap();
        }
        let to = folder.path().join("to");
        fs::create_dir_all(to.join("stale")).unwrap();
        let copy = copy_checkout(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(copy.join("a/source.rs")).unwrap(), "a/source.rs");
        for gone in ["target", "out", ".git", "stale"] {
            assert!(!copy.join(gone).exists(), "{gone}");
        }
    }
}
