//! The kernel's part of the host cache.
//!
//! ```text
//! kernel/source/<sha256 of the tarball>/   unpacked source
//! kernel/config/<key>                      final configurations
//! kernel/built/<key>/                      image, config, System.map, build.json
//! kernel/work/<name>/                      what is being made; of no use once its maker is gone
//! kernel/lock/<name>                       one maker at a time (flock)
//! kernel/memo/<name>                       remembered hashes and counts
//! ```
//!
//! Everything is made under `work` and renamed into its place when it is whole.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The kernel's part of the host cache.
#[derive(Debug, Clone)]
pub(crate) struct KernelCache {
    root: PathBuf,
}

/// The right to make one thing, and the folder to make it in, which is gone when this is.
#[derive(Debug)]
pub(crate) struct Workshop {
    dir: PathBuf,
    lock: File,
}

impl KernelCache {
    /// `cache` is the root of all host caches.
    pub(crate) fn new(cache: &Path) -> Self {
        Self { root: cache.join("kernel") }
    }

    pub(crate) fn source(&self, sha256: &str) -> PathBuf {
        self.root.join("source").join(sha256)
    }

    pub(crate) fn config(&self, key: &str) -> PathBuf {
        self.root.join("config").join(key)
    }

    pub(crate) fn built(&self, key: &str) -> PathBuf {
        self.root.join("built").join(key)
    }

    pub(crate) fn memo(&self, name: &str) -> PathBuf {
        self.root.join("memo").join(name)
    }

    pub(crate) fn failure_log(&self, key: &str) -> PathBuf {
        self.root.join("failed").join(format!("{key}.log"))
    }

    /// Waits until nobody else makes the thing of this name, calling `waiting` once if somebody does.
    /// Leftovers of makers that are gone are removed.
    pub(crate) fn workshop(&self, name: &str, waiting: impl FnOnce()) -> io::Result<Workshop> {
        let lock = self.lock_file(name)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                lock.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let work = self.root.join("work");
        std::fs::create_dir_all(&work)?;
        for entry in std::fs::read_dir(&work)? {
            let entry = entry?;
            let other = entry.file_name();
            let gone = other == *name
                || match self.lock_file(&other.to_string_lossy()) {
                    // Given back at once, also where a program just being started has a copy of the descriptor.
                    Ok(lock) => lock.try_lock().is_ok() && lock.unlock().is_ok(),
                    Err(_) => false,
                };
            if gone {
                remove(&entry.path())?;
            }
        }
        let dir = work.join(name);
        std::fs::create_dir(&dir)?;
        // Compilers and kernel makefiles want the real path; the cache's own may hold links.
        Ok(Workshop { dir: dir.canonicalize()?, lock })
    }

    fn lock_file(&self, name: &str) -> io::Result<File> {
        let dir = self.root.join("lock");
        std::fs::create_dir_all(&dir)?;
        File::options().create(true).truncate(false).write(true).open(dir.join(name))
    }

    /// Writes a small file whole or not at all.
    pub(crate) fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        write_whole(path, content)
    }
}

/// Writes a file whole or not at all; its folder is made if need be.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir)?;
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    // A temporary file is private; what is kept has the rights of any other file.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

impl Workshop {
    /// The folder to work in, empty at first.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Moves a folder of the workshop to its place in the cache.
    pub(crate) fn publish(&self, made: &str, place: &Path) -> io::Result<()> {
        if let Some(parent) = place.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::rename(self.dir.join(made), place)
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // Whoever comes next removes what stays behind.
        let _left_behind = remove(&self.dir);
        // A program that another thread is just starting may have a copy of the descriptor.
        let _ends_with_it = self.lock.unlock();
    }
}

fn remove(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workshop_left_behind_is_removed_by_the_next() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let cache = KernelCache::new(dir.path());
        let work = dir.path().join("kernel/work");
        std::fs::create_dir_all(work.join("dead"))?;
        std::fs::create_dir_all(work.join("mine"))?;
        std::fs::write(work.join("mine/half"), "")?;
        let other = cache.workshop("other", || ())?;
        assert!(!work.join("dead").exists());
        let mine = cache.workshop("mine", || ())?;
        assert!(other.dir().exists(), "a folder in use stays");
        assert_eq!(std::fs::read_dir(mine.dir())?.count(), 0);
        drop(mine);
        assert!(!work.join("mine").exists());
        Ok(())
    }

    #[test]
    fn workshop_in_use_makes_the_second_wait() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let cache = KernelCache::new(dir.path());
        let first = cache.workshop("one", || panic!("nobody else is there"))?;
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| cache.workshop("one", || sender.send(()).unwrap_or(())).map(drop));
            assert_eq!(receiver.recv(), Ok(()));
            drop(first);
            second.join().unwrap_or_else(|_| panic!("the second ended badly"))
        })
    }

    #[test]
    fn workshop_result_appears_whole() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let cache = KernelCache::new(dir.path());
        let workshop = cache.workshop("one", || ())?;
        std::fs::create_dir(workshop.dir().join("result"))?;
        std::fs::write(workshop.dir().join("result/file"), "x")?;
        workshop.publish("result", &cache.built("key"))?;
        assert_eq!(std::fs::read(cache.built("key").join("file"))?, b"x");
        Ok(())
    }
}
