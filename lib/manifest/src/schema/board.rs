//! The fields of a board.

use super::{Amount, DEVICE, Field, NAME, RELATIVE, Shape, WORD};
use crate::arch::Arch;

/// Every field.
pub fn fields() -> Vec<Field> {
    vec![
        Field::needed("board", Shape::text(NAME, 32), "board: qemu-armv7")
            .about("Its name, which is that of the file."),
        Field::needed("arch", Shape::Words(Arch::ALL.map(Arch::as_str).to_vec()), "arch: armv7")
            .about("Its processor's architecture."),
        Field::needed("kernel", Shape::Fields(kernel()), "kernel: { image: zImage, fragments: [base.config] }")
            .about("Its kernel."),
        Field::needed("cmdline", Shape::text(r#"^[ !#-?A-~]*$"#, 400), "cmdline: console=ttyAMA0")
            .about("The board's part of the kernel's command line. The builder adds what boots and verifies the image.")
            .limits("none of the options that the builder writes: root, init, panic, lsm, dm-mod.*, nacre.*"),
        Field::needed("disk", Shape::Fields(disk()), "disk: { size: 16MiB, slot: 4MiB }").about("Its disk."),
        Field::needed("memory", Shape::Fields(memory()), "memory: { default: 24MiB }").about("Its memory."),
        Field::optional("devices", Shape::Fields(devices()), "devices: { uart: { console2: { tty: ttyS1 } } }")
            .about("What apps can be given of it, each by a name."),
        Field::needed(
            "qemu",
            Shape::Fields(qemu()),
            "qemu: { program: qemu-system-arm, package: qemu-system-arm, disk-device: virtio-blk-pci, serial-device: virtio-serial-pci }",
        )
        .about("How QEMU becomes this machine. `nacre run` adds memory, kernel, disk, device channel and network."),
    ]
}

fn kernel() -> Vec<Field> {
    vec![
        Field::needed("image", Shape::text(WORD, 64), "kernel: { image: zImage, fragments: [base.config] }")
            .about("The file below arch/ARCH/boot that the board boots, which is also the target for make."),
        Field::needed(
            "fragments",
            Shape::list(Shape::text(RELATIVE, 1024), 1, 32),
            "kernel: { image: zImage, fragments: [base.config] }",
        )
        .about("Fragments of the configuration, in the order in which they apply, relative to this file."),
    ]
}

fn disk() -> Vec<Field> {
    vec![
        Field::needed("size", Shape::Amount(Amount::Size), "disk: { size: 16MiB, slot: 4MiB }")
            .about("The whole disk.")
            .limits("8MiB to 64GiB, in steps of 64KiB"),
        Field::needed("slot", Shape::Amount(Amount::Size), "disk: { size: 16MiB, slot: 4MiB }")
            .about("One of the two slots.")
            .limits("1MiB to 1GiB, in steps of 64KiB; two of them leave 3MiB for boot state and data"),
    ]
}

fn memory() -> Vec<Field> {
    vec![
        Field::needed("default", Shape::Amount(Amount::Size), "memory: { default: 24MiB }")
            .about("Memory of the virtual machine, and what the apps' limits are held against.")
            .limits("8MiB to 4GiB, in steps of 1MiB"),
    ]
}

fn devices() -> Vec<Field> {
    let line = vec![
        Field::needed(
            "chip",
            Shape::text(WORD, 64),
            "devices: { gpio: { LED1: { chip: gpio-sim, line: 0 } } }",
        )
        .about("Label of its chip."),
        Field::needed(
            "line",
            Shape::Number { least: 0, most: 511 },
            "devices: { gpio: { LED1: { chip: gpio-sim, line: 0 } } }",
        )
        .about("Its number on the chip, from 0."),
    ];
    let port = vec![
        Field::needed("tty", Shape::text(WORD, 64), "devices: { uart: { console2: { tty: ttyS1 } } }")
            .about("Its device node below /dev.")
            .limits("not the console of the OS"),
        Field::optional(
            "qemu-device",
            Shape::text(WORD, 64),
            "devices: { uart: { console2: { tty: ttyS1, qemu-device: pci-serial } } }",
        )
        .about("The `-device` that brings the port into QEMU's machine."),
    ];
    let named = |of, most| Shape::Map { names: DEVICE, of: Box::new(of), most };
    vec![
        Field::optional(
            "simulated-gpio",
            named(Shape::Number { least: 1, most: 512 }, 4),
            "devices: { simulated-gpio: { gpio-sim: 4 } }",
        )
        .or("{}")
        .about("Chips that the kernel only simulates, each with the number of its lines: for a machine without a real one."),
        Field::optional(
            "gpio",
            named(Shape::Fields(line), 64),
            "devices: { gpio: { LED1: { chip: gpio-sim, line: 0 } } }",
        )
        .or("{}")
        .about("GPIO lines by their names."),
        Field::optional(
            "uart",
            named(Shape::Fields(port), 64),
            "devices: { uart: { console2: { tty: ttyS1 } } }",
        )
        .or("{}")
        .about("Serial ports by their names."),
    ]
}

fn qemu() -> Vec<Field> {
    /// The least that `qemu` has.
    const EXAMPLE: &str = "qemu: { program: qemu-system-arm, package: qemu-system-arm, disk-device: virtio-blk-pci, serial-device: virtio-serial-pci }";
    let word = |name| Field::needed(name, Shape::text(WORD, 64), EXAMPLE);
    vec![
        Field::needed("program", Shape::text(r"^qemu-system-[A-Za-z0-9_.+-]*$", 64), EXAMPLE)
            .about("The program, which is looked up in PATH."),
        word("package").about("The Debian package that has it, for the hint where it is missing."),
        Field::optional(
            "args",
            Shape::list(Shape::Text { syntax: "", most: None }, 0, 64),
            "qemu: { args: [-machine, virt], program: qemu-system-arm, package: qemu-system-arm, disk-device: virtio-blk-pci, serial-device: virtio-serial-pci }",
        )
        .or("[]")
        .about("Arguments that make QEMU this machine."),
        word("disk-device").about("The `-device` that attaches the disk."),
        word("serial-device").about("The `-device` that carries the device channel."),
        Field::optional(
            "network-device",
            Shape::text(WORD, 64),
            "qemu: { network-device: virtio-net-pci, program: qemu-system-arm, package: qemu-system-arm, disk-device: virtio-blk-pci, serial-device: virtio-serial-pci }",
        )
        .about("The `-device` that is the network card, if the board has one."),
    ]
}
