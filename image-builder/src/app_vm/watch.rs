//! Whether a source has changed: by looking at it, which works on every filesystem and misses nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folders of a source that are made from it: as deep as they lie, nobody edits them.
const MADE: [&str; 3] = ["target", "out", "node_modules"];

/// Most files that are looked at: more is no app's source.
const MOST: usize = 20_000;

/// What a source looks like: when each file was changed, and its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Source {
    /// Looks at a folder. Hidden files and what is made from the source are left out; what can't be read is not there.
    pub fn look(folder: &Path) -> Self {
        let mut found = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir().into_iter().flatten().flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if name.starts_with('.') || name.ends_with('~') || found.len() >= MOST {
                    continue;
                }
                let path = entry.path();
                // Of a link, what it leads to counts if it is a file; a folder behind one is not followed.
                match (entry.file_type(), fs::metadata(&path)) {
                    (Ok(kind), _) if kind.is_dir() && MADE.contains(&&*name) => {}
                    (Ok(kind), _) if kind.is_dir() => folders.push(path),
                    (Ok(_), Ok(status)) if status.is_file() => {
                        found.insert(path, (status.modified().ok(), status.len()));
                    }
                    _ => {}
                }
            }
        }
        Self(found)
    }

    /// The first file that is there in only one of two looks, or another one.
    pub fn difference(&self, other: &Self) -> Option<PathBuf> {
        let changed = other.0.iter().find(|(path, state)| self.0.get(*path) != Some(state));
        changed
            .or_else(|| self.0.iter().find(|(path, _)| !other.0.contains_key(*path)))
            .map(|(path, _)| path.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_written_made_or_removed_differs_and_what_is_made_from_it_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["src", "target/debug", ".git"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("src/main.rs"), "one").unwrap();
        let before = Source::look(dir.path());
        for name in ["target/debug/x", ".git/index", "src/main.rs~", "src/.main.rs.swp"] {
            fs::write(at(name), "x").unwrap();
        }
        assert_eq!(before.difference(&Source::look(dir.path())), None);
        fs::write(at("src/main.rs"), "other").unwrap();
        let written = Source::look(dir.path());
        assert_eq!(before.difference(&written), Some(at("src/main.rs")));
        fs::write(at("nacre.yaml"), "x").unwrap();
        let made = Source::look(dir.path());
        assert_eq!(written.difference(&made), Some(at("nacre.yaml")));
        assert_eq!(made.difference(&written), Some(at("nacre.yaml")));
        assert_eq!(made.difference(&made), None);
    }
}
