//! `nacre app build` and `nacre app pack`: from an app's folder to a signed package.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use nacre_diag::Report;
use nacre_manifest::app::Build;
use nacre_seccomp_policy::Denials;

use super::check::{Checked, default_package};
use crate::build::{Maker, Package, Packer, Programs, Seal};
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
    /// What its manifest asks for and its files don't seem to use.
    pub unused: Report,
    /// Whether anybody may hold the keys that signed it.
    pub development_keys: bool,
}

/// Where a package is written when nobody says: `out/<id>-<architecture>.app`.
pub fn default_path(checked: &Checked) -> PathBuf {
    default_package(&checked.app, &checked.board)
}

/// Builds and signs a package, and writes it in one step.
///
/// # Errors
/// 65 with the compiler's words if the sources are refused; 66 if a tool or the key set is missing.
pub fn make(checked: &Checked, keys: &str, out: &Path, terminal: &Terminal) -> Result<Made, Failure> {
    let made = make_as(Style::Shipped, checked, keys, out, terminal)?;
    warn_of_development_keys(&made, terminal);
    Ok(made)
}

/// How a package is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// To be small, for whom it may concern.
    Shipped,
    /// Quickly, for a development image, on which it is told what Landlock denies too.
    Development,
}

/// The same in a style, without a word about the keys.
///
/// # Errors
/// As [`make`].
pub fn make_as(
    style: Style,
    checked: &Checked,
    keys: &str,
    out: &Path,
    terminal: &Terminal,
) -> Result<Made, Failure> {
    let (optimization, denials) = match style {
        Style::Shipped => (Optimization::WholeProgram, Denials::Notify),
        Style::Development => (Optimization::EachCrate, Denials::NotifyAndWatch),
    };
    let app = &checked.app;
    let architecture = Architecture::of(checked.board.arch);
    sealed(checked, keys, denials, out, terminal, |seal| {
        let toolchain = match app.build {
            Build::Cargo { .. } => {
                let folder = app
                    .folder
                    .canonicalize()
                    .or_fail(Exit::NotFound, || format!("can't find `{}`", app.folder.display()))?;
                Some(Toolchain::find(architecture, &Cache::open()?, &folder)?)
            }
            Build::C | Build::Command(_) | Build::None => None,
        };
        let toolchain = toolchain.as_ref();
        let maker = Maker { toolchain, architecture, optimization, terminal };
        Package::build(app, &Packer { maker, seal })
    })
}

/// Signs a package of programs that are there, and writes it in one step.
///
/// # Errors
/// 65 if they can't run on the board; 66 if a tool or the key set is missing.
pub fn pack(
    checked: &Checked,
    programs: Programs,
    keys: &str,
    out: &Path,
    terminal: &Terminal,
) -> Result<Made, Failure> {
    let package = |seal: Seal<'_>| Package::pack(&checked.app, programs, &seal);
    let made = sealed(checked, keys, Denials::Notify, out, terminal, package)?;
    warn_of_development_keys(&made, terminal);
    Ok(made)
}

fn warn_of_development_keys(made: &Made, terminal: &Terminal) {
    if made.development_keys {
        terminal.warning("signed with development keys, which anybody may hold: for development only");
    }
}

fn sealed(
    checked: &Checked,
    keys: &str,
    denials: Denials,
    out: &Path,
    terminal: &Terminal,
    package: impl FnOnce(Seal<'_>) -> Result<Package, Failure>,
) -> Result<Made, Failure> {
    Program::MkfsErofs.find()?;
    let (keys, made) = KeyStore::open()?.load_or_create_development(keys)?;
    if made {
        terminal.notice(&format!("made the key set `{}` in `{}`", keys.name, keys.path.display()));
    }
    let key = keys.private(Role::App)?;
    let parent = match out.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let step = || format!("can't write `{}`", out.display());
    fs::create_dir_all(parent).or_fail(Exit::TryAgain, step)?;
    let scratch =
        tempfile::tempdir().or_fail(Exit::TryAgain, || "can't make a folder to work in".to_owned())?;
    let package = package(Seal {
        architecture: Architecture::of(checked.board.arch),
        denials,
        key: &key,
        trusted: &keys.set.app_keys(),
        scratch: scratch.path(),
    })?;
    let mut fresh = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(parent)
        .or_fail(Exit::TryAgain, step)?;
    fresh.write_all(&package.archive).or_fail(Exit::TryAgain, step)?;
    fresh.persist(out).or_fail(Exit::TryAgain, step)?;
    Ok(Made {
        path: out.to_owned(),
        size: package.size(),
        unused: package.unused().clone(),
        development_keys: keys.set.development,
    })
}
