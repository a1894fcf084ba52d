//! Files that are read in any order: whole, or the range of one partition.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nacre_verify::slot::{ReadAt, ReadError};

/// A range of a file.
#[derive(Debug)]
pub struct FileRange {
    file: File,
    start: u64,
    bytes: u64,
}

impl FileRange {
    /// The whole file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn whole(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { file, start: 0, bytes })
    }

    /// A part of the file that lies inside it.
    ///
    /// # Errors
    /// When it cannot be opened or ends before the range does.
    pub fn part(path: &Path, start: u64, bytes: u64) -> io::Result<Self> {
        let whole = Self::whole(path)?;
        match start.checked_add(bytes) {
            Some(end) if end <= whole.bytes => Ok(Self { start, bytes, ..whole }),
            _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends before the partition does")),
        }
    }

    /// Bytes from `offset` on, exactly `bytes` of them.
    ///
    /// # Errors
    /// When they are not all in the range, or cannot be read.
    pub fn read(&self, offset: u64, bytes: u64) -> io::Result<Vec<u8>> {
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= self.bytes);
        let length = usize::try_from(bytes).ok().filter(|_| inside);
        let mut content = vec![0; length.ok_or(io::ErrorKind::UnexpectedEof)?];
        self.file.read_exact_at(&mut content, self.start.saturating_add(offset))?;
        Ok(content)
    }

    /// Whether every byte is zero: nothing was ever written there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_zero(&self) -> io::Result<bool> {
        const PIECE: u64 = 256 * 1024;
        let mut offset = 0;
        while offset < self.bytes {
            let piece = self.read(offset, PIECE.min(self.bytes - offset))?;
            if piece.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            offset += PIECE;
        }
        Ok(true)
    }
}

impl ReadAt for FileRange {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        Ok(self.file.read_exact_at(buffer, self.start.saturating_add(offset))?)
    }
}
