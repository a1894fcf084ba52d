//! The guest's memory, and reading it by the kernel's addresses.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Result;

/// Where the kernel maps the first byte of memory (PAGE_OFFSET).
pub(super) const VIRTUAL: u32 = 0xc000_0000;
/// Where the board has it.
pub(super) const PHYSICAL: u32 = 0x4000_0000;
/// Bytes of a page.
pub(super) const PAGE: usize = 4096;
/// KiB of a page.
pub(super) const PAGE_KIB: usize = PAGE / 1024;

/// All of it, at one moment.
#[derive(Debug)]
pub(super) struct Ram(Vec<u8>);

/// Holds a process still while it lives.
struct Still(Pid);

impl Still {
    fn hold(pid: u32) -> Result<Self> {
        let pid = Pid::from_raw(i32::try_from(pid)?);
        kill(pid, Signal::SIGSTOP)?;
        Ok(Self(pid))
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        // It fails only if the process is gone.
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

impl Ram {
    /// Reads the memory of a QEMU, which is the one of its mappings that has that length.
    pub(super) fn of(qemu: u32, bytes: usize) -> Result<Self> {
        let _still = Still::hold(qemu)?;
        let maps = fs::read_to_string(format!("/proc/{qemu}/maps"))?;
        let starts: Vec<u64> = maps.lines().filter_map(|line| start(line, bytes)).collect();
        let [start] = starts.as_slice() else {
            return Err(format!("QEMU has {} mappings of {bytes} bytes instead of one", starts.len()).into());
        };
        let mut all = vec![0; bytes];
        File::open(format!("/proc/{qemu}/mem"))?.read_exact_at(&mut all, *start)?;
        Ok(Self(all))
    }

    /// Number of its pages.
    pub(super) fn pages(&self) -> usize {
        self.0.len() / PAGE
    }

    /// Number of the page at an address of the board, if it is memory.
    pub(super) fn page_at(&self, physical: u32) -> Option<usize> {
        let page = physical.checked_sub(PHYSICAL)? as usize / PAGE;
        (page < self.pages()).then_some(page)
    }

    /// Whether the kernel reaches memory at an address.
    pub(super) fn has(&self, address: u32) -> bool {
        address.checked_sub(VIRTUAL).is_some_and(|offset| (offset as usize) < self.0.len())
    }

    /// A page, whole.
    pub(super) fn page(&self, number: usize) -> &[u8] {
        self.0.get(number * PAGE..(number + 1) * PAGE).unwrap_or_default()
    }

    /// What begins at an address of the kernel.
    pub(super) fn from(&self, address: u32) -> &[u8] {
        let offset = address.checked_sub(VIRTUAL).map(|offset| offset as usize);
        offset.and_then(|offset| self.0.get(offset..)).unwrap_or_default()
    }

    /// The word at an address of the kernel.
    pub(super) fn word(&self, address: u32) -> Result<u32> {
        let word = self.from(address).first_chunk();
        Ok(u32::from_le_bytes(*word.ok_or_else(|| format!("{address:#x} is not in memory"))?))
    }

    /// The name at an address of the kernel.
    pub(super) fn name(&self, address: u32) -> Result<&str> {
        let bytes = self.from(address);
        let bytes = bytes.get(..64).unwrap_or(bytes).split(|byte| *byte == 0).next().unwrap_or_default();
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let is_name = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_name { Ok(text) } else { Err(format!("no name is at {address:#x}").into()) }
    }

    /// The addresses of a list's entries, without its head (`struct list_head`).
    pub(super) fn list(&self, head: u32) -> Result<Vec<u32>> {
        const MOST: usize = 10_000;
        let mut entries = Vec::new();
        let mut next = self.word(head)?;
        while next != head {
            entries.push(next);
            if entries.len() > MOST {
                return Err(format!("the list at {head:#x} does not end").into());
            }
            next = self.word(next)?;
        }
        Ok(entries)
    }
}

/// Start of a mapping of so many bytes that can be written, from a line of /proc/PID/maps.
fn start(line: &str, bytes: usize) -> Option<u64> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).ok());
    let (start, end) = (start?, end?);
    (rest.starts_with("rw") && end.checked_sub(start)? == bytes as u64).then_some(start)
}

#[cfg(test)]
impl Ram {
    /// Memory made by a test.
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapping_is_found_by_its_length_and_rights() {
        assert_eq!(start("1000-3000 rw-p 00000000 00:00 0", 0x2000), Some(0x1000));
        assert_eq!(start("1000-3000 r--p 00000000 00:00 0", 0x2000), None);
        assert_eq!(start("1000-4000 rw-p 00000000 00:00 0", 0x2000), None);
        assert_eq!(start("nothing", 0x2000), None);
    }

    #[test]
    fn list_ends_where_it_began_and_a_name_is_text() {
        let mut bytes = vec![0; PAGE];
        for (at, next) in [(0, 16), (16, 32), (32, 0)] {
            bytes[at..at + 4].copy_from_slice(&(VIRTUAL + next).to_le_bytes());
        }
        bytes[64..68].copy_from_slice(b"abc\0");
        let ram = Ram::new(bytes);
        assert_eq!(ram.list(VIRTUAL).unwrap(), [VIRTUAL + 16, VIRTUAL + 32]);
        assert!(ram.list(VIRTUAL + 64).is_err());
        assert_eq!(ram.name(VIRTUAL + 64).unwrap(), "abc");
        assert!(ram.name(VIRTUAL).is_err() && ram.name(0x1000).is_err());
    }
}
