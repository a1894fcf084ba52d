//! Where the memory of the running demo goes, page by page.
//!
//! The guest is the demo image as it is: nothing in it helps. Its memory is read out of QEMU's while QEMU stands
//! still, and the kernel's own structures in it say whose each page is. Where they lie in Linux 6.12 as it is
//! configured for the board stands beside what reads them; were it wrong, names would be no text, lists would not
//! close, and the sum would not be the guest's own: each of these is an error.

mod caches;
mod ledger;
mod pages;
mod processes;
mod ram;
mod rings;
mod symbols;
mod vmalloc;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::Result;
use crate::programs::{Programs, command, run};
use crate::vm::{Vm, device_info};

use caches::Caches;
use ledger::Ledger;
use pages::Pages;
use processes::Processes;
use ram::Ram;
use rings::Rings;
use symbols::Symbols;
use vmalloc::Mappings;

const BOARD: &str = "qemu-armv7";
const MIB: usize = 24;

/// What is known of a board's kernel.
#[derive(Debug)]
pub(crate) struct Kernel(Symbols);

/// Pages of a guest that are not free, in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) all_kib: usize,
    /// Those of them that hold content of files.
    pub(crate) files_kib: usize,
    /// Those of these that belong to the apps' mounted images.
    pub(crate) images_kib: usize,
}

impl Kernel {
    /// Of the kernel that a checkout makes for a board.
    pub(crate) fn of_board(programs: &Programs, checkout: &Path, board: &str) -> Result<Self> {
        let mut kernel = command(&programs.nacre, &["kernel", "build", "--board", board]);
        let kernel = run(kernel.current_dir(checkout))?;
        let kernel = Path::new(OsStr::from_bytes(kernel.trim_ascii()));
        Ok(Self(Symbols::load(&kernel.with_file_name("System.map"))?))
    }

    /// Counts the pages of a running guest with so many MiB.
    pub(crate) fn used(&self, qemu: u32, mib: usize) -> Result<Used> {
        let ram = Ram::of(qemu, mib << 20)?;
        let ledger = explain(&ram, &self.0)?;
        let (all_kib, files_kib) = (ledger.used_kib(), ledger.files_kib());
        Ok(Used { all_kib, files_kib, images_kib: ledger.images_kib() })
    }
}

/// How long the demo runs first: by then reporter has reported, and everything is in memory that will be.
const REST: Duration = Duration::from_secs(20);

/// Boots the demo, reads its memory and says where it goes, as a table.
pub(crate) fn text(programs: &Programs, checkout: &Path, demo: &Path) -> Result<String> {
    let Kernel(symbols) = Kernel::of_board(programs, checkout, BOARD)?;

    let memory = format!("{MIB}M");
    let mut vm = Vm::start(programs, demo, &["--memory", &memory, "--forward", "0:8080"])?;
    vm.wait_for_port()?;
    sleep(REST);
    let total = device_info(programs, demo, "memory_total_kib")?;
    let available = device_info(programs, demo, "memory_available_kib")?;
    let ram = Ram::of(vm.qemu()?, MIB << 20)?;
    drop(vm);

    let ledger = explain(&ram, &symbols)?;
    if ledger.managed_kib() != total {
        let ours = ledger.managed_kib();
        return Err(format!("{ours} KiB are not reserved, but the guest says {total} KiB").into());
    }
    Ok(format!("{ledger}\nThe guest itself says: {total} KiB in all, {available} KiB available.\n"))
}

fn explain(ram: &Ram, symbols: &Symbols) -> Result<Ledger> {
    let mappings = Mappings::read(ram, symbols)?;
    let caches = Caches::read(ram, symbols)?;
    let mut pages = Pages::read(ram, symbols, &mappings)?;
    let processes = Processes::read(ram, symbols, &mut pages)?;
    let rings = Rings::find(ram, &mut pages);
    Ledger::new(ram, symbols, &caches, &pages, &processes, &rings)
}

/// Counts by key, in KiB.
type Sums<K> = BTreeMap<K, usize>;
