//! Processes and what their page tables map.
//!
//! Where a task has its name, its memory and its place among the tasks follows from the first one's contents:
//! these offsets change with every option of the kernel.

use std::collections::BTreeSet;

use super::pages::{Pages, Use};
use super::ram::{PAGE_KIB, Ram};
use super::symbols::Symbols;
use super::vmalloc::{mapped, table};
use crate::Result;

/// Name of the first task.
const FIRST: &[u8] = b"swapper\0";
/// Bytes in which everything looked for lies.
const TASK: usize = 2048;
const MEMORY: u32 = 128;

/// Entries of a first-level table: user space, and some that all tables share.
const USER: std::ops::Range<u32> = 0..0xc00;
const SHARED: std::ops::Range<u32> = 0xc00..0xc10;
/// Pages of a first-level table.
const FIRST_LEVEL_PAGES: usize = 4;

/// A process and its pages, in KiB.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) name: String,
    /// Its own data.
    pub(super) anonymous: usize,
    /// Content of files, which belongs to the page cache.
    pub(super) mapped: usize,
    pub(super) tables: usize,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Processes {
    pub(super) all: Vec<Process>,
    /// Tasks without memory of their own.
    pub(super) kernel_threads: Vec<String>,
}

impl Processes {
    /// Reads them; the pages of their first-level tables become known as tables.
    pub(super) fn read(ram: &Ram, symbols: &Symbols, pages: &mut Pages) -> Result<Self> {
        let kernel_table = symbols.address("swapper_pg_dir")?;
        let first = symbols.address("init_task")?;
        let name_at = ram.from(first).get(..TASK).unwrap_or_default();
        let name_at = name_at.windows(FIRST.len()).position(|window| window == FIRST);
        let name_at = u32::try_from(name_at.ok_or("the first task has no name")?)?;
        let (tasks_at, tasks) = tasks(ram, first, name_at)?;
        let mut processes = Self { all: Vec::new(), kernel_threads: Vec::new() };
        for task in tasks {
            let name = ram.name(task + name_at)?.to_owned();
            // Without SMP, the memory comes next.
            let memory = ram.word(task + tasks_at + 8)?;
            if memory == 0 {
                processes.kernel_threads.push(name);
                continue;
            }
            let first_level = first_level(ram, memory, kernel_table)?;
            processes.all.push(process(ram, name, first_level, pages)?);
        }
        Ok(processes)
    }
}

/// All tasks but the first, and where in each its place among them is.
fn tasks(ram: &Ram, first: u32, name_at: u32) -> Result<(u32, Vec<u32>)> {
    for at in (0..name_at).step_by(4) {
        let Ok(entries) = ram.list(first + at) else { continue };
        let tasks: Vec<u32> = entries.iter().map(|entry| entry.wrapping_sub(at)).collect();
        let has =
            |name| tasks.iter().any(|task| ram.name(task.wrapping_add(name_at)).is_ok_and(|n| n == name));
        if tasks.len() > 10 && has("init") && has("kthreadd") {
            return Ok((at, tasks));
        }
    }
    Err("the list of tasks was not found".into())
}

/// The first-level table of a `struct mm_struct`: it maps the kernel as the kernel's own does.
fn first_level(ram: &Ram, memory: u32, kernel_table: u32) -> Result<u32> {
    for at in (0..MEMORY).step_by(4) {
        let table = ram.word(memory + at)?;
        let is_aligned = table.trailing_zeros() >= 14 && ram.has(table);
        let same = |entry: u32| Ok(ram.word(table + entry * 4)? == ram.word(kernel_table + entry * 4)?);
        if is_aligned && SHARED.map(same).collect::<Result<Vec<_>>>()?.iter().all(|same| *same) {
            return Ok(table);
        }
    }
    Err("a process has no page table".into())
}

fn process(ram: &Ram, name: String, first_level: u32, pages: &mut Pages) -> Result<Process> {
    let mut tables = BTreeSet::new();
    for entry in USER {
        if let Some(table) = table(ram.word(first_level + entry * 4)?) {
            tables.insert(table / 4096);
        }
    }
    let own = ram.page_at(first_level - super::ram::VIRTUAL + super::ram::PHYSICAL);
    let own = own.ok_or("a page table is not in memory")?;
    for page in own..own + FIRST_LEVEL_PAGES {
        pages.change(page, &Use::Tables);
    }
    let found: BTreeSet<usize> = mapped(ram, first_level, USER)?.into_iter().map(|(_, page)| page).collect();
    let count = |wanted: fn(&Use) -> bool| {
        let used = found.iter().filter_map(|page| pages.all.get(*page));
        used.filter(|page| wanted(&page.used)).count() * PAGE_KIB
    };
    Ok(Process {
        name,
        anonymous: count(|used| *used == Use::Anonymous),
        mapped: count(|used| matches!(used, Use::Cache(_))),
        tables: (tables.len() + FIRST_LEVEL_PAGES) * PAGE_KIB,
    })
}
