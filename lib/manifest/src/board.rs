//! A board: everything that the build and `nacre run` must know of a machine, so that no code names one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nacre_diag::{Place, Report};

use crate::arch::Arch;
use crate::board_devices;
use crate::hardware::BoardDevices;
use crate::image::name;
use crate::path::{Climb, folder_of, source_path};
use crate::unit;
use crate::yaml::{Fields, Node, Reading, read_file, shown};

/// A validated board.
#[derive(Debug, Clone)]
pub struct Board {
    /// The board's file, as the caller named it.
    pub file: String,
    /// Its name.
    pub board: String,
    /// Its processor.
    pub arch: Arch,
    /// Its kernel.
    pub kernel: Kernel,
    /// The board's part of the kernel command line, like `console=ttyAMA0`. What boots and verifies the
    /// image (`root=`, `dm-mod.*`, `init=`, `nacre.*`, `ro`, `rw`) is not in it: the builder adds that.
    pub cmdline: String,
    /// Its disk.
    pub disk: Disk,
    /// Memory of the virtual machine unless the command line says otherwise, in bytes.
    pub memory_bytes: u64,
    /// What apps can be given of it.
    pub devices: BoardDevices,
    /// How to run it in QEMU.
    pub qemu: Qemu,
    /// Where the memory is stated, for errors that only the build can find.
    pub memory_place: Place,
    /// Where the disk is.
    pub disk_place: Place,
}

/// The kernel of a board.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// Configuration fragments in the order in which they apply, each joined to the board file's folder.
    pub fragments: Vec<Fragment>,
    /// The file that the kernel's build makes and the board boots, below `arch/<arch>/boot`: `zImage`. It
    /// is also the target given to `make`.
    pub image: String,
}

/// A kernel configuration fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Its path: the board file's folder with the entry's path.
    pub path: PathBuf,
    /// Where the board names it.
    pub place: Place,
}

/// The disk of a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// The whole disk, in bytes.
    pub size_bytes: u64,
    /// One of the two slots, in bytes.
    pub slot_bytes: u64,
}

/// How to run a board in QEMU. Memory, kernel, command line, disk, channel and network are added to `args`
/// by `nacre run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qemu {
    /// The program, looked up in `PATH`: `qemu-system-arm`.
    pub program: String,
    /// The Debian package that has it, for the hint when it is missing.
    pub package: String,
    /// Arguments that make QEMU this machine.
    pub args: Vec<String>,
    /// The `-device` that attaches the disk: `virtio-blk-device`.
    pub disk_device: String,
    /// The `-device` that carries the device channel's port: `virtio-serial-device`.
    pub serial_device: String,
    /// The `-device` that is the network card, if the board has one: `virtio-net-device`.
    pub network_device: Option<String>,
    /// The `-device` that brings a serial port for apps, by the port's name: `pci-serial`.
    pub uart_devices: BTreeMap<String, String>,
}

/// Partitions are made of whole steps of 64 KiB: an erase block of common flash, and the size of the
/// envelope at a slot's end.
pub const PARTITION_STEP: u64 = 64 << 10;

/// What a disk holds beside its two slots at the least: GPT twice and boot state (1 MiB with alignment),
/// and a data partition on which ext4 with a journal of 1 MiB still works (2 MiB).
pub const DISK_REST: u64 = 3 << 20;

/// Validates the text of a board. `file` is its name in messages; its folder is where its paths start.
///
/// # Errors
/// Everything that is wrong, in reading order, with the exit code 65.
pub fn parse(text: &str, file: &str) -> Result<Board, Report> {
    let (mut reading, root) = Reading::start(text, file)?;
    let r = &mut reading;
    let known = ["board", "arch", "kernel", "cmdline", "disk", "memory", "devices", "qemu"];
    let fields = r.fields(&root, &known);
    let board = fields.need(r, "board", "board: qemu-armv7").and_then(|node| name(r, node));
    let arches = Arch::ALL.map(|arch| (arch.as_str(), arch));
    let arch = fields.need(r, "arch", "arch: armv7").and_then(|node| r.word(node, &arches));
    let kernel = fields
        .need(r, "kernel", "kernel: { fragments: [base.config], image: zImage }")
        .and_then(|node| kernel(r, node, &folder_of(file)));
    let cmdline = fields.need(r, "cmdline", "cmdline: console=ttyAMA0").and_then(|node| cmdline(r, node));
    let disk = fields.need(r, "disk", "disk: { size: 16MiB, slot: 4MiB }").and_then(|node| disk(r, node));
    let memory = fields.need(r, "memory", "memory: { default: 24MiB }").and_then(|node| memory(r, node));
    let (devices, uart_devices) = fields
        .get("devices")
        .map(|node| board_devices::read(r, node, &consoles(cmdline.as_deref())))
        .unwrap_or_default();
    let qemu = fields.need(r, "qemu", "qemu: { program: qemu-system-arm, … }").and_then(|node| qemu(r, node));
    let memory_place = reading.place_or_file(fields.get("memory"));
    let disk_place = reading.place_or_file(fields.get("disk"));
    let board = (|| {
        Some(Board {
            file: file.to_owned(),
            board: board?,
            arch: arch?,
            kernel: kernel?,
            cmdline: cmdline?,
            disk: disk?,
            memory_bytes: memory?,
            devices,
            qemu: Qemu { uart_devices, ..qemu? },
            memory_place,
            disk_place,
        })
    })();
    reading.finish(board)
}

/// The terminals that belong to the OS: each `console=` of the command line, without its settings.
fn consoles(cmdline: Option<&str>) -> Vec<&str> {
    let words = cmdline.unwrap_or_default().split_whitespace();
    let named = words.filter_map(|word| word.strip_prefix("console="));
    named.map(|console| console.split(',').next().unwrap_or(console)).collect()
}

/// Reads and validates a board.
///
/// # Errors
/// As [`parse`]; 66 if there is no such file.
pub fn load(path: &Path) -> Result<Board, Report> {
    parse(&read(path)?, &path.display().to_string())
}

/// Reads the text of a board, byte for byte, for who needs it beside what [`parse`] makes of it.
///
/// # Errors
/// 66 if there is no such file; 65 if it is too long or not UTF-8.
pub fn read(path: &Path) -> Result<String, Report> {
    read_file(path)
}

fn kernel(reading: &mut Reading<'_>, node: &Node, folder: &Path) -> Option<Kernel> {
    let fields = reading.fields(node, &["fragments", "image"]);
    let image = fields.need(reading, "image", "image: zImage").and_then(|node| word(reading, node));
    let mut fragments = Vec::new();
    let list = fields.need(reading, "fragments", "fragments: [base.config]")?;
    let items = reading.list(list, 32, "fragments: [base.config]");
    for item in items {
        let Some(text) = reading.text(item) else { continue };
        match source_path(text, Climb::Allowed) {
            Ok(path) => fragments.push(Fragment { path: folder.join(path), place: reading.place(item) }),
            Err(slip) => reading.bad(item, format!("`{}`: {}", item.label, slip.message), slip.hint),
        }
    }
    if reading.is_clean() && fragments.is_empty() {
        reading.bad(list, "`kernel.fragments` is empty", "a kernel without options does not boot");
    }
    Some(Kernel { fragments, image: image? })
}

/// A name for another program: letters, digits, `-`, `_`, `.`; no path and no option.
pub(crate) fn word(reading: &mut Reading<'_>, node: &Node) -> Option<String> {
    let text = reading.text(node)?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if !first || text.len() > 64 || !text.chars().all(good) {
        let message = format!("`{}`: `{}` is not a name", node.label, shown(text));
        reading.bad(
            node,
            message,
            "it has letters, digits, `-`, `_`, `.`, `+`, and begins with a letter or digit",
        );
        return None;
    }
    Some(text.to_owned())
}

fn cmdline(reading: &mut Reading<'_>, node: &Node) -> Option<String> {
    /// Options that boot and verify the image, or would undo that.
    const BUILDER: [&str; 10] =
        ["panic", "lsm", "root", "rootfstype", "rootflags", "rootwait", "init", "ro", "rw", "rdinit"];
    let text = reading.text(node)?;
    // COMMAND_LINE_SIZE is 1024 on ARM; the verity table and the slot's name take up to 600 of it.
    if text.len() > 400 || !text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        reading.bad(node, "`cmdline` is not plain text of at most 400 bytes", "");
        return None;
    }
    if text.contains(['"', '@']) {
        reading.bad(
            node,
            "`cmdline` has `\"` or `@` in it",
            "quotes and the slot's place belong to the builder",
        );
        return None;
    }
    for word in text.split_whitespace() {
        let name = word.split('=').next().unwrap_or(word);
        if BUILDER.contains(&name)
            || name.starts_with("dm-mod.")
            || name.starts_with("nacre.")
            || name == "--"
        {
            let message = format!("`cmdline`: `{word}` is not the board's to say");
            reading.bad(node, message, "remove it: the builder writes what boots and verifies the image");
        }
    }
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn disk(reading: &mut Reading<'_>, node: &Node) -> Option<Disk> {
    let fields = reading.fields(node, &["size", "slot"]);
    let why = "partitions are made of steps of 64KiB";
    let size = fields
        .need(reading, "size", "size: 16MiB")
        .and_then(|node| reading.size(node, 8 << 20..=64 << 30, PARTITION_STEP, why));
    let slot_node = fields.need(reading, "slot", "slot: 4MiB")?;
    let slot = reading.size(slot_node, 1 << 20..=1 << 30, PARTITION_STEP, why)?;
    let disk = Disk { size_bytes: size?, slot_bytes: slot };
    if disk.slot_bytes * 2 + DISK_REST > disk.size_bytes {
        let message = format!(
            "`disk.slot`: two slots of {} leave less than {} of {}",
            unit::show_size(disk.slot_bytes),
            unit::show_size(DISK_REST),
            unit::show_size(disk.size_bytes)
        );
        reading.bad(slot_node, message, "boot state, data and two partition tables need that");
    }
    Some(disk)
}

fn memory(reading: &mut Reading<'_>, node: &Node) -> Option<u64> {
    let fields = reading.fields(node, &["default"]);
    let node = fields.need(reading, "default", "default: 24MiB")?;
    reading.size(node, 8 << 20..=4 << 30, 1 << 20, "QEMU counts memory in steps of 1MiB")
}

fn qemu(reading: &mut Reading<'_>, node: &Node) -> Option<Qemu> {
    const FIELDS: [&str; 6] =
        ["program", "package", "args", "disk-device", "serial-device", "network-device"];
    let fields = reading.fields(node, &FIELDS);
    let program = program(reading, &fields);
    let mut named =
        |name: &str, example: &str| fields.need(reading, name, example).and_then(|node| word(reading, node));
    let package = named("package", "package: qemu-system-arm");
    let disk_device = named("disk-device", "disk-device: virtio-blk-device");
    let serial_device = named("serial-device", "serial-device: virtio-serial-device");
    let network_device = fields.get("network-device").and_then(|node| word(reading, node));
    let mut args = Vec::new();
    if let Some(list) = fields.get("args") {
        for item in reading.list(list, 64, "args: [-machine, virt]") {
            match reading.text(item) {
                Some(text) if text.contains('\0') => {
                    reading.bad(item, format!("`{}` has a zero byte in it", item.label), "");
                }
                Some(text) => args.push(text.to_owned()),
                None => {}
            }
        }
    }
    Some(Qemu {
        program: program?,
        package: package?,
        args,
        disk_device: disk_device?,
        serial_device: serial_device?,
        network_device,
        uart_devices: BTreeMap::new(),
    })
}

/// Only QEMU itself, by name: a board file from elsewhere must not start another program.
fn program(reading: &mut Reading<'_>, fields: &Fields<'_>) -> Option<String> {
    let node = fields.need(reading, "program", "program: qemu-system-arm")?;
    let program = word(reading, node)?;
    if !program.starts_with("qemu-system-") {
        let message = format!("`qemu.program`: `{program}` is not a machine of QEMU");
        reading.bad(node, message, "write it like `qemu-system-arm`; it is looked up in PATH");
        return None;
    }
    Some(program)
}
