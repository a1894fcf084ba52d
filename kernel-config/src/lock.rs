//! `kernel.lock`: which kernel sources may be built, by hash.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The content of a `kernel.lock` (JSON, written by `nacre kernel pin`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lock {
    /// Whether a Debian package that is newer than every pinned version of it, and whose files the
    /// package manager finds unaltered, is good as well. Convenient where packages are updated; a
    /// release is built with `false`.
    pub accept_newer_package: bool,
    /// The sources; any one of them is good.
    pub sources: Vec<LockedSource>,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedSource {
    /// Version of the kernel, e.g. `6.12.117`.
    pub version: String,
    /// SHA-256 of the tarball, 64 lowercase hexadecimal digits.
    pub sha256: String,
    /// Where the tarball is.
    pub origin: Origin,
}

/// Where a tarball is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Origin {
    /// `/usr/src/<name>.tar.xz` of a Debian package.
    #[serde(rename = "debian-package")]
    DebianPackage {
        /// Its name, e.g. `linux-source-6.12`.
        name: String,
        /// Its version, e.g. `6.12.117-1~deb12u1`.
        version: String,
    },
    /// Any tarball that `tar` unpacks.
    Tarball {
        /// Its path; a relative one begins at the lock's folder.
        path: PathBuf,
    },
}

/// Why a lock could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadLockError {
    /// Not readable.
    #[error("read the kernel lock {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not JSON of this shape.
    #[error("parse the kernel lock {}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Its text.
        text: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A value that makes no sense.
    #[error("the kernel lock {}: {what}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl Lock {
    /// Reads a lock.
    ///
    /// # Errors
    /// Not readable, not of this shape, or with values that make no sense.
    pub fn load(path: &Path) -> Result<Self, LoadLockError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| LoadLockError::Read { path: path.to_owned(), source })?;
        let lock: Self = serde_json::from_str(&text).map_err(|source| LoadLockError::Parse {
            path: path.to_owned(),
            text,
            source,
        })?;
        match lock.problem() {
            None => Ok(lock),
            Some(what) => Err(LoadLockError::Value { path: path.to_owned(), what }),
        }
    }

    fn problem(&self) -> Option<String> {
        if self.sources.is_empty() {
            return Some("it pins no source".to_owned());
        }
        self.sources.iter().find_map(|source| {
            let hash = &source.sha256;
            if hash.len() != 64 || !hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                return Some(format!("`{hash}` is not a SHA-256 of 64 lowercase hexadecimal digits"));
            }
            match &source.origin {
                // It becomes part of a path and of a command line.
                Origin::DebianPackage { name, .. }
                    if !name.starts_with(|c: char| c.is_ascii_alphanumeric())
                        || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) =>
                {
                    Some(format!("`{name}` is not the name of a package"))
                }
                _ => None,
            }
        })
    }

    /// The lock as it is written to its file.
    pub(crate) fn text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Lock, String> {
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = dir.path().join("kernel.lock");
        std::fs::write(&path, text).map_err(|error| error.to_string())?;
        Lock::load(&path).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            format!("{error}{}", cause.unwrap_or_default()).replace(&path.display().to_string(), "LOCK")
        })
    }

    #[test]
    fn lock_written_is_read_back() -> Result<(), Box<dyn std::error::Error>> {
        let lock = Lock {
            accept_newer_package: true,
            sources: vec![
                LockedSource {
                    version: "6.12.1".to_owned(),
                    sha256: "0".repeat(64),
                    origin: Origin::DebianPackage {
                        name: "linux-source-6.12".to_owned(),
                        version: "6.12.1-1".to_owned(),
                    },
                },
                LockedSource {
                    version: "6.12.2".to_owned(),
                    sha256: "f".repeat(64),
                    origin: Origin::Tarball { path: PathBuf::from("linux.tar.xz") },
                },
            ],
        };
        assert_eq!(load(&lock.text()?), Ok(lock));
        Ok(())
    }

    #[test]
    fn lock_with_bad_values_is_refused() {
        let with = |sha256: &str, name: &str| {
            format!(
                "{{\"accept-newer-package\": true, \"sources\": [{{\"version\": \"1\", \"sha256\": \"{sha256}\", \
                 \"origin\": {{\"debian-package\": {{\"name\": \"{name}\", \"version\": \"1\"}}}}}}]}}"
            )
        };
        let hash = "0".repeat(64);
        assert!(load(&with(&hash, "linux-source-6.12")).is_ok());
        for (text, message) in [
            (with("12", "linux"), "the kernel lock LOCK: `12` is not a SHA-256 of 64 lowercase hexadecimal digits".to_owned()),
            (with(&"F".repeat(64), "linux"), format!("the kernel lock LOCK: `{}` is not a SHA-256 of 64 lowercase hexadecimal digits", "F".repeat(64))),
            (with(&hash, "../x"), "the kernel lock LOCK: `../x` is not the name of a package".to_owned()),
            (with(&hash, "--verify"), "the kernel lock LOCK: `--verify` is not the name of a package".to_owned()),
            ("{\"accept-newer-package\": true, \"sources\": []}".to_owned(), "the kernel lock LOCK: it pins no source".to_owned()),
            ("{\"sourcs\": []}".to_owned(), "parse the kernel lock LOCK: unknown field `sourcs`, expected `accept-newer-package` or `sources` at line 1 column 9".to_owned()),
        ] {
            assert_eq!(load(&text), Err(message));
        }
    }
}
