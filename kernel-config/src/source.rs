//! The kernel's source: found, checked against the lock, unpacked once into the cache.

use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::cache::KernelCache;
use crate::hash::file_sha256_remembered;
use crate::lock::{LoadLockError, Lock, Origin};
use crate::make::no_space_in;
use crate::progress::Progress;

/// Where Debian's packages put kernel sources.
const DEBIAN_SOURCES: &str = "/usr/src";

/// How soon a wish to stop is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The sources that a lock allows.
#[derive(Debug, Clone)]
pub struct Source {
    lock: Lock,
    lock_path: PathBuf,
}

/// A tarball that the lock allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedSource {
    /// The tarball.
    pub tarball: PathBuf,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// The kernel's version.
    pub version: String,
    /// Set if the tarball isn't pinned but comes from a newer, unaltered package, which the lock accepts:
    /// a sentence to be shown as a warning.
    pub warning: Option<String>,
}

/// Why no tarball could be used.
#[derive(Debug, thiserror::Error)]
pub enum ResolveSourceError {
    /// None of the pinned tarballs is there.
    #[error("the kernel source {} is not there", path.display())]
    Missing {
        /// Where the first of them should be.
        path: PathBuf,
        /// The Debian package that would bring it.
        package: Option<String>,
    },
    /// Not readable.
    #[error("read the kernel source {}", path.display())]
    Read {
        /// The tarball.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is a tarball, but not one of the pinned.
    #[error("the kernel source {} has the wrong hash: pinned {}, got {got}", path.display(), pinned.join(" or "))]
    WrongHash {
        /// The tarball.
        path: PathBuf,
        /// The hashes that the lock has for it.
        pinned: Vec<String>,
        /// Its hash.
        got: String,
        /// The lock.
        lock: PathBuf,
    },
}

/// Why a source could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackSourceError {
    /// The cache can't be used.
    #[error("prepare {} for the kernel source", path.display())]
    Cache {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The disk is full.
    #[error("unpack the kernel source: no space left in {}", path.display())]
    NoSpace {
        /// The folder.
        path: PathBuf,
    },
    /// `tar` refused.
    #[error("unpack the kernel source {}: {message}", tarball.display())]
    Tar {
        /// The tarball.
        tarball: PathBuf,
        /// The first line that tar said.
        message: String,
    },
    /// Somebody asked to stop.
    #[error("unpack the kernel source: interrupted")]
    Cancelled,
}

impl Source {
    /// The sources of a lock file.
    ///
    /// # Errors
    /// See [`Lock::load`].
    pub fn from_lock(path: &Path) -> Result<Self, LoadLockError> {
        Ok(Self { lock: Lock::load(path)?, lock_path: path.to_owned() })
    }

    /// The hashes of all pinned sources.
    pub(crate) fn pinned(&self) -> impl Iterator<Item = &str> {
        self.lock.sources.iter().map(|source| source.sha256.as_str())
    }

    /// Finds a tarball that the lock allows. `cache` is the root of the host caches.
    ///
    /// # Errors
    /// No tarball is there, or one is there with another hash than the pinned.
    pub fn resolve(&self, cache: &Path) -> Result<ResolvedSource, ResolveSourceError> {
        let cache = KernelCache::new(cache);
        let mut refused = None;
        for source in &self.lock.sources {
            let path = self.path(&source.origin);
            if !path.exists() {
                continue;
            }
            let got = file_sha256_remembered(&path, &cache)
                .map_err(|source| ResolveSourceError::Read { path: path.clone(), source })?;
            if got == source.sha256 {
                let version = source.version.clone();
                return Ok(ResolvedSource { tarball: path, sha256: got, version, warning: None });
            }
            refused.get_or_insert((path, got));
        }
        let Some((path, got)) = refused else {
            let first = self.lock.sources.first().map(|source| &source.origin);
            return Err(ResolveSourceError::Missing {
                path: first.map(|origin| self.path(origin)).unwrap_or_default(),
                package: first.and_then(|origin| match origin {
                    Origin::DebianPackage { name, .. } => Some(name.clone()),
                    Origin::Tarball { .. } => None,
                }),
            });
        };
        if let Some(newer) = self.newer_package(&path, &got) {
            return Ok(newer);
        }
        let here = self.lock.sources.iter().filter(|source| self.path(&source.origin) == path);
        let pinned = here.map(|source| source.sha256.clone()).collect();
        Err(ResolveSourceError::WrongHash { path, pinned, got, lock: self.lock_path.clone() })
    }

    /// The tarball at `path` if it belongs to a Debian package that is newer than each pinned version of
    /// it and that `dpkg --verify` finds unaltered. The package itself was checked against Debian's
    /// signatures when it was installed.
    fn newer_package(&self, path: &Path, sha256: &str) -> Option<ResolvedSource> {
        if !self.lock.accept_newer_package {
            return None;
        }
        let mut package = None;
        let mut pinned = Vec::new();
        for source in &self.lock.sources {
            if let Origin::DebianPackage { name, version } = &source.origin
                && self.path(&source.origin) == path
            {
                package = Some(name);
                pinned.push(version.as_str());
            }
        }
        let package = package?;
        let installed = installed_version(package)?;
        let newer = pinned.iter().all(|version| {
            let compare =
                Command::new("dpkg").args(["--compare-versions", &installed, "gt", version]).status();
            compare.is_ok_and(|status| status.success())
        });
        let unaltered = || {
            let verify = Command::new("dpkg").args(["--verify", package]).output();
            verify.is_ok_and(|output| output.status.success() && output.stdout.is_empty())
        };
        (newer && unaltered()).then(|| ResolvedSource {
            tarball: path.to_owned(),
            sha256: sha256.to_owned(),
            version: upstream_version(&installed),
            warning: Some(format!(
                "the kernel source is {package} {installed}, newer than what {} pins ({}); `nacre kernel pin` pins it",
                self.lock_path.display(),
                pinned.join(", ")
            )),
        })
    }

    fn path(&self, origin: &Origin) -> PathBuf {
        match origin {
            Origin::DebianPackage { name, .. } => debian_tarball(name),
            Origin::Tarball { path } => self.lock_path.parent().unwrap_or(Path::new("")).join(path),
        }
    }
}

/// Where a Debian package puts its tarball.
pub(crate) fn debian_tarball(package: &str) -> PathBuf {
    Path::new(DEBIAN_SOURCES).join(format!("{package}.tar.xz"))
}

/// The version of an installed Debian package.
pub(crate) fn installed_version(package: &str) -> Option<String> {
    let output = Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status} ${Version}", package])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.strip_prefix("installed ")
        .filter(|_| output.status.success())
        .map(|version| version.trim().to_owned())
}

/// `6.12.117` of `6.12.117-1~deb12u1`.
pub(crate) fn upstream_version(package_version: &str) -> String {
    let upstream = package_version.split_once(':').map_or(package_version, |(_, rest)| rest);
    upstream.rsplit_once('-').map_or(upstream, |(upstream, _)| upstream).to_owned()
}

/// The unpacked source, from the cache if it is there.
///
/// # Errors
/// `tar` refuses, the disk is full, or somebody asks to stop; nothing half-unpacked stays.
pub(crate) fn unpack(
    source: &ResolvedSource,
    cache: &KernelCache,
    progress: &Progress,
) -> Result<PathBuf, UnpackSourceError> {
    let place = cache.source(&source.sha256);
    let failed = |source| UnpackSourceError::Cache { path: place.clone(), source };
    if !place.exists() {
        let workshop = cache
            .workshop(&format!("source-{}", source.sha256), || {
                progress.say("waiting for another run that unpacks the kernel source")
            })
            .map_err(failed)?;
        // Whoever had the workshop before may have done it.
        if !place.exists() {
            let task = progress.task("unpacking the kernel source", None);
            let tree = workshop.dir().join("tree");
            std::fs::create_dir(&tree).map_err(failed)?;
            run_tar(&source.tarball, &tree, progress)?;
            workshop.publish("tree", &place).map_err(failed)?;
            task.finish();
        }
    }
    place.canonicalize().map_err(failed)
}

fn run_tar(tarball: &Path, into: &Path, progress: &Progress) -> Result<(), UnpackSourceError> {
    let refused = |message: String| UnpackSourceError::Tar { tarball: tarball.to_owned(), message };
    let mut tar = Command::new("tar")
        .args(["--extract", "--no-same-owner", "--strip-components=1", "--file"])
        .arg(tarball)
        .arg("--directory")
        .arg(into)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| refused(error.to_string()))?;
    // Not into a file: on a full disk there would be nothing in it.
    let (sender, complaints) = channel();
    if let Some(stderr) = tar.stderr.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                // Nobody listens any more: the rest is read all the same, so that tar does not wait for it.
                let _not_heard = sender.send(line);
            }
        });
    }
    let mut first = None;
    loop {
        match complaints.recv_timeout(LOOK_EVERY) {
            // It would go on and complain of every file that follows.
            Ok(line) if no_space_in(&line) => {
                end(&mut tar);
                return Err(UnpackSourceError::NoSpace { path: into.to_owned() });
            }
            Ok(line) if !line.trim().is_empty() => {
                first.get_or_insert(line);
            }
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if progress.cancelled() {
            end(&mut tar);
            return Err(UnpackSourceError::Cancelled);
        }
    }
    let status = tar.wait().map_err(|error| refused(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(refused(first.unwrap_or_else(|| status.to_string()))) }
}

fn end(tar: &mut Child) {
    let _already_gone = tar.kill();
    let _reaped = tar.wait();
}

#[cfg(test)]
mod tests;
