//! Pinning a kernel source: its hash into the lock.

use std::io;
use std::path::{Path, PathBuf};

use crate::cache::{KernelCache, write_whole};
use crate::hash::file_sha256;
use crate::lock::{LoadLockError, Lock, LockedSource, Origin};
use crate::progress::Progress;
use crate::source::{
    ResolvedSource, UnpackSourceError, debian_tarball, installed_version, unpack, upstream_version,
};

/// The package that a new lock pins.
const DEFAULT_PACKAGE: &str = "linux-source-6.12";

/// What was pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The source.
    pub source: LockedSource,
    /// Whether the lock had it already.
    pub unchanged: bool,
}

/// Why a source could not be pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinKernelError {
    /// The lock that is there is not one.
    #[error(transparent)]
    Load(#[from] LoadLockError),
    /// The package is not installed.
    #[error("the package {package} is not installed")]
    NotInstalled {
        /// Its name.
        package: String,
    },
    /// The tarball is not readable.
    #[error("read the kernel source {}", path.display())]
    Read {
        /// The tarball.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The tarball can't be unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackSourceError),
    /// The tarball is not a kernel's.
    #[error("{} is not the source of a kernel: its Makefile has no VERSION", path.display())]
    NotAKernel {
        /// The tarball.
        path: PathBuf,
    },
    /// The lock could not be written.
    #[error("write the kernel lock {}", path.display())]
    Write {
        /// The lock.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Adds a source to a lock, which is made if it isn't there: the given tarball, or the tarball of the
/// lock's Debian package as it is installed. Sources that were pinned before stay good.
///
/// # Errors
/// The package is not installed, the tarball is not a kernel, the lock is not one or can't be written.
pub fn pin(
    lock_path: &Path,
    tarball: Option<&Path>,
    cache: &Path,
    progress: &Progress,
) -> Result<Pinned, PinKernelError> {
    let mut lock = if lock_path.exists() {
        Lock::load(lock_path)?
    } else {
        Lock { accept_newer_package: true, sources: Vec::new() }
    };
    let source = match tarball {
        Some(tarball) => of_tarball(tarball, cache, progress)?,
        None => of_package(&lock)?,
    };
    let unchanged = lock.sources.contains(&source);
    if !unchanged {
        // The newest first: its place is named where nothing is installed.
        lock.sources.insert(0, source.clone());
        lock.text()
            .map_err(io::Error::from)
            .and_then(|text| write_whole(lock_path, text.as_bytes()))
            .map_err(|source| PinKernelError::Write { path: lock_path.to_owned(), source })?;
    }
    Ok(Pinned { source, unchanged })
}

fn of_package(lock: &Lock) -> Result<LockedSource, PinKernelError> {
    let packages = lock.sources.iter().filter_map(|source| match &source.origin {
        Origin::DebianPackage { name, .. } => Some(name.as_str()),
        Origin::Tarball { .. } => None,
    });
    let name = packages.into_iter().next().unwrap_or(DEFAULT_PACKAGE).to_owned();
    let Some(version) = installed_version(&name) else {
        return Err(PinKernelError::NotInstalled { package: name });
    };
    let path = debian_tarball(&name);
    let sha256 = file_sha256(&path).map_err(|source| PinKernelError::Read { path, source })?;
    Ok(LockedSource {
        version: upstream_version(&version),
        sha256,
        origin: Origin::DebianPackage { name, version },
    })
}

fn of_tarball(tarball: &Path, cache: &Path, progress: &Progress) -> Result<LockedSource, PinKernelError> {
    let read = |source| PinKernelError::Read { path: tarball.to_owned(), source };
    let path = tarball.canonicalize().map_err(read)?;
    let sha256 = file_sha256(&path).map_err(read)?;
    let mut resolved =
        ResolvedSource { tarball: path.clone(), sha256, version: String::new(), warning: None };
    let tree = unpack(&resolved, &KernelCache::new(cache), progress)?;
    let makefile = std::fs::read_to_string(tree.join("Makefile")).unwrap_or_default();
    resolved.version =
        makefile_version(&makefile).ok_or(PinKernelError::NotAKernel { path: path.clone() })?;
    Ok(LockedSource { version: resolved.version, sha256: resolved.sha256, origin: Origin::Tarball { path } })
}

/// `6.12.117` of a kernel's Makefile.
fn makefile_version(makefile: &str) -> Option<String> {
    let value = |name: &str| {
        makefile
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='))
            .map(str::trim)
    };
    let (version, patch) = (value("VERSION")?, value("PATCHLEVEL")?);
    Some(match value("SUBLEVEL") {
        Some(sublevel) if !sublevel.is_empty() && sublevel != "0" => format!("{version}.{patch}.{sublevel}"),
        _ => format!("{version}.{patch}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makefile_version_is_read() {
        for (makefile, version) in [
            ("# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\n", Some("6.12.117")),
            ("VERSION = 7\nPATCHLEVEL = 0\nSUBLEVEL = 0\n", Some("7.0")),
            ("all:\n", None),
        ] {
            assert_eq!(makefile_version(makefile).as_deref(), version);
        }
    }

    #[test]
    fn pin_of_something_else_leaves_the_lock_alone() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let tarball = dir.path().join("x.tar");
        let packed = std::process::Command::new("tar")
            .arg("-cf")
            .arg(&tarball)
            .args(["-C", "/", "etc/hostname"])
            .status()?;
        assert!(packed.success());
        let lock = dir.path().join("kernel.lock");
        let refused = pin(&lock, Some(&tarball), dir.path(), &Progress::silent());
        assert!(matches!(refused, Err(PinKernelError::NotAKernel { .. })), "{refused:?}");
        assert!(!lock.exists());
        Ok(())
    }
}
