//! The table.

use std::fmt;

use super::Sums;
use super::caches::Caches;
use super::pages::{Pages, Use};
use super::processes::Processes;
use super::ram::{PAGE, PAGE_KIB, Ram};
use super::rings::Rings;
use super::symbols::Symbols;
use crate::Result;

/// Caches below this many KiB are one line together.
const SMALL: usize = 24;
/// What a device tree begins with (Devicetree Specification 0.4, 5.2), and where its length is.
const TREE: [u8; 4] = 0xd00d_feed_u32.to_be_bytes();
const TREE_BYTES: usize = 4;

/// Names of two groups.
const FREE: &str = "free";
const FILES: &str = "content of files, by mount: given back when needed, but for what is in use";
/// Name of a line.
const IMAGES: &str = "the apps' images (erofs)";

/// One line: what, how many KiB, and how that is known.
#[derive(Debug)]
struct Line {
    what: String,
    kib: usize,
    known: String,
}

/// Lines of one kind.
#[derive(Debug)]
struct Group {
    name: &'static str,
    lines: Vec<Line>,
}

/// All lines; their sum is the memory of the machine.
#[derive(Debug)]
pub(super) struct Ledger {
    groups: Vec<Group>,
    all: usize,
    reserved: usize,
}

impl Ledger {
    pub(super) fn new(
        ram: &Ram,
        symbols: &Symbols,
        caches: &Caches,
        pages: &Pages,
        processes: &Processes,
        rings: &Rings,
    ) -> Result<Self> {
        let reserved = sum(pages, |used| *used == Use::Reserved);
        let groups = vec![
            kernel(ram, symbols, pages, reserved)?,
            heap(caches, pages, rings)?,
            mapped(pages, processes),
            buffers(pages, rings),
            own(pages, processes),
            files(pages),
            Group {
                name: FREE,
                lines: vec![line("", sum(pages, |used| *used == Use::Free), "page type, or no reference")],
            },
        ];
        let ledger = Self { groups, all: ram.pages() * PAGE_KIB, reserved };
        let found: usize = ledger.groups.iter().map(Group::kib).sum();
        if found == ledger.all {
            Ok(ledger)
        } else {
            Err(format!("the lines make {found} KiB of {} KiB", ledger.all).into())
        }
    }

    /// What the kernel's page allocator has, as MemTotal of /proc/meminfo counts.
    pub(super) fn managed_kib(&self) -> u64 {
        (self.all - self.reserved) as u64
    }

    /// All that is not free.
    pub(super) fn used_kib(&self) -> usize {
        self.all - self.group(FREE)
    }

    /// Content of files.
    pub(super) fn files_kib(&self) -> usize {
        self.group(FILES)
    }

    /// Content of files in the apps' mounted images.
    pub(super) fn images_kib(&self) -> usize {
        let files = self.groups.iter().filter(|group| group.name == FILES).flat_map(|group| &group.lines);
        files.filter(|line| line.what == IMAGES).map(|line| line.kib).sum()
    }

    fn group(&self, name: &str) -> usize {
        self.groups.iter().filter(|group| group.name == name).map(Group::kib).sum()
    }
}

fn line(what: impl Into<String>, kib: usize, known: impl Into<String>) -> Line {
    Line { what: what.into(), kib, known: known.into() }
}

fn sum(pages: &Pages, wanted: impl Fn(&Use) -> bool) -> usize {
    pages.all.iter().filter(|page| wanted(&page.used)).count() * PAGE_KIB
}

fn kernel(ram: &Ram, symbols: &Symbols, pages: &Pages, reserved: usize) -> Result<Group> {
    let known = "symbols of System.map";
    let mut lines = Vec::new();
    for (what, from, to) in [
        ("code", "_stext", "__start_rodata"),
        ("read-only data", "__start_rodata", "__end_rodata"),
        ("nothing: the next section begins at a whole MiB", "__end_rodata", "__init_begin"),
        ("data", "_sdata", "__bss_start"),
        ("data that begins as zero", "__bss_start", "_end"),
    ] {
        // In whole pages, so that nothing is counted twice.
        let page = |name| Ok::<_, Box<dyn std::error::Error>>(symbols.address(name)? as usize / PAGE);
        let end = if to == "_end" { page(to)? + 1 } else { page(to)? };
        lines.push(line(what, (end - page(from)?) * PAGE_KIB, known));
    }
    lines.push(line("the kernel's first-level page table", 16, known));
    let tree = (0..ram.pages()).find(|page| {
        let is_reserved = pages.all.get(*page).is_some_and(|page| page.used == Use::Reserved);
        is_reserved && ram.page(*page).starts_with(&TREE)
    });
    if let Some(bytes) = tree.and_then(|page| ram.page(page).get(TREE_BYTES..)?.first_chunk()) {
        let bytes = u32::from_be_bytes(*bytes) as usize;
        lines.push(line("QEMU's device tree, kept", bytes.div_ceil(1024), "its first bytes and length"));
    }
    let tables = format!("`mem_map`: {} bytes for each page", pages.bytes / pages.all.len().max(1));
    lines.push(line("`struct page`", pages.bytes.div_ceil(PAGE) * PAGE_KIB, tables));
    let found: usize = lines.iter().map(|line| line.kib).sum();
    let rest = reserved.checked_sub(found).ok_or("the kernel has more parts than pages")?;
    lines.push(line(
        "hash tables, device tree unpacked and more from early boot",
        rest,
        "reserved, the rest",
    ));
    Ok(Group { name: "kernel, before it starts (reserved)", lines })
}

fn heap(caches: &Caches, pages: &Pages, rings: &Rings) -> Result<Group> {
    let mut sums: Sums<&str> = Sums::new();
    let mut places: Sums<&str> = Sums::new();
    let mut given: Sums<&str> = Sums::new();
    for slab in &pages.slabs {
        let name = caches.name(slab.cache)?;
        *sums.entry(name).or_default() += slab.pages * PAGE_KIB;
        *places.entry(name).or_default() += slab.places;
    }
    for (cache, kib) in &rings.in_heap {
        *given.entry(caches.name(*cache)?).or_default() += kib;
    }
    let mut lines = Vec::new();
    let (mut small, mut count) = (0, 0);
    for (name, kib) in sums {
        if kib < SMALL {
            small += kib;
            count += 1;
            continue;
        }
        let mut known = format!("its cache's name; {} places", places.get(name).unwrap_or(&0));
        if let Some(given) = given.get(name) {
            known += &format!("; {given} KiB are the device channel's, in virtio's rings");
        }
        lines.push(line(format!("`{name}`"), kib, known));
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.kib));
    lines.push(line(format!("{count} caches below {SMALL} KiB"), small, "the same"));
    Ok(Group { name: "kernel heap (slab)", lines })
}

fn mapped(pages: &Pages, processes: &Processes) -> Group {
    let mut sums: Sums<&str> = Sums::new();
    for page in &pages.all {
        if let Use::Mapped(caller) = &page.used {
            *sums.entry(caller).or_default() += PAGE_KIB;
        }
    }
    let tasks = processes.all.len() + processes.kernel_threads.len();
    let line_of = |(caller, kib): (&str, usize)| {
        let known = format!("the kernel's page table; `{caller}` asked for it");
        match caller {
            "kernel_clone" => {
                let threads = processes.kernel_threads.len();
                line(format!("stacks of {tasks} tasks, {threads} of them kernel threads"), kib, known)
            }
            "dma_common_contiguous_remap" => line("pool for devices (`coherent_pool=`)", kib, known),
            "lz4_init" => line("the root filesystem's decompressor", kib, known),
            _ => line(format!("for `{caller}`"), kib, known),
        }
    };
    let mut lines: Vec<Line> = sums.into_iter().map(line_of).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.kib));
    Group { name: "kernel, mapped (vmalloc)", lines }
}

fn buffers(pages: &Pages, rings: &Rings) -> Group {
    let count: Vec<String> = rings.buffers.iter().map(usize::to_string).collect();
    let known = format!("virtio's rings have {} buffers; those in the heap stand there", count.join(" + "));
    let rest = sum(pages, |used| *used == Use::Rest);
    let lines = vec![
        line("the network card's receive buffers", sum(pages, |used| *used == Use::Buffer), known),
        line("rings, log, pipes, packets, large objects", rest, "allocated, and nothing else"),
    ];
    Group { name: "kernel, pages", lines }
}

fn own(pages: &Pages, processes: &Processes) -> Group {
    let mut lines = Vec::new();
    let (mut anonymous, mut tables) =
        (sum(pages, |used| *used == Use::Anonymous), sum(pages, |used| *used == Use::Tables));
    for process in &processes.all {
        let kib = process.anonymous + process.tables;
        let known = format!(
            "its page tables: {} own, {} tables; beside them {} of files",
            process.anonymous, process.tables, process.mapped
        );
        // What was counted for another process already stays there.
        anonymous = anonymous.saturating_sub(process.anonymous);
        tables = tables.saturating_sub(process.tables);
        lines.push(line(format!("`{}`", process.name), kib, known));
    }
    lines.push(line("data that no process maps at this moment", anonymous, "the kernel's flags of the page"));
    lines.push(line("the kernel's second-level page tables", tables, "page type"));
    Group { name: "processes", lines }
}

fn files(pages: &Pages) -> Group {
    let mut sums: Sums<&str> = Sums::new();
    for page in &pages.all {
        if let Use::Cache(filesystem) = &page.used {
            *sums.entry(filesystem).or_default() += PAGE_KIB;
        }
    }
    let line_of = |(name, kib): (&str, usize)| {
        let what = match name {
            "squashfs" => "`/`, the root filesystem (squashfs)",
            "erofs" => IMAGES,
            "ext4" => "`/data` (ext4): packages as they lie there, and data",
            "bdev" => "blocks of `/data` and of the disk",
            "tmpfs" => "`/run` and the apps' `/tmp` (tmpfs)",
            other => return line(format!("`{other}`"), kib, "the page's file"),
        };
        line(what, kib, "the page's file, its filesystem's name")
    };
    let mut lines: Vec<Line> = sums.into_iter().map(line_of).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.kib));
    Group { name: FILES, lines }
}

impl Group {
    fn kib(&self) -> usize {
        self.lines.iter().map(|line| line.kib).sum()
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | KiB | how that is known |\n| --- | ---: | --- |")?;
        for group in &self.groups {
            writeln!(f, "| **{}** | **{}** | |", group.name, group.kib())?;
            for line in group.lines.iter().filter(|line| line.kib > 0 && !line.what.is_empty()) {
                writeln!(f, "| {} | {} | {} |", line.what, line.kib, line.known)?;
            }
        }
        writeln!(f, "| **all** | **{}** | |", self.all)
    }
}
