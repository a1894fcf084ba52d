//! Where the host keeps what can be made again: `$NACRE_CACHE`, else `$XDG_CACHE_HOME/nacre`, else
//! `~/.cache/nacre`.

use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure, OrFail};

/// The cache folder.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Finds the folder and makes it if it isn't there.
    pub fn open() -> Result<Self, Failure> {
        let root = user_folder("NACRE_CACHE", "XDG_CACHE_HOME", ".cache", Path::new("nacre"))?;
        std::fs::create_dir_all(&root)
            .or_fail(Exit::Internal, || format!("can't make the cache folder `{}`", root.display()))
            .map_err(|failure| failure.hint("set NACRE_CACHE to a folder that you can write to"))?;
        Ok(Self { root })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a folder inside is, or would be.
    pub fn place(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(name)
    }

    /// A folder inside, made if it isn't there.
    pub fn folder(&self, name: impl AsRef<Path>) -> Result<PathBuf, Failure> {
        let path = self.place(name);
        std::fs::create_dir_all(&path)
            .or_fail(Exit::Internal, || format!("can't make the cache folder `{}`", path.display()))?;
        Ok(path)
    }
}

/// `$own`, else `$xdg/inside`, else `~/fallback/inside` (XDG Base Directory Specification: relative
/// values of its variables are ignored). A relative `$own` is taken from the current folder.
pub(crate) fn user_folder(own: &str, xdg: &str, fallback: &str, inside: &Path) -> Result<PathBuf, Failure> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let found = set(own)
        .or_else(|| set(xdg).filter(|p| p.is_absolute()).map(|p| p.join(inside)))
        .or_else(|| set("HOME").map(|p| p.join(fallback).join(inside)));
    let path = found.ok_or_else(|| {
        Failure::new(Exit::Internal, format!("neither {own}, {xdg} nor HOME is set"))
            .hint(format!("set {own} to a folder that you can write to"))
    })?;
    std::path::absolute(&path).or_fail(Exit::Internal, || format!("can't resolve `{}`", path.display()))
}
