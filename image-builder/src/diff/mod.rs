//! Comparing two images, and explaining what differs: field by field, file by file, and where nothing else
//! explains it, byte by byte.
//!
//! Neither image need be verified. What takes a reader of whole filesystems (`squashfs`, `erofs`) is done
//! only for what a trusted key signed: others' filesystems are compared by their bytes.
//!
//! - `difference`: what is found, as data; [`text`]: the same for people.
//! - `slot`, `package`, `disk`: the formats. `tree`: files, by path. `bytes`: the rest.

mod bytes;
mod difference;
mod disk;
pub(crate) mod erofs;
mod ext4;
mod package;
mod slot;
mod squashfs;
pub mod text;
pub(crate) mod tree;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use nacre_verify::key::PublicKey;
use nacre_verify::key_set::KeySet;
use nacre_verify::slot::ReadAt;

pub use bytes::{ByteDifference, Range};
use difference::Collector;
pub use difference::{Change, Difference};
use disk::DiskSide;
use slot::SlotSide;

use crate::inspect::check::{Finding, MAX_PACKAGE_BYTES, Trust, Verdict, check};
use crate::inspect::file::FileRange;
use crate::inspect::subject::{self, FindSubjectsError, Kind, Subject};
use crate::output::LOCK_FILE;

/// Larger text files are compared by their bytes only.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// Why two things cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// One of them is not there, or is no image.
    #[error("looking for an image")]
    Find(#[from] FindSubjectsError),
    /// A folder and a file, or files of two kinds.
    #[error("`{a}` and `{b}` are not things of the same kind")]
    Kinds {
        /// The first.
        a: PathBuf,
        /// The second.
        b: PathBuf,
    },
    /// One of them cannot be read.
    #[error("reading `{a}` and `{b}`")]
    Read {
        /// The first.
        a: PathBuf,
        /// The second.
        b: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// One side: what it holds, and what is known of it.
struct Side<'a> {
    path: &'a Path,
    folder: bool,
    subjects: Vec<Subject>,
    findings: Vec<Finding>,
}

impl<'a> Side<'a> {
    fn read(path: &'a Path, trust: &Trust) -> Result<Self, CompareError> {
        let subjects = subject::find(path)?;
        let findings = check(&subjects, trust);
        Ok(Self { path, folder: path.is_dir(), subjects, findings })
    }

    fn app_keys(&self) -> impl Iterator<Item = PublicKey> + '_ {
        self.findings
            .iter()
            .filter_map(|finding| match &finding.verdict {
                Verdict::Slot(verified) => Some(verified.key_set.app_keys()),
                _ => None,
            })
            .flatten()
    }

    /// Partitions of this file with a verified slot; the file itself is an empty name.
    fn verified(&self, path: &Path) -> Vec<String> {
        let slots = self.findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Slot(_)));
        slots
            .filter(|finding| finding.subject.path == path)
            .map(|finding| finding.partition.as_ref().map(|p| p.name.clone()).unwrap_or_default())
            .collect()
    }

    /// Names of all files in the folder.
    fn names(&self) -> io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for entry in self.path.read_dir()? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_file() && name != LOCK_FILE {
                names.insert(name);
            }
        }
        Ok(names)
    }
}

/// Compares two output folders, or two files of the same kind. Nothing found means: the same to the last byte.
///
/// # Errors
/// When there is nothing to compare, or it cannot be read.
pub fn compare(a: &Path, b: &Path, trust: &Trust) -> Result<Vec<Difference>, CompareError> {
    let (side_a, side_b) = (Side::read(a, trust)?, Side::read(b, trust)?);
    let kinds = || CompareError::Kinds { a: a.to_owned(), b: b.to_owned() };
    let mut keys: Vec<PublicKey> = trust.key_sets.iter().flat_map(KeySet::app_keys).collect();
    keys.extend(side_a.app_keys().chain(side_b.app_keys()));
    let mut out = Collector::default();
    let comparison = Comparison { a: &side_a, b: &side_b, keys };
    let done = match (side_a.folder, side_b.folder) {
        (true, true) => comparison.folders(&mut out),
        (false, false) => {
            let (Some(subject_a), Some(subject_b)) = (side_a.subjects.first(), side_b.subjects.first())
            else {
                return Err(kinds());
            };
            if subject_a.kind != subject_b.kind {
                return Err(kinds());
            }
            let name = match subject_a.name() == subject_b.name() {
                true => subject_a.name(),
                false => format!("{} and {}", subject_a.name(), subject_b.name()),
            };
            out.within(name, |out| comparison.pair(out, subject_a, subject_b))
        }
        _ => return Err(kinds()),
    };
    done.map_err(|source| CompareError::Read { a: a.to_owned(), b: b.to_owned(), source })?;
    Ok(out.found)
}

struct Comparison<'a> {
    a: &'a Side<'a>,
    b: &'a Side<'a>,
    keys: Vec<PublicKey>,
}

impl Comparison<'_> {
    fn folders(&self, out: &mut Collector) -> io::Result<()> {
        let (names_a, names_b) = (self.a.names()?, self.b.names()?);
        // Packages and slot before the disk, which has them inside.
        let mut names: Vec<&String> = names_a.union(&names_b).collect();
        names.sort_by_key(|name| (*name == "disk.img", *name));
        for name in names {
            let (path_a, path_b) = (self.a.path.join(name), self.b.path.join(name));
            if !(names_a.contains(name) && names_b.contains(name)) {
                let size = |path: &Path| path.metadata().ok().map(|data| format!("{} bytes", data.len()));
                out.optional(name, size(&path_a), size(&path_b));
                continue;
            }
            let of = |side: &Side<'_>, path: &Path| side.subjects.iter().find(|s| s.path == path).cloned();
            out.within(name.as_str(), |out| match (of(self.a, &path_a), of(self.b, &path_b)) {
                (Some(a), Some(b)) => self.pair(out, &a, &b),
                _ => text_files(out, &path_a, &path_b),
            })?;
        }
        Ok(())
    }

    /// Two files of the same kind.
    fn pair(&self, out: &mut Collector, a: &Subject, b: &Subject) -> io::Result<()> {
        match a.kind {
            Kind::Slot => {
                let side = |side: &Side<'_>, path: &Path| {
                    let file = FileRange::whole(path)?;
                    Ok::<_, io::Error>(SlotSide { file, verified: !side.verified(path).is_empty() })
                };
                slot::compare(out, &side(self.a, &a.path)?, &side(self.b, &b.path)?)
            }
            Kind::Disk => {
                let of_a = DiskSide { path: &a.path, verified: self.a.verified(&a.path) };
                let of_b = DiskSide { path: &b.path, verified: self.b.verified(&b.path) };
                disk::compare(out, &of_a, &of_b, &self.keys)
            }
            Kind::Package => {
                let (file_a, file_b) = (FileRange::whole(&a.path)?, FileRange::whole(&b.path)?);
                if file_a.len().max(file_b.len()) > MAX_PACKAGE_BYTES {
                    return raw(out, &file_a, &file_b);
                }
                let (bytes_a, bytes_b) = (file_a.read(0, file_a.len())?, file_b.read(0, file_b.len())?);
                package::compare(out, &bytes_a, &bytes_b, &self.keys);
                Ok(())
            }
            Kind::Board => text_files(out, &a.path, &b.path),
        }
    }
}

/// Two small text files, line by line: `board.yaml`, `sizes.json`.
fn text_files(out: &mut Collector, a: &Path, b: &Path) -> io::Result<()> {
    let (file_a, file_b) = (FileRange::whole(a)?, FileRange::whole(b)?);
    if file_a.len().max(file_b.len()) > MAX_TEXT_BYTES {
        return raw(out, &file_a, &file_b);
    }
    let (bytes_a, bytes_b) = (file_a.read(0, file_a.len())?, file_b.read(0, file_b.len())?);
    let lines = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes).lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let start = out.len();
    out.lists("line", &lines(&bytes_a), &lines(&bytes_b));
    if out.len() == start {
        raw(out, &file_a, &file_b)?;
    }
    Ok(())
}

fn raw(out: &mut Collector, a: &FileRange, b: &FileRange) -> io::Result<()> {
    out.value("bytes", &a.len(), &b.len());
    out.bytes("content", bytes::of_files(a, b)?);
    Ok(())
}
