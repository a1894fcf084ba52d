//! The disk image: GPT (UEFI specification 2.10, chapter 5) with `boot-state`, `slot-a`, `slot-b` and `data`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use gpt::disk::LogicalBlockSize;
use gpt::partition::Partition;
use gpt::partition_types::{OperatingSystem, Type};

use crate::failure::{Exit, Failure, OrFail};
use crate::guid;

/// Logical block of every disk that is built.
const SECTOR: u64 = 512;
/// Partitions begin at multiples of this: one erase block of common flash, and a multiple of a page.
const ALIGN: u64 = 64 * 1024;
/// The two copies of the boot state, each far away from the other's erase block in a later layout.
pub const BOOT_STATE_BYTES: u64 = 64 * 1024;
/// The backup table at the end: 128 entries of 128 bytes, and its header.
const BACKUP_TABLE_BYTES: u64 = 33 * SECTOR;
/// Less has no room for files beside a journal of 1 MiB, which may take half of it at most.
const LEAST_DATA_BYTES: u64 = 2560 * 1024;
/// Partition type of the boot state, unknown to any other system: nothing else takes it for its own.
const TYPE_BOOT_STATE: &str = "6e616372-6500-8000-8000-000000000001";
/// Partition type of a slot.
const TYPE_SLOT: &str = "6e616372-6500-8000-8000-000000000002";
/// Partition type of the data partition.
const TYPE_DATA: &str = "6e616372-6500-8000-8000-000000000003";

/// Where the partitions of a disk are, in bytes from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Size of the disk.
    pub disk_bytes: u64,
    /// Start of `boot-state`.
    pub boot_state: u64,
    /// Start of `slot-a`.
    pub slot_a: u64,
    /// Start of `slot-b`.
    pub slot_b: u64,
    /// Size of each slot.
    pub slot_bytes: u64,
    /// Start of `data`.
    pub data: u64,
    /// Size of `data`.
    pub data_bytes: u64,
}

impl Layout {
    /// Lays out a disk. `data` takes what is left.
    pub fn new(disk_bytes: u64, slot_bytes: u64) -> Result<Self, Failure> {
        let boot_state = ALIGN;
        let slot_a = boot_state + BOOT_STATE_BYTES;
        let too_small = || {
            Failure::new(
                Exit::BadInput,
                format!(
                    "a disk of {disk_bytes} bytes has no room for two slots of {slot_bytes} bytes and data"
                ),
            )
            .hint("the board's disk size must hold 128 KiB, two slots and at least 2.5 MiB of data")
        };
        if slot_bytes == 0 || !slot_bytes.is_multiple_of(4096) || !disk_bytes.is_multiple_of(SECTOR) {
            return Err(Failure::new(
                Exit::BadInput,
                format!(
                    "slot size {slot_bytes} is not a multiple of 4096, or disk size {disk_bytes} not of 512"
                ),
            ));
        }
        let aligned = slot_bytes.checked_next_multiple_of(ALIGN).ok_or_else(too_small)?;
        let slot_b = slot_a.checked_add(aligned).ok_or_else(too_small)?;
        let data = slot_b.checked_add(aligned).ok_or_else(too_small)?;
        let end = disk_bytes.checked_sub(BACKUP_TABLE_BYTES).ok_or_else(too_small)? / ALIGN * ALIGN;
        let data_bytes = end.checked_sub(data).filter(|n| *n >= LEAST_DATA_BYTES).ok_or_else(too_small)?;
        Ok(Self { disk_bytes, boot_state, slot_a, slot_b, slot_bytes, data, data_bytes })
    }
}

/// Writes a disk: the slot into `slot-a`, nothing into `slot-b`, the filesystem into `data`. `data` is
/// read from where it stands to its end.
pub fn write(
    path: &Path,
    layout: &Layout,
    board: &str,
    image: &str,
    slot: &[u8],
    data: &File,
) -> Result<(), Failure> {
    let step = || format!("can't write the disk image `{}`", path.display());
    let mut file =
        File::options().create_new(true).read(true).write(true).open(path).or_fail(Exit::Internal, step)?;
    file.set_len(layout.disk_bytes).or_fail(Exit::Internal, step)?;
    write_table(&mut file, layout, board, image)?;
    copy(slot, &file, layout.slot_a).or_fail(Exit::Internal, step)?;
    copy(data, &file, layout.data).or_fail(Exit::Internal, step)
}

/// Copies to an offset, but for what is zero there already.
fn copy(mut from: impl Read, to: &File, mut offset: u64) -> io::Result<()> {
    const ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];
    let mut buffer = ZEROS;
    loop {
        let read = from.read(&mut buffer)?;
        let chunk = buffer.get(..read).filter(|chunk| !chunk.is_empty());
        let Some(chunk) = chunk else { return Ok(()) };
        if ZEROS.get(..read) != Some(chunk) {
            to.write_all_at(chunk, offset)?;
        }
        offset += u64::try_from(read).map_err(io::Error::other)?;
    }
}

fn write_table(file: &mut File, layout: &Layout, board: &str, image: &str) -> Result<(), Failure> {
    let step = || "can't make the partition table".to_owned();
    let sectors = u32::try_from(layout.disk_bytes / SECTOR - 1).unwrap_or(u32::MAX);
    gpt::mbr::ProtectiveMBR::with_lb_size(sectors).overwrite_lba0(file).or_fail(Exit::Internal, step)?;

    let disk_guid = guid::derive(board, image, "disk").parse().or_fail(Exit::Internal, step)?;
    let mut table = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(&mut *file, Some(disk_guid))
        .or_fail(Exit::Internal, step)?;
    let entries = [
        ("boot-state", TYPE_BOOT_STATE, layout.boot_state, BOOT_STATE_BYTES),
        ("slot-a", TYPE_SLOT, layout.slot_a, layout.slot_bytes),
        ("slot-b", TYPE_SLOT, layout.slot_b, layout.slot_bytes),
        ("data", TYPE_DATA, layout.data, layout.data_bytes),
    ];
    let mut partitions = BTreeMap::new();
    for (number, (name, kind, start, bytes)) in (1u32..).zip(entries) {
        partitions.insert(
            number,
            Partition {
                part_type_guid: Type {
                    guid: kind.parse().or_fail(Exit::Internal, step)?,
                    os: OperatingSystem::None,
                },
                part_guid: guid::derive(board, image, name).parse().or_fail(Exit::Internal, step)?,
                first_lba: start / SECTOR,
                last_lba: (start + bytes) / SECTOR - 1,
                flags: 0,
                name: name.to_owned(),
            },
        );
    }
    table.update_partitions(partitions).or_fail(Exit::Internal, step)?;
    table.write().or_fail(Exit::Internal, step)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_of_16_mib_is_aligned_and_does_not_overlap() {
        let l = Layout::new(16 << 20, 4 << 20).unwrap();
        assert_eq!(l.boot_state, 65536);
        assert_eq!(l.slot_a, l.boot_state + BOOT_STATE_BYTES);
        assert_eq!(l.slot_b, l.slot_a + (4 << 20));
        assert_eq!(l.data, l.slot_b + (4 << 20));
        assert!(l.data + l.data_bytes + BACKUP_TABLE_BYTES <= 16 << 20);
        assert!(l.data_bytes > 7 << 20);
    }

    #[test]
    fn layout_without_room_is_refused() {
        for (disk, slot) in [
            (8 << 20, 4 << 20),
            (16 << 20, 0),
            (16 << 20, 1000),
            (0, 4096),
            (16 << 20, u64::MAX / 4096 * 4096),
        ] {
            assert_eq!(Layout::new(disk, slot).unwrap_err().exit(), Exit::BadInput, "{disk} {slot}");
        }
    }
}
