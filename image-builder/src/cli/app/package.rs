//! What the commands on package files have in common: reading one, and saying why not.

use std::path::Path;

use nacre_diag::Colour;

use crate::failure::{Exit, Failure};
use crate::inspect::subject::FindSubjectsError;
use crate::package_file::open::{PackageFile, ReadPackageError};
use crate::terminal::Terminal;

/// Reads a package, whoever signed it.
pub(in crate::cli) fn read(path: &Path) -> Result<PackageFile, Failure> {
    PackageFile::read(path).map_err(failure)
}

/// The same error with its exit code and what helps.
pub(super) fn failure(error: ReadPackageError) -> Failure {
    let exit = match &error {
        ReadPackageError::Find(FindSubjectsError::Missing(_)) => Exit::NotFound,
        ReadPackageError::Find(FindSubjectsError::Io { .. }) | ReadPackageError::Io { .. } => Exit::TryAgain,
        _ => Exit::BadInput,
    };
    let hint = match &error {
        ReadPackageError::Find(FindSubjectsError::Io { .. }) | ReadPackageError::Io { .. } => None,
        ReadPackageError::Find(_) => Some("name an .app file, as `nacre build` leaves it beside the image"),
        ReadPackageError::Other { .. } => Some("`nacre image` has the same commands for whole images"),
        ReadPackageError::TooLarge { .. } | ReadPackageError::Content { .. } => {
            Some("get it again from who made it, or build it again")
        }
    };
    let failure = Failure::from_error(exit, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Whether what goes to stdout is coloured.
pub(super) fn colour(terminal: &Terminal) -> Colour {
    if terminal.stdout_color { Colour::On } else { Colour::Off }
}
