//! `nacre app build`: from an app's folder to a signed package.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use nacre_seccomp_policy::Denials;

use super::check::Checked;
use crate::build::{Package, Packer};
use crate::cache::Cache;
use crate::failure::{Exit, Failure, OrFail};
use crate::keys::{KeyStore, Role};
use crate::programs::Program;
use crate::sizes::AppSize;
use crate::terminal::Terminal;
use crate::toolchain::{Architecture, Optimization, Toolchain};

/// A package that was written.
#[derive(Debug)]
pub struct Made {
    /// Its file.
    pub path: PathBuf,
    /// How large it is.
    pub size: AppSize,
}

/// Where a package is written when nobody says: `out/<id>-<architecture>.app`.
pub fn default_path(checked: &Checked) -> PathBuf {
    PathBuf::from(format!("out/{}-{}.app", checked.app.manifest.app, checked.board.arch))
}

/// Builds and signs a package, and writes it in one step.
///
/// # Errors
/// 65 with the compiler's words if the sources are refused; 66 if a tool or the key set is missing.
pub fn make(checked: &Checked, keys: &str, out: &Path, terminal: &Terminal) -> Result<Made, Failure> {
    Program::MkfsErofs.find()?;
    let (keys, made) = KeyStore::open()?.load_or_create_development(keys)?;
    if made {
        terminal.notice(&format!("made the key set `{}` in `{}`", keys.name, keys.path.display()));
    }
    let key = keys.private(Role::App)?;
    let app = &checked.app;
    let folder = app
        .folder
        .canonicalize()
        .or_fail(Exit::NotFound, || format!("can't find `{}`", app.folder.display()))?;
    let toolchain = Toolchain::find(Architecture::of(checked.board.arch), &Cache::open()?, &folder)?;
    let parent = match out.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let step = || format!("can't write `{}`", out.display());
    fs::create_dir_all(parent).or_fail(Exit::TryAgain, step)?;
    let scratch =
        tempfile::tempdir().or_fail(Exit::TryAgain, || "can't make a folder to work in".to_owned())?;
    let packer = Packer {
        toolchain: &toolchain,
        optimization: Optimization::WholeProgram,
        denials: Denials::Notify,
        key: &key,
        trusted: &keys.set.app_keys(),
        scratch: scratch.path(),
        terminal,
    };
    let package = Package::build(app, &packer)?;
    let mut fresh = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(parent)
        .or_fail(Exit::TryAgain, step)?;
    fresh.write_all(&package.archive).or_fail(Exit::TryAgain, step)?;
    fresh.persist(out).or_fail(Exit::TryAgain, step)?;
    if keys.set.development {
        terminal.warning("signed with development keys, which anybody may hold: for development only");
    }
    Ok(Made { path: out.to_owned(), size: package.size() })
}
