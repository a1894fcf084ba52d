//! SHA-256 of files and of build inputs, as lowercase hexadecimal.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cache::KernelCache;

/// One input after the other; each with its length, so that no two lists of inputs look alike.
pub(crate) struct InputHash(Sha256);

impl InputHash {
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    pub(crate) fn input(mut self, name: &str, content: &str) -> Self {
        self.0.update(format!("{name} {}\n", content.len()));
        self.0.update(content);
        self
    }

    pub(crate) fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a file's content.
pub(crate) fn file_sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else {
            return Ok(hex(&hash.finalize()));
        };
        hash.update(part);
    }
}

/// What tells that a file is the one that was hashed before.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Hashed {
    bytes: u64,
    inode: u64,
    changed_s: i64,
    changed_ns: i64,
    sha256: String,
}

/// SHA-256 of a large file; remembered in the cache as long as its size, inode and change time stay.
pub(crate) fn file_sha256_remembered(path: &Path, cache: &KernelCache) -> io::Result<String> {
    let metadata = std::fs::metadata(path)?;
    let memo = cache.memo(&InputHash::new().input("path", &path.to_string_lossy()).finish());
    let known = std::fs::read(&memo).ok().and_then(|text| serde_json::from_slice::<Hashed>(&text).ok());
    let now = |sha256| Hashed {
        bytes: metadata.len(),
        inode: metadata.ino(),
        changed_s: metadata.ctime(),
        changed_ns: metadata.ctime_nsec(),
        sha256,
    };
    if let Some(known) = known
        && known == now(known.sha256.clone())
    {
        return Ok(known.sha256);
    }
    let hashed = now(file_sha256(path)?);
    // Only a saving: where the cache can't be written to, the next run hashes again.
    if let Ok(text) = serde_json::to_vec(&hashed) {
        let _unsaved = cache.write(&memo, &text);
    }
    Ok(hashed.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_hash_matches_the_standards_example() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("abc");
        std::fs::write(&path, "abc")?;
        let cache = KernelCache::new(dir.path());
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(file_sha256(&path)?, expected);
        assert_eq!(file_sha256_remembered(&path, &cache)?, expected);
        assert_eq!(file_sha256_remembered(&path, &cache)?, expected);
        std::fs::write(&path, "abd")?;
        assert_ne!(file_sha256_remembered(&path, &cache)?, expected);
        Ok(())
    }

    #[test]
    fn input_hash_tells_borders_apart() {
        let a = InputHash::new().input("x", "ab").input("x", "c").finish();
        let b = InputHash::new().input("x", "a").input("x", "bc").finish();
        assert_ne!(a, b);
    }
}
