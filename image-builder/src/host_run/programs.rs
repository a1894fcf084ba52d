//! An app's programs for this machine, compiled when their sources have changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nacre_manifest::app::{AppSource, BIN_FOLDER, Build, C_FOLDER};

use crate::build::{Maker, Programs};
use crate::cache::Cache;
use crate::failure::{Exit, Failure, OrFail};
use crate::terminal::Terminal;
use crate::toolchain::{Architecture, Kept, Optimization, Sources, Toolchain, Watch};

/// Where on this machine the content of a file is, by the file's path in the image.
pub(super) type Places = BTreeMap<String, PathBuf>;

/// They are to be there soon, as in a development image.
const QUICK: Optimization = Optimization::EachCrate;

/// Compiles what its manifest says, if it must be.
pub(super) fn compile(
    app: &AppSource,
    architecture: &'static Architecture,
    terminal: &Terminal,
) -> Result<(Programs, Places), Failure> {
    let folder = app
        .folder
        .canonicalize()
        .or_fail(Exit::NotFound, || format!("can't find `{}`", app.folder.display()))?;
    let cache = Cache::open()?;
    let (how, package) = match &app.build {
        Build::None => return Ok((Programs::new(), Places::new())),
        Build::Cargo { package } => ("cargo", package.as_deref().unwrap_or_default()),
        // Its one program has the name that `run` gives it.
        Build::C => ("c", app.program()),
        // What it looks at can't be known.
        Build::Command(_) => {
            let scratch = scratch()?;
            let maker = Maker { toolchain: None, architecture, optimization: QUICK, terminal };
            return Ok((maker.compile(app, scratch.path())?, Places::new()));
        }
    };
    let kept = Kept::of(&cache, &["app", &folder.to_string_lossy(), how, package]);
    if let Some(known) = kept.recall() {
        let programs = known.iter().map(|(name, path)| Ok((name.clone(), read(path)?)));
        return Ok((programs.collect::<Result<_, Failure>>()?, places(known)));
    }
    let toolchain = match &app.build {
        Build::Cargo { .. } => Some(Toolchain::find(architecture, &cache, &folder)?),
        _ => None,
    };
    let maker = Maker { toolchain: toolchain.as_ref(), architecture, optimization: QUICK, terminal };
    let watch = Watch::begin();
    let programs = maker.compile(app, scratch()?.path())?;
    let sources = match &toolchain {
        None => Sources::of_c(architecture, &folder.join(C_FOLDER)),
        Some(toolchain) => {
            let packages: Vec<&str> = Some(package).filter(|name| !name.is_empty()).into_iter().collect();
            toolchain.sources(&maker.job(app, &packages), programs.keys().map(String::as_str))
        }
    };
    let kept = kept.keep(&programs, sources, &watch)?;
    Ok((programs, places(kept)))
}

fn scratch() -> Result<tempfile::TempDir, Failure> {
    tempfile::tempdir().or_fail(Exit::TryAgain, || "can't make a folder to work in".to_owned())
}

/// By their paths in the image.
fn places(kept: BTreeMap<String, PathBuf>) -> Places {
    kept.into_iter().map(|(name, path)| (format!("{BIN_FOLDER}/{name}"), path)).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).or_fail(Exit::Internal, || format!("can't read `{}`", path.display()))
}
