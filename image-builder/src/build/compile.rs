//! An app's programs, in the way that its manifest says.

use std::fs;
use std::path::Path;

use nacre_diag::Diagnostic;
use nacre_manifest::app::{AppSource, BIN_FOLDER, Build, C_FOLDER};

use super::command;
use super::package::Programs;
use crate::failure::{Exit, Failure, OrFail};
use crate::progress::Step;
use crate::terminal::Terminal;
use crate::toolchain::{self, Architecture, Job, Optimization, Toolchain};

/// What apps are compiled with.
#[derive(Debug, Clone, Copy)]
pub struct Maker<'a> {
    /// Compiles crates; what has none needs no compiler of Rust.
    pub toolchain: Option<&'a Toolchain>,
    /// What the programs are for.
    pub architecture: &'static Architecture,
    /// How.
    pub optimization: Optimization,
    /// Where the progress is shown.
    pub terminal: &'a Terminal,
}

impl Maker<'_> {
    /// Makes the programs; none with `build: none`. `scratch` is a folder for what is needed on the way.
    ///
    /// # Errors
    /// When there are no sources, or the compiler refuses them.
    pub fn compile(&self, app: &AppSource, scratch: &Path) -> Result<Programs, Failure> {
        compile(app, self, scratch)
    }

    /// What cargo is asked for to compile an app.
    pub fn job<'j>(&self, app: &'j AppSource, packages: &'j [&'j str]) -> Job<'j> {
        let optimization = self.optimization;
        Job { folder: &app.folder, packages, features: &[], locked: false, optimization }
    }
}

fn compile(app: &AppSource, maker: &Maker, scratch: &Path) -> Result<Programs, Failure> {
    match &app.build {
        Build::Cargo { package } => compile_crate(app, package.as_deref(), maker, scratch),
        Build::C => compile_c(app, maker, scratch),
        Build::Command(words) => {
            let step = Step::begin(maker.terminal, format!("building {}", app.manifest.app.short()));
            command::run(app, words, maker.architecture, scratch, (&step, maker.terminal))
        }
        Build::None => Ok(Programs::new()),
    }
}

fn compile_crate(
    app: &AppSource,
    package: Option<&str>,
    maker: &Maker,
    scratch: &Path,
) -> Result<Programs, Failure> {
    if !app.folder.join("Cargo.toml").is_file() {
        let what = format!("`build: cargo`, but there is no Cargo.toml in `{}`", app.folder.display());
        let hint = "put the crate there, or write `build: none` and list the program under `files`";
        return Err(Diagnostic::error(Exit::NotFound, what)
            .at(app.places.build.clone())
            .with_hint(hint)
            .into());
    }
    let toolchain = maker
        .toolchain
        .ok_or_else(|| Failure::new(Exit::Internal, "a crate is built without a compiler of Rust"))?;
    let step = Step::begin(maker.terminal, format!("building {}", app.manifest.app.short()));
    let packages: Vec<&str> = package.into_iter().collect();
    toolchain
        .build(&maker.job(app, &packages), &scratch.join("bin"), &step)?
        .into_iter()
        .map(|(name, path)| Ok((name, read(&path)?)))
        .collect()
}

fn compile_c(app: &AppSource, maker: &Maker, scratch: &Path) -> Result<Programs, Failure> {
    let sources = app.folder.join(C_FOLDER);
    if !sources.is_dir() {
        let what = format!("`build: c`, but there is no folder `{C_FOLDER}` in `{}`", app.folder.display());
        let found = Diagnostic::error(Exit::NotFound, what).at(app.places.build.clone());
        return Err(found.with_hint("put the C sources there").into());
    }
    let _step = Step::begin(maker.terminal, format!("building {}", app.manifest.app.short()));
    let folder = scratch.join("bin");
    fs::create_dir_all(&folder).or_fail(Exit::Internal, || format!("can't make `{}`", folder.display()))?;
    let path = folder.join("program");
    toolchain::c::build(maker.architecture, &sources, &path)?;
    let name = app.program().strip_prefix(BIN_FOLDER).unwrap_or_default().trim_start_matches('/');
    Ok(Programs::from([(name.to_owned(), read(&path)?)]))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).or_fail(Exit::Internal, || format!("can't read `{}`", path.display()))
}
