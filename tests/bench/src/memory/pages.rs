//! What each page is used for, from the kernel's `struct page` for it (include/linux/mm_types.h).

use super::ram::Ram;
use super::symbols::Symbols;
use super::vmalloc::Mappings;
use crate::Result;

/// Words of a `struct page`: nine with memory control groups.
const WORDS: u32 = 9;

/// Bits of its flags (include/linux/page-flags.h).
const LRU: u32 = 5;
const HEAD: u32 = 6;
const RESERVED: u32 = 13;
const SWAP_BACKED: u32 = 17;

/// Values of the top byte of its type.
const BUDDY: u32 = 0xf0;
const TABLE: u32 = 0xf2;
const SLAB: u32 = 0xf5;

/// `struct address_space` begins with its inode; `struct inode` and `struct super_block` have these at:
const INODE_SUPER: u32 = 20;
const SUPER_TYPE: u32 = 32;

/// What a page is used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Use {
    Free,
    /// Never given to the page allocator.
    Reserved,
    /// Of a heap cache, at this address.
    Slab(u32),
    Tables,
    /// A process's own data.
    Anonymous,
    /// A file's content, in a filesystem of this type.
    Cache(String),
    /// Mapped by the kernel a second time, which this function asked for.
    Mapped(String),
    /// Given to a device to write into.
    Buffer,
    /// Allocated, and nothing more is known of it.
    Rest,
}

/// A page.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) used: Use,
    /// The first page of those that were allocated together.
    pub(super) head: usize,
}

/// A part of the heap: one slab.
#[derive(Debug)]
pub(super) struct Slab {
    pub(super) cache: u32,
    pub(super) pages: usize,
    pub(super) places: usize,
}

/// All pages.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) all: Vec<Page>,
    pub(super) slabs: Vec<Slab>,
    /// Bytes of all `struct page`.
    pub(super) bytes: usize,
    /// Where they are.
    pub(super) address: u32,
}

impl Pages {
    pub(super) fn read(ram: &Ram, symbols: &Symbols, mappings: &Mappings) -> Result<Self> {
        let address = ram.word(symbols.address("mem_map")?)?;
        let count = ram.pages();
        if ram.word(symbols.address("max_mapnr")?)? as usize != count {
            return Err(format!("the kernel does not know of {count} pages").into());
        }
        let bytes = count * WORDS as usize * 4;
        let mut pages = Self { all: Vec::with_capacity(count), slabs: Vec::new(), bytes, address };
        while pages.all.len() < count {
            pages.add(ram, mappings)?;
        }
        pages.all.truncate(count);
        Ok(pages)
    }

    fn word(&self, ram: &Ram, page: usize, word: u32) -> Result<u32> {
        ram.word(self.address + (u32::try_from(page)? * WORDS + word) * 4)
    }

    /// Adds the next page, and those that belong to it.
    fn add(&mut self, ram: &Ram, mappings: &Mappings) -> Result<()> {
        let head = self.all.len();
        let word = |number| self.word(ram, head, number);
        let (flags, mapping, kind, references) = (word(0)?, word(3)?, word(6)? >> 24, word(7)?);
        let has = |bit: u32| flags >> bit & 1 == 1;
        let mut count = 1;
        if has(HEAD) {
            // The order is in the second page's flags.
            count = 1 << (self.word(ram, head + 1, 0)? & 0xff);
        }
        let used = if has(RESERVED) {
            Use::Reserved
        } else if kind == BUDDY {
            count = 1 << word(5)?;
            Use::Free
        } else if kind == SLAB {
            let cache = word(1)?;
            // Between the objects in use and the flag that the processor allocates from it.
            let places = (word(5)? >> 16 & 0x7fff) as usize;
            self.slabs.push(Slab { cache, pages: count, places });
            Use::Slab(cache)
        } else if kind == TABLE {
            Use::Tables
        } else if references == 0 {
            // On the list of those that were freed last.
            Use::Free
        } else if mapping & 3 == 1 && has(SWAP_BACKED) {
            Use::Anonymous
        } else if let Some(caller) = mappings.caller(head) {
            Use::Mapped(caller.to_owned())
        } else if mapping & 3 == 0 && ram.has(mapping) && (has(LRU) || has(SWAP_BACKED) || kind == 0xff) {
            Use::Cache(filesystem(ram, mapping)?)
        } else {
            Use::Rest
        };
        if count > ram.pages() {
            return Err(format!("{count} pages belong together").into());
        }
        self.all.extend(std::iter::repeat_n(Page { used, head }, count));
        Ok(())
    }

    /// Says something else of the pages that were allocated with this one.
    pub(super) fn change(&mut self, page: usize, used: &Use) {
        let Some(head) = self.all.get(page).map(|page| page.head) else { return };
        for page in self.all.iter_mut().skip(head).take_while(|page| page.head == head) {
            page.used = used.clone();
        }
    }
}

/// Type of the filesystem that a mapping's file is in.
fn filesystem(ram: &Ram, mapping: u32) -> Result<String> {
    let inode = ram.word(mapping)?;
    let kind = ram.word(ram.word(inode + INODE_SUPER)? + SUPER_TYPE)?;
    Ok(ram.name(ram.word(kind)?)?.to_owned())
}
