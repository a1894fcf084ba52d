//! The checkout that holds the sources of the device's programs, boards and kernel fragments.

use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure};

/// A checkout of Nacre.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// `$NACRE_SOURCE`, else the nearest checkout above one of `starts`, in that order, else the one that this program
    /// was built in.
    pub fn find(starts: &[&Path]) -> Result<Self, Failure> {
        if let Some(named) = std::env::var_os("NACRE_SOURCE").filter(|v| !v.is_empty()) {
            let root = PathBuf::from(named);
            return match is_checkout(&root).then(|| root.canonicalize()) {
                Some(Ok(root)) => Ok(Self { root }),
                _ => Err(Failure::new(
                    Exit::NotFound,
                    format!("NACRE_SOURCE is `{}`, which is not a checkout of Nacre", root.display()),
                )
                .hint("set it to the folder of your checkout, or unset it and work inside the checkout")),
            };
        }
        let own = std::env::current_exe().ok();
        let starts = starts.iter().copied().chain(own.as_deref());
        if let Some(found) = Self::above(starts) {
            return Ok(found);
        }
        Err(Failure::new(Exit::NotFound, "found no checkout of Nacre above the recipe or the current folder")
            .hint("set NACRE_SOURCE to the folder of your checkout"))
    }

    fn above<'p>(starts: impl Iterator<Item = &'p Path>) -> Option<Self> {
        starts.filter_map(|start| start.canonicalize().ok()).find_map(|start| {
            let root = start.ancestors().find(|folder| is_checkout(folder))?;
            Some(Self { root: root.to_owned() })
        })
    }

    /// Where it has, or would have, the description of a board.
    pub fn board_file(&self, board: &str) -> PathBuf {
        self.root.join("recipes/boards").join(format!("{board}.yaml"))
    }

    /// Its top folder, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

fn is_checkout(folder: &Path) -> bool {
    folder.join("image-builder").is_dir()
        && folder.join("kernel-config").is_dir()
        && std::fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|t| t.contains("[workspace]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspace_above_a_nested_folder_is_found() {
        let top = tempfile::tempdir().unwrap();
        for folder in ["image-builder", "kernel-config", "recipes/images"] {
            std::fs::create_dir_all(top.path().join(folder)).unwrap();
        }
        let nested = top.path().join("recipes/images");
        let find = || Workspace::above([Path::new("/nonexistent"), &nested].into_iter());
        assert!(find().is_none(), "no Cargo.toml yet");
        std::fs::write(top.path().join("Cargo.toml"), "[workspace]\n").unwrap();
        assert_eq!(find().unwrap().root(), top.path().canonicalize().unwrap());
    }
}
