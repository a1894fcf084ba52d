//! Memory that was given to devices to write into: what the descriptors of virtio's rings point to (virtio 1.2,
//! "The Virtqueue Descriptor Table").

use std::collections::BTreeSet;

use super::Sums;
use super::pages::{Pages, Use};
use super::ram::{PAGE, PAGE_KIB, Ram};

/// Bytes of a descriptor.
const DESCRIPTOR: usize = 16;
/// For the device to write.
const WRITE: u16 = 2;
/// The most that a ring or a buffer has here.
const MOST_DESCRIPTORS: u16 = 1024;
const MOST_BYTES: u32 = 256 * 1024;
/// Fewer could be anything.
const LEAST: usize = 16;

/// Buffers that lie in the heap, by cache, in KiB.
#[derive(Debug)]
pub(super) struct Rings {
    pub(super) in_heap: Sums<u32>,
    /// Buffers of each ring that has some.
    pub(super) buffers: Vec<usize>,
}

impl Rings {
    /// Looks for rings in pages of which nothing is known; what they point to becomes known as buffers.
    pub(super) fn find(ram: &Ram, pages: &mut Pages) -> Self {
        let mut rings = Self { in_heap: Sums::new(), buffers: Vec::new() };
        for number in 0..ram.pages() {
            if pages.all.get(number).is_none_or(|page| page.used != Use::Rest) {
                continue;
            }
            let buffers = buffers(ram, number);
            if buffers.len() < LEAST {
                continue;
            }
            rings.buffers.push(buffers.len());
            let touched: BTreeSet<usize> = buffers.into_iter().collect();
            for page in touched {
                match pages.all.get(page).map(|page| page.used.clone()) {
                    Some(Use::Slab(cache)) => *rings.in_heap.entry(cache).or_default() += PAGE_KIB,
                    Some(Use::Rest) => pages.change(page, &Use::Buffer),
                    _ => {}
                }
            }
        }
        rings
    }
}

/// The pages in which buffers begin, if a ring begins on this page.
fn buffers(ram: &Ram, number: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut read = 0;
    for descriptor in ram.page(number).chunks_exact(DESCRIPTOR) {
        let Some((address, length, flags, next)) = fields(descriptor) else { break };
        let Ok(address) = u32::try_from(address) else { break };
        let page = ram.page_at(address);
        let is_empty = address == 0 && length == 0 && read > 0;
        let is_buffer = page.is_some() && length > 0 && length <= MOST_BYTES;
        if !(is_empty || is_buffer) || flags > 7 || next > MOST_DESCRIPTORS {
            break;
        }
        read += 1;
        if is_buffer && flags & WRITE != 0 {
            found.extend(page);
        }
    }
    if read >= PAGE / DESCRIPTOR / 8 { found } else { Vec::new() }
}

fn fields(descriptor: &[u8]) -> Option<(u64, u32, u16, u16)> {
    let (address, rest) = descriptor.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (flags, rest) = rest.split_first_chunk()?;
    let next = rest.first_chunk()?;
    Some((
        u64::from_le_bytes(*address),
        u32::from_le_bytes(*length),
        u16::from_le_bytes(*flags),
        u16::from_le_bytes(*next),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::ram::PHYSICAL;

    #[test]
    fn ring_is_found_by_its_descriptors_and_nothing_else_is() {
        let mut bytes = vec![0; 4 * PAGE];
        for number in 0..32_u16 {
            let at = PAGE + usize::from(number) * DESCRIPTOR;
            let address = u64::from(PHYSICAL) + 2 * 4096 + u64::from(number % 2) * 4096;
            bytes[at..at + 8].copy_from_slice(&address.to_le_bytes());
            bytes[at + 8..at + 12].copy_from_slice(&1536_u32.to_le_bytes());
            bytes[at + 12..at + 14].copy_from_slice(&WRITE.to_le_bytes());
            bytes[at + 14..at + 16].copy_from_slice(&(number + 1).to_le_bytes());
        }
        let ram = Ram::new(bytes);
        assert_eq!(buffers(&ram, 1).len(), 32);
        assert!(buffers(&ram, 0).is_empty() && buffers(&ram, 2).is_empty());
    }
}
