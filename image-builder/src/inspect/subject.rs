//! What a path holds that can be verified: slots, disks, app packages, the board's description.

use std::io;
use std::path::{Path, PathBuf};

use nacre_verify::package::MANIFEST_MEMBER;
use nacre_verify::slot::{ENVELOPE_AREA_BYTES, ReadAt};

use super::file::FileRange;
use crate::board_file;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One slot.
    Slot,
    /// A disk with a partition table.
    Disk,
    /// An app package.
    Package,
    /// The board's description, in a folder with other things; by itself nothing says what it has to be.
    Board,
}

/// A file that can be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub path: PathBuf,
}

impl Subject {
    /// Its file name, for people.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }
}

/// Why there is nothing to verify.
#[derive(Debug, thiserror::Error)]
pub enum FindSubjectsError {
    /// There is no such file or folder.
    #[error("there is no `{0}`")]
    Missing(PathBuf),
    /// A folder without any image.
    #[error("`{0}` has no slot.img, no disk.img and no app package")]
    Empty(PathBuf),
    /// A file of another kind.
    #[error("`{0}` is neither a slot, a disk nor an app package")]
    Unknown(PathBuf),
    /// The path cannot be read.
    #[error("reading `{path}`")]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Finds what `path` holds: itself when it is a file, else the images and packages in the folder, slots
/// first, packages in the order of their names, the board's description last.
///
/// # Errors
/// When there is nothing.
pub fn find(path: &Path) -> Result<Vec<Subject>, FindSubjectsError> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => FindSubjectsError::Missing(path.to_owned()),
        _ => FindSubjectsError::Io { path: path.to_owned(), source },
    };
    if !std::fs::metadata(path).map_err(io)?.is_dir() {
        let kind = kind(path).map_err(io)?.ok_or_else(|| FindSubjectsError::Unknown(path.to_owned()))?;
        return Ok(vec![Subject { kind, path: path.to_owned() }]);
    }
    let mut subjects = Vec::new();
    for entry in path.read_dir().map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.is_file()
            && let Some(kind) = kind_in_folder(&path)
        {
            subjects.push(Subject { kind, path });
        }
    }
    subjects.sort_by(|a, b| (a.kind, &a.path).cmp(&(b.kind, &b.path)));
    if subjects.iter().all(|subject| subject.kind == Kind::Board) {
        return Err(FindSubjectsError::Empty(path.to_owned()));
    }
    Ok(subjects)
}

/// By content; by name when the content is of no kind, so that a slot whose magic number was hit by a
/// flipped bit is a damaged slot and not an unknown file.
fn kind(path: &Path) -> io::Result<Option<Kind>> {
    let file = FileRange::whole(path)?;
    let holds = |offset: Option<u64>, magic: &[u8]| match offset {
        Some(offset) => file.read(offset, magic.len() as u64).is_ok_and(|bytes| bytes == magic),
        None => false,
    };
    Ok(if holds(file.len().checked_sub(ENVELOPE_AREA_BYTES), b"NACRESLT") {
        Some(Kind::Slot)
    } else if holds(Some(512), b"EFI PART") || holds(file.len().checked_sub(512), b"EFI PART") {
        Some(Kind::Disk)
    } else if holds(Some(0), MANIFEST_MEMBER.as_bytes()) {
        Some(Kind::Package)
    } else {
        kind_by_name(path)
    })
}

fn kind_in_folder(path: &Path) -> Option<Kind> {
    let is_board = path.file_name().is_some_and(|name| name == board_file::FILE_NAME);
    if is_board { Some(Kind::Board) } else { kind_by_name(path) }
}

fn kind_by_name(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_str()?;
    match name {
        "slot.img" => Some(Kind::Slot),
        "disk.img" => Some(Kind::Disk),
        _ => name.strip_suffix(".app").filter(|stem| !stem.is_empty()).map(|_| Kind::Package),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn kind_goes_by_content_then_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let mut slot = vec![0; 128 * 1024];
        slot[64 * 1024..64 * 1024 + 8].copy_from_slice(b"NACRESLT");
        let mut disk = vec![0; 2048];
        disk[512..520].copy_from_slice(b"EFI PART");
        let table: [(&str, Vec<u8>, Option<Kind>); 7] = [
            ("x.bin", slot.clone(), Some(Kind::Slot)),
            ("y.app", disk.clone(), Some(Kind::Disk)),
            ("z", b"manifest.cose\0\0".to_vec(), Some(Kind::Package)),
            ("slot.img", vec![0; 10], Some(Kind::Slot)),
            ("disk.img", vec![], Some(Kind::Disk)),
            ("demo.app", vec![1], Some(Kind::Package)),
            ("notes.txt", b"hello".to_vec(), None),
        ];
        for (name, content, expected) in table {
            let path = dir.path().join(name);
            fs::write(&path, content).unwrap();
            assert_eq!(kind(&path).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn find_in_a_folder_gives_slot_disk_and_packages_in_order() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(find(dir.path()), Err(FindSubjectsError::Empty(_))));
        fs::write(dir.path().join("board.yaml"), b"x").unwrap();
        assert!(matches!(find(dir.path()), Err(FindSubjectsError::Empty(_))));
        for name in ["b.app", "disk.img", "a.app", "slot.img", "sizes.json", ".app"] {
            fs::write(dir.path().join(name), b"x").unwrap();
        }
        let names: Vec<_> =
            find(dir.path()).unwrap().iter().map(|s| s.path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["slot.img", "disk.img", "a.app", "b.app", "board.yaml"]);
        assert!(matches!(find(&dir.path().join("none")), Err(FindSubjectsError::Missing(_))));
        assert!(matches!(find(&dir.path().join("sizes.json")), Err(FindSubjectsError::Unknown(_))));
    }
}
