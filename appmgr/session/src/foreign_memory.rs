//! An app's memory, read for the text of a denial (`/proc/<pid>/mem`, proc_pid_mem(5)). The app may change it at any
//! time, so nothing of it is believed.

use std::cell::OnceCell;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Most bytes of one text; a longer one is shown in part.
const MOST: usize = 200;

/// The memory of a thread, if it is there. Opened when something of it is wanted.
#[derive(Debug)]
pub struct Memory {
    thread: u32,
    file: OnceCell<Option<File>>,
}

impl Memory {
    /// That of a thread, by its number here.
    pub fn of(thread: u32) -> Self {
        Self { thread, file: OnceCell::new() }
    }

    /// The text at an address, up to its zero byte; `None` if nothing can be read there.
    pub fn text(&self, address: u64) -> Option<String> {
        let mut buffer = [0; MOST];
        let bytes = self.bytes(address, &mut buffer)?;
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// What is there, as far as it can be read and the buffer holds it.
    pub fn bytes<'b>(&self, address: u64, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        if address == 0 {
            return None;
        }
        let file = self.file.get_or_init(|| File::open(format!("/proc/{}/mem", self.thread)).ok());
        let count = file.as_ref()?.read_at(buffer, address).ok()?;
        buffer.get(..count).filter(|bytes| !bytes.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_up_to_its_end_and_bad_addresses_give_none() {
        let own = Memory::of(std::process::id());
        let text = c"/etc/x".as_ptr().expose_provenance() as u64;
        assert_eq!(own.text(text).as_deref(), Some("/etc/x"));
        for address in [0, 1, 4095, u64::MAX, u64::MAX - 7, 1 << 62] {
            assert_eq!(own.text(address), None, "{address:#x}");
        }
        assert_eq!(Memory::of(u32::MAX).text(text), None);
        let long = vec![b'x'; 3 * MOST];
        assert_eq!(own.text(long.as_ptr().expose_provenance() as u64).map(|text| text.len()), Some(MOST));
    }
}
