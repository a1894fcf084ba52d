//! Partitions of a disk image, through its GPT (UEFI specification 2.10, chapter 5).

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use gpt::disk::LogicalBlockSize;

use super::file::FileRange;

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its name: `slot-a`.
    pub name: String,
    /// Its unique GUID, lowercase, as the kernel's `PARTUUID=` wants it.
    pub uuid: String,
    /// First byte on the disk.
    pub start: u64,
    /// Size in bytes.
    pub bytes: u64,
}

/// Why a disk's partitions cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum ReadPartitionsError {
    /// The file cannot be read.
    #[error("reading the disk `{path}`")]
    Io {
        /// The disk.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// One of the two tables is damaged or missing.
    #[error("the partition table of `{path}` is damaged: {reason}")]
    Damaged {
        /// The disk.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads the partitions of a disk. Both of its tables must be whole and say the same.
///
/// # Errors
/// When they are not, or the disk cannot be read.
pub fn read(disk: &Path) -> Result<Vec<Partition>, ReadPartitionsError> {
    let io = |source| ReadPartitionsError::Io { path: disk.to_owned(), source };
    let damaged = |reason: String| ReadPartitionsError::Damaged { path: disk.to_owned(), reason };
    let file = File::open(disk).map_err(io)?;
    let disk_bytes = file.metadata().map_err(io)?.len();
    const SECTOR: LogicalBlockSize = LogicalBlockSize::Lb512;
    let table = gpt::GptConfig::new()
        .writable(false)
        .logical_block_size(SECTOR)
        .only_valid_headers(true)
        .open_from_device(file)
        .map_err(|error| damaged(error.to_string()))?;
    if let (Ok(primary), Ok(backup)) = (table.primary_header(), table.backup_header())
        && (primary.disk_guid != backup.disk_guid || primary.crc32_parts != backup.crc32_parts)
    {
        return Err(damaged("the table at its end says something else than the one at its start".to_owned()));
    }
    let mut partitions = Vec::new();
    for entry in table.partitions().values() {
        let (Ok(start), Ok(bytes)) = (entry.bytes_start(SECTOR), entry.bytes_len(SECTOR)) else {
            return Err(damaged(format!("partition `{}` has no proper bounds", entry.name)));
        };
        if start.checked_add(bytes).is_none_or(|end| end > disk_bytes) {
            return Err(damaged(format!("partition `{}` ends after the disk", entry.name)));
        }
        let uuid = entry.part_guid.hyphenated().to_string();
        partitions.push(Partition { name: entry.name.clone(), uuid, start, bytes });
    }
    Ok(partitions)
}

impl Partition {
    /// Its content.
    ///
    /// # Errors
    /// When the disk cannot be opened.
    pub fn open(&self, disk: &Path) -> io::Result<FileRange> {
        FileRange::part(disk, self.start, self.bytes)
    }
}
