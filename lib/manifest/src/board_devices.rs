//! `devices` of a board: names for its GPIO lines and serial ports, and how QEMU brings them.

use std::collections::BTreeMap;

use crate::board::word;
use crate::hardware::{BoardDevices, GpioLine, SimulatedChip, Uart};
use crate::yaml::{Node, Reading, shown};

/// GPIO lines or serial ports of a board.
const MAX_DEVICES: usize = 64;

/// Simulated chips of a board.
const MAX_CHIPS: usize = 4;

/// Highest number of a line: no chip has as many.
const MAX_LINE: u16 = 511;

/// The `-device` that brings a serial port into QEMU's machine, by the port's name.
pub(crate) type QemuUarts = BTreeMap<String, String>;

/// Reads `devices`. `consoles` are the terminals of the OS.
pub(crate) fn read(reading: &mut Reading<'_>, node: &Node, consoles: &[&str]) -> (BoardDevices, QemuUarts) {
    let fields = reading.fields(node, &["gpio", "uart", "simulated-gpio"]);
    let mut devices = BoardDevices::default();
    let mut uarts = QemuUarts::new();
    if let Some(node) = fields.get("simulated-gpio") {
        for (label, value) in named(reading, node, MAX_CHIPS, "gpio-sim: 4") {
            if let Some(lines) = reading.number(value, 1..=MAX_LINE + 1) {
                devices.simulated.push(SimulatedChip { label, lines });
            }
        }
    }
    if let Some(node) = fields.get("gpio") {
        for (name, value) in named(reading, node, MAX_DEVICES, "LED1: { chip: gpio-sim, line: 0 }") {
            if let Some(line) = gpio_line(reading, value, name, &devices) {
                devices.gpio.push(line);
            }
        }
    }
    if let Some(node) = fields.get("uart") {
        for (name, value) in named(reading, node, MAX_DEVICES, "console2: { tty: ttyS1 }") {
            let fields = reading.fields(value, &["tty", "qemu-device"]);
            let tty = fields.need(reading, "tty", "tty: ttyS1").and_then(|node| word(reading, node));
            let qemu = fields.get("qemu-device").and_then(|node| word(reading, node));
            let Some(tty) = tty else { continue };
            if let Some(other) = devices.uart.iter().find(|uart| uart.tty == tty) {
                let message = format!("`{}`: `{tty}` is `{}` already", value.label, other.name);
                reading.bad(value, message, "a port with two names would belong to two apps");
                continue;
            }
            if consoles.contains(&tty.as_str()) {
                let message = format!("`{}`: `{tty}` is the console of the OS", value.label);
                reading.bad(value, message, "an app would read and write in its name: use another port");
                continue;
            }
            uarts.extend(qemu.map(|device| (name.clone(), device)));
            devices.uart.push(Uart { name, tty });
        }
    }
    (devices, uarts)
}

fn gpio_line(
    reading: &mut Reading<'_>,
    node: &Node,
    name: String,
    devices: &BoardDevices,
) -> Option<GpioLine> {
    let fields = reading.fields(node, &["chip", "line"]);
    let chip = fields.need(reading, "chip", "chip: gpio-sim").and_then(|node| word(reading, node));
    let line_node = fields.need(reading, "line", "line: 0")?;
    let line = reading.number(line_node, 0..=MAX_LINE)?;
    let chip = chip?;
    if let Some(other) = devices.gpio.iter().find(|other| other.chip == chip && other.line == line) {
        let message = format!("`{}`: line {line} of `{chip}` is `{}` already", node.label, other.name);
        reading.bad(node, message, "a line with two names would belong to two apps");
        return None;
    }
    if let Some(simulated) = devices.simulated.iter().find(|simulated| simulated.label == chip)
        && line >= simulated.lines
    {
        let message = format!("`{}`: `{chip}` has {} lines", line_node.label, simulated.lines);
        reading.bad(line_node, message, "lines are counted from 0");
        return None;
    }
    Some(GpioLine { name, chip, line })
}

/// The entries of a map from names, sorted.
fn named<'n>(
    reading: &mut Reading<'_>,
    node: &'n Node,
    most: usize,
    example: &str,
) -> Vec<(String, &'n Node)> {
    let entries = reading.entries(node, example);
    if entries.len() > most {
        let message = format!("`{}` has {} entries, at most {most} are allowed", node.label, entries.len());
        reading.bad(node, message, "");
        return Vec::new();
    }
    let mut found = Vec::new();
    for (name, value) in entries {
        if is_name(name) {
            found.push((name.to_owned(), value));
        } else {
            let message = format!("`{}`: `{}` is not a name", node.label, shown(name));
            reading.bad_key(value, name, message, NAME_HINT.to_owned());
        }
    }
    found
}

const NAME_HINT: &str = "it has a-z, A-Z, 0-9, `-`, `_`, begins with a letter, and has at most 31 bytes";

/// A device's name. A chip's label is one as well, and the kernel keeps 31 bytes of it (`GPIO_MAX_NAME_SIZE`).
pub(crate) fn is_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.len() <= 31 && text.chars().all(good)
}
