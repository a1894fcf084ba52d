//! Partitions of a disk image (UEFI specification, "GUID Partition Table").

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::Result;

const SECTOR: u64 = 512;
/// Bytes of an entry; the name begins at the 56th.
const ENTRY: usize = 128;

/// Writes the content of a file over the beginning of the partition with this name.
pub(crate) fn write(disk: &Path, name: &str, from: &Path) -> Result<()> {
    let file = File::options().read(true).write(true).open(disk)?;
    let mut entries = [0; 16 * ENTRY];
    file.read_exact_at(&mut entries, 2 * SECTOR)?;
    let (first, last) = find(&entries, name).ok_or_else(|| format!("no partition is named {name}"))?;
    let mut content = Vec::new();
    File::open(from)?.read_to_end(&mut content)?;
    if u64::try_from(content.len())? > (last - first + 1) * SECTOR {
        return Err(format!("{} does not fit into {name}", from.display()).into());
    }
    Ok(file.write_all_at(&content, first * SECTOR)?)
}

/// Its first and last sector.
fn find(entries: &[u8], name: &str) -> Option<(u64, u64)> {
    let name: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let entry = entries.as_chunks::<ENTRY>().0.iter().find(|entry| entry[56..].starts_with(&name))?;
    let number = |at: usize| Some(u64::from_le_bytes(entry.get(at..at + 8)?.try_into().ok()?));
    Some((number(32)?, number(40)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_is_found_by_its_whole_name() {
        let mut entries = [0; 3 * ENTRY];
        for (at, name) in [(0, "slot-ab"), (1, "slot-a")] {
            let entry = &mut entries[at * ENTRY..];
            entry[32] = 34 + u8::try_from(at).unwrap();
            entry[41] = 1;
            for (place, byte) in entry[56..].iter_mut().zip(name.encode_utf16().flat_map(u16::to_le_bytes)) {
                *place = byte;
            }
        }
        assert_eq!(find(&entries, "slot-a"), Some((35, 256)));
        assert_eq!(find(&entries, "slot"), None);
    }
}
