//! Where the bytes of a slot come from.

use alloc::boxed::Box;

/// Why a read failed, in the words of whoever reads.
pub type ReadError = Box<dyn core::error::Error + Send + Sync>;

/// Bytes that can be read in any order: a partition, a file, memory.
pub trait ReadAt {
    /// How many bytes there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills a buffer with the bytes from an offset.
    ///
    /// # Errors
    /// When not all of them can be read.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError>;
}

impl ReadAt for &[u8] {
    fn len(&self) -> u64 {
        // usize is at most 64 bits wide on every target.
        u64::try_from(<[u8]>::len(self)).unwrap_or(u64::MAX)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        let bytes = usize::try_from(offset).ok().and_then(|start| self.get(start..)?.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or("past the end")?);
        Ok(())
    }
}
