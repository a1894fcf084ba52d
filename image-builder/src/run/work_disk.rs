//! The VM's own copy of the disk: `DIR/run/disk.img`, kept between runs.
//!
//! The built `DIR/disk.img` stays as it was built, so that it can be verified and flashed. The copy is made
//! again when the built disk is another one: its factory packages and slots must agree with each other, and
//! only the whole disk is known to be consistent.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::output::{LOCK_FILE, RUN_FOLDER};

/// Bytes that are looked at together; a piece of zeros becomes a hole.
const PIECE: usize = 64 * 1024;

/// Why the VM's disk could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum PrepareDiskError {
    /// Another process holds the lock.
    #[error("`{0}` is in use by another `nacre run`")]
    InUse(PathBuf),
    /// There is no built disk.
    #[error("there is no `{0}`")]
    NoDisk(PathBuf),
    /// A file could not be read or written.
    #[error("{step} `{path}`")]
    Io {
        /// What was tried.
        step: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// What the VM's disk is this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskState {
    /// The one of the last run, with its data.
    Kept,
    /// Made for the first time.
    Made,
    /// Made again on request.
    Reset,
    /// Made again, because the built disk is another one.
    Replaced,
}

/// The lock on an output folder; held while this lives.
#[derive(Debug)]
pub struct FolderLock(File);

impl Drop for FolderLock {
    /// A program that another thread is just starting has a copy of the descriptor until its `execve(2)`: closing
    /// ours alone would leave the lock with it.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl FolderLock {
    /// Takes the lock of `dir` (`flock(2)` on `DIR/lock`, gone with the process), or says that it is taken.
    pub fn take(dir: &Path) -> Result<Self, PrepareDiskError> {
        let path = dir.join(LOCK_FILE);
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| PrepareDiskError::Io { step: "opening", path: path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(PrepareDiskError::InUse(dir.to_owned())),
            Err(TryLockError::Error(source)) => Err(PrepareDiskError::Io { step: "locking", path, source }),
        }
    }
}

/// Makes `DIR/run/disk.img` ready and returns its path. The caller holds the folder's lock.
pub fn prepare(dir: &Path, fresh: bool) -> Result<(PathBuf, DiskState), PrepareDiskError> {
    let built = dir.join("disk.img");
    let run = dir.join(RUN_FOLDER);
    let disk = run.join("disk.img");
    let origin = run.join("disk.origin");
    let io = |step, path: &Path| {
        let path = path.to_owned();
        move |source| PrepareDiskError::Io { step, path, source }
    };
    let mut source = match File::open(&built) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(PrepareDiskError::NoDisk(built)),
        Err(source) => return Err(PrepareDiskError::Io { step: "opening", path: built, source }),
    };
    let digest = digest(&mut source).map_err(io("reading", &built))?;
    let known = fs::read_to_string(&origin).ok();
    let state = match known.as_deref().map(str::trim) {
        Some(known) if known == digest && disk.is_file() => {
            if !fresh {
                return Ok((disk, DiskState::Kept));
            }
            DiskState::Reset
        }
        Some(_) if disk.is_file() && !fresh => DiskState::Replaced,
        Some(_) if fresh => DiskState::Reset,
        _ => DiskState::Made,
    };
    fs::create_dir_all(&run).map_err(io("making", &run))?;
    // Without its origin a half-made copy is never taken for a good one.
    match fs::remove_file(&origin) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io("removing", &origin)(error)),
        _ => {}
    }
    let part = run.join("disk.img.part");
    copy_sparse(&mut source, &part).map_err(io("copying the disk to", &part))?;
    fs::rename(&part, &disk).map_err(io("renaming to", &disk))?;
    fs::write(&origin, digest + "\n").map_err(io("writing", &origin))?;
    Ok((disk, state))
}

fn digest(file: &mut File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    file.seek(SeekFrom::Start(0))?;
    loop {
        match file.read(&mut piece)? {
            0 => break,
            n => hash.update(piece.get(..n).unwrap_or_default()),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn copy_sparse(source: &mut File, to: &Path) -> io::Result<()> {
    let mut target = File::create(to)?;
    let mut piece = vec![0; PIECE];
    let mut at = 0u64;
    source.seek(SeekFrom::Start(0))?;
    loop {
        let n = source.read(&mut piece)?;
        let read = piece.get(..n).unwrap_or_default();
        if n == 0 {
            break;
        }
        if read.iter().any(|byte| *byte != 0) {
            target.seek(SeekFrom::Start(at))?;
            target.write_all(read)?;
        }
        at += n as u64;
    }
    target.set_len(at)?;
    target.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn folder(disk: &[u8]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("disk.img"), disk).unwrap();
        dir
    }

    fn built() -> Vec<u8> {
        let mut disk = vec![0; 1 << 20];
        disk[5] = 7;
        disk[900_000] = 9;
        disk
    }

    #[test]
    fn disk_first_run_is_a_sparse_copy() {
        let dir = folder(&built());
        let (disk, state) = prepare(dir.path(), false).unwrap();
        assert_eq!(state, DiskState::Made);
        assert_eq!(fs::read(&disk).unwrap(), built());
        assert!(fs::metadata(&disk).unwrap().blocks() * 512 < 1 << 19);
    }

    #[test]
    fn disk_second_run_keeps_what_the_guest_wrote() {
        let dir = folder(&built());
        let (disk, _) = prepare(dir.path(), false).unwrap();
        fs::write(&disk, b"written by the guest").unwrap();
        assert_eq!(prepare(dir.path(), false).unwrap(), (disk.clone(), DiskState::Kept));
        assert_eq!(fs::read(&disk).unwrap(), b"written by the guest");
    }

    #[test]
    fn disk_fresh_run_is_the_built_one_again() {
        let dir = folder(&built());
        let (disk, _) = prepare(dir.path(), false).unwrap();
        fs::write(&disk, b"written by the guest").unwrap();
        assert_eq!(prepare(dir.path(), true).unwrap().1, DiskState::Reset);
        assert_eq!(fs::read(&disk).unwrap(), built());
    }

    #[test]
    fn disk_after_another_build_is_replaced() {
        let dir = folder(&built());
        prepare(dir.path(), false).unwrap();
        fs::write(dir.path().join("disk.img"), b"another").unwrap();
        let (disk, state) = prepare(dir.path(), false).unwrap();
        assert_eq!(state, DiskState::Replaced);
        assert_eq!(fs::read(disk).unwrap(), b"another");
    }

    #[test]
    fn disk_half_copied_is_made_again() {
        let dir = folder(&built());
        let (disk, _) = prepare(dir.path(), false).unwrap();
        fs::remove_file(dir.path().join("run/disk.origin")).unwrap();
        fs::write(&disk, b"half").unwrap();
        assert_eq!(prepare(dir.path(), false).unwrap().1, DiskState::Made);
        assert_eq!(fs::read(disk).unwrap(), built());
    }

    #[test]
    fn disk_that_was_not_built_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = prepare(dir.path(), false).unwrap_err();
        assert!(matches!(error, PrepareDiskError::NoDisk(path) if path.ends_with("disk.img")));
    }

    #[test]
    fn lock_taken_twice_is_in_use_until_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(dir.path()).unwrap();
        assert!(matches!(FolderLock::take(dir.path()), Err(PrepareDiskError::InUse(_))));
        drop(lock);
        FolderLock::take(dir.path()).unwrap();
    }
}
