//! What is to run: an app's folder or manifest, or a package.

use std::fs;
use std::path::{Path, PathBuf};

use nacre_manifest::app::{self, AppSource};
use nacre_manifest::arch::Arch;
use nacre_manifest::device::{Manifest, Network};

use crate::build::{Files, files};
use crate::failure::{Exit, Failure, OrFail};
use crate::package_file::open::PackageFile;
use crate::programs::{self, Program};
use crate::terminal::Terminal;
use crate::toolchain::Architecture;

use super::programs::{Places, compile};

/// An app that this machine can run.
#[derive(Debug)]
pub struct Subject {
    /// What it may do.
    pub manifest: Manifest,
    /// Its files.
    pub files: Files,
    /// Where some of them lie on this machine.
    pub(super) places: Places,
    /// Its filter, where that comes with it.
    pub filter: Option<Vec<u8>>,
    /// Where it is.
    pub near: PathBuf,
    /// The manifest as its author wrote it, where there is one.
    pub source: Option<AppSource>,
}

/// Reads it, and compiles what has to be.
///
/// # Errors
/// 65 if it is wrong or the compiler refuses it; 66 if it is not there; 64 if it is for another architecture.
pub fn open(path: &Path, terminal: &Terminal) -> Result<Subject, Failure> {
    if std::env::consts::ARCH != "x86_64" {
        let what = format!("this machine is of {}, and apps run on x86_64 here", std::env::consts::ARCH);
        return Err(Failure::new(Exit::Refused, what).hint("run it in a VM instead: nacre run"));
    }
    let is_package = path.is_file() && path.extension().is_none_or(|extension| extension != "yaml");
    if is_package { package(path) } else { source(app::load(path)?, terminal) }
}

/// An app as its author has it.
pub(crate) fn source(app: AppSource, terminal: &Terminal) -> Result<Subject, Failure> {
    let architecture = Architecture::of(Arch::X86_64);
    let (programs, places) = compile(&app, architecture, terminal)?;
    let mut files = files(&app, programs, architecture)?;
    files.extend(resolver(app.manifest.network.as_ref()));
    let manifest = app.manifest.clone();
    Ok(Subject { manifest, files, places, filter: None, near: app.folder.clone(), source: Some(app) })
}

/// A package: the very files and filter that a device would get.
fn package(path: &Path) -> Result<Subject, Failure> {
    let package = PackageFile::read(path).map_err(|error| Failure::from_error(Exit::BadInput, error))?;
    if !package.image_fits() {
        let what = format!("`{}`: its files are not those that were signed", path.display());
        return Err(Failure::new(Exit::VerificationFailed, what).hint("build it again: nacre app build"));
    }
    let architecture = Architecture::of(Arch::X86_64);
    let payload = &package.content.payload;
    if payload.arch != architecture.signed {
        let what = format!("`{}` is for {}, and this machine is not", path.display(), payload.arch);
        return Err(Failure::new(Exit::Refused, what)
            .hint("build it for this one: nacre app build --board qemu-x86_64"));
    }
    let manifest = package.content.manifest.clone();
    let mut files = unpack(&package.image)?;
    files.extend(resolver(manifest.network.as_ref()));
    let filter = Some(payload.filter.clone());
    Ok(Subject { manifest, files, places: Places::new(), filter, near: path.to_owned(), source: None })
}

/// The files below `/app` of a package's filesystem.
fn unpack(image: &[u8]) -> Result<Files, Failure> {
    let step = || "can't unpack the app's filesystem".to_owned();
    let scratch = tempfile::tempdir().or_fail(Exit::TryAgain, step)?;
    let (file, folder) = (scratch.path().join("app.img"), scratch.path().join("tree"));
    fs::write(&file, image).or_fail(Exit::TryAgain, step)?;
    let mut unpack = Program::FsckErofs.command()?;
    unpack.arg(format!("--extract={}", folder.display())).args(["--no-preserve-owner", "--preserve-perms"]);
    programs::run(unpack.arg(&file), step)?;
    let mut files = Files::new();
    walk(&folder.join("app"), "/app", &mut files).or_fail(Exit::BadInput, step)?;
    Ok(files)
}

/// Folders and files only: whatever else a package holds, a device's app can do nothing with it.
fn walk(folder: &Path, inside: &str, files: &mut Files) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let inside = format!("{inside}/{}", entry.file_name().display());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &inside, files)?;
        } else if kind.is_file() {
            let program = entry.metadata()?.permissions().mode() & 0o111 != 0;
            files.insert(inside, (program, fs::read(entry.path())?));
        }
    }
    Ok(())
}

/// What this machine resolves names with: there is no resolver of the OS here.
fn resolver(network: Option<&Network>) -> Files {
    let wanted = network.is_some_and(Network::has_names);
    let names = ["/etc/resolv.conf", "/etc/hosts"].into_iter().filter(|_| wanted);
    names.filter_map(|name| Some((name.to_owned(), (false, fs::read(name).ok()?)))).collect()
}
