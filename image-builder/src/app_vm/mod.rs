//! One app in a VM: on a generic image that has no apps of its own, sideloaded as onto any device.
//!
//! - [`machine`]: the generic image of a board, and the VM that boots it.
//! - [`follow`]: an app's log, until the app ends.
//! - [`watch`]: whether a source has changed.

pub mod follow;
pub mod machine;
pub mod watch;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::app_project::check::{Checked, Request, check};
use crate::app_project::make::{Style, make_as};
use crate::failure::{Exit, Failure, OrFail};
use crate::keys::DEVELOPMENT;
use crate::package_file::open::PackageFile;
use crate::terminal::Terminal;

/// How long the device may take to hash an image and to stop the old app.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A package for the VM, and how long it took to make.
#[derive(Debug)]
pub struct Fresh {
    /// The package.
    pub package: PackageFile,
    /// Compiling, packing and signing.
    pub built_in: Duration,
    /// What the app may use of its board, and the app itself.
    pub checked: Checked,
}

/// Checks an app and builds it for a development image: quickly, and so that denials are explained.
///
/// # Errors
/// Everything that is wrong with it.
pub fn build(app: PathBuf, board: Option<String>, terminal: &Terminal) -> Result<Fresh, Failure> {
    let begin = Instant::now();
    let checked = check(&Request { app, board, recipe: None })?;
    terminal.print(&checked.warnings);
    let folder =
        tempfile::tempdir().or_fail(Exit::TryAgain, || "can't make a folder to work in".to_owned())?;
    let out = folder.path().join("app.app");
    make_as(Style::Development, &checked, DEVELOPMENT, &out, terminal)?;
    let package =
        PackageFile::read(&out).or_fail(Exit::Internal, || "can't read what was built".to_owned())?;
    Ok(Fresh { package, built_in: begin.elapsed(), checked })
}
