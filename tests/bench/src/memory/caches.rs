//! Names of the kernel's heap caches.

use std::collections::HashMap;

use super::ram::Ram;
use super::symbols::Symbols;
use crate::Result;

/// By address of the `struct kmem_cache`.
#[derive(Debug)]
pub(super) struct Caches(HashMap<u32, String>);

/// `struct kmem_cache` (mm/slab.h): its name, and its place in the list of all.
const NAME: u32 = 64;
const LIST: u32 = 68;

impl Caches {
    pub(super) fn read(ram: &Ram, symbols: &Symbols) -> Result<Self> {
        let mut names = HashMap::new();
        for entry in ram.list(symbols.address("slab_caches")?)? {
            let cache = entry - LIST;
            names.insert(cache, ram.name(ram.word(cache + NAME)?)?.to_owned());
        }
        Ok(Self(names))
    }

    pub(super) fn name(&self, cache: u32) -> Result<&str> {
        let name = self.0.get(&cache).map(String::as_str);
        name.ok_or_else(|| format!("a page belongs to a cache at {cache:#x}, which is none").into())
    }
}
