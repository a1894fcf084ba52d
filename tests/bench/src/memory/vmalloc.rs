//! Pages that the kernel maps a second time: vmalloc, and memory for devices.

use std::collections::HashMap;

use super::ram::{Ram, VIRTUAL};
use super::symbols::Symbols;
use crate::Result;

/// By page: who asked for its mapping.
#[derive(Debug)]
pub(super) struct Mappings(HashMap<usize, String>);

/// `struct vmap_node` (mm/vmalloc.c): 256 pools of 12 bytes, a flag, then the busy areas' tree and list.
const NODE_LIST: u32 = 256 * 12 + 4 + 4;
/// `struct vmap_area`: start, end, then its place in the list, then its `vm_struct`.
const AREA_END: u32 = 4;
const AREA_LIST: u32 = 20;
const AREA_MAPPING: u32 = 28;
/// `struct vm_struct`: who asked for it.
const MAPPING_CALLER: u32 = 28;

/// An area of addresses.
struct Area {
    start: u32,
    end: u32,
    caller: String,
}

impl Mappings {
    pub(super) fn read(ram: &Ram, symbols: &Symbols) -> Result<Self> {
        if ram.word(symbols.address("nr_vmap_nodes")?)? != 1 {
            return Err("the kernel has more than one list of mappings: one is read here".into());
        }
        let mut areas = Vec::new();
        for entry in ram.list(symbols.address("single")? + NODE_LIST)? {
            let area = entry - AREA_LIST;
            let mapping = ram.word(area + AREA_MAPPING)?;
            if mapping != 0 {
                let caller = symbols.function(ram.word(mapping + MAPPING_CALLER)?).to_owned();
                areas.push(Area { start: ram.word(area)?, end: ram.word(area + AREA_END)?, caller });
            }
        }
        let mut pages = HashMap::new();
        for (address, page) in mapped(ram, symbols.address("swapper_pg_dir")?, 0xc00..0x1000)? {
            if ram.has(address) {
                continue;
            }
            let area = areas.iter().find(|area| area.start <= address && address < area.end);
            pages.insert(page, area.map_or_else(|| "early boot".to_owned(), |area| area.caller.clone()));
        }
        Ok(Self(pages))
    }

    /// Who asked for the mapping of a page.
    pub(super) fn caller(&self, page: usize) -> Option<&str> {
        self.0.get(&page).map(String::as_str)
    }
}

/// Addresses and pages that the tables below a first-level table map, for these of its entries (ARM, short
/// descriptors: an entry for each MiB, tables of 256 small pages).
pub(super) fn mapped(
    ram: &Ram,
    first_level: u32,
    entries: std::ops::Range<u32>,
) -> Result<Vec<(u32, usize)>> {
    let mut found = Vec::new();
    for entry in entries {
        let Some(table) = table(ram.word(first_level + entry * 4)?) else { continue };
        for place in 0..256_u32 {
            let small = ram.word(table + place * 4)?;
            if small & 2 != 0
                && let Some(page) = ram.page_at(small)
            {
                found.push(((entry << 20) + (place << 12), page));
            }
        }
    }
    Ok(found)
}

/// Where the kernel sees the second-level table that a first-level entry names, if it names one.
pub(super) fn table(entry: u32) -> Option<u32> {
    (entry & 3 == 1).then(|| (entry & !0x3ff).wrapping_sub(super::ram::PHYSICAL).wrapping_add(VIRTUAL))
}
