//! Devices of a board by their names, and which of them an app is given.

use minicbor::{Decode, Encode};

/// Of the board's devices, those that an app is given, each to it alone. Both lists are sorted and without doubles.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Devices {
    /// GPIO lines.
    #[n(0)]
    pub gpio: Vec<String>,
    /// Serial ports.
    #[n(1)]
    pub uart: Vec<String>,
}

impl Devices {
    /// Whether it is given none.
    pub fn is_empty(&self) -> bool {
        self.gpio.is_empty() && self.uart.is_empty()
    }

    /// The names of one kind.
    pub fn of(&self, kind: DeviceKind) -> &[String] {
        match kind {
            DeviceKind::Gpio => &self.gpio,
            DeviceKind::Uart => &self.uart,
        }
    }
}

/// Kinds of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceKind {
    /// A GPIO line.
    Gpio,
    /// A serial port.
    Uart,
}

impl DeviceKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Gpio, Self::Uart];

    /// Its field below `devices`, in manifests and boards.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Gpio => "gpio",
            Self::Uart => "uart",
        }
    }

    /// What one of them is called.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Gpio => "GPIO line",
            Self::Uart => "UART",
        }
    }
}

/// The devices that a board has for apps. Lists are sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BoardDevices {
    /// GPIO lines.
    #[n(0)]
    pub gpio: Vec<GpioLine>,
    /// Serial ports.
    #[n(1)]
    pub uart: Vec<Uart>,
    /// Chips that the kernel only simulates, for a machine without a real one. Made when the first app is installed
    /// that is given a line; empty on every board that is a thing.
    #[n(2)]
    pub simulated: Vec<SimulatedChip>,
}

/// A GPIO line.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct GpioLine {
    /// Its name in manifests.
    #[n(0)]
    pub name: String,
    /// Label of its chip (`struct gpiochip_info`, linux/gpio.h).
    #[n(1)]
    pub chip: String,
    /// Its number on the chip.
    #[n(2)]
    pub line: u16,
}

/// A serial port.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Uart {
    /// Its name in manifests.
    #[n(0)]
    pub name: String,
    /// Its device node below `/dev`.
    #[n(1)]
    pub tty: String,
}

/// A GPIO chip that the kernel simulates (`admin-guide/gpio/gpio-sim.rst`).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SimulatedChip {
    /// Its label.
    #[n(0)]
    pub label: String,
    /// How many lines it has.
    #[n(1)]
    pub lines: u16,
}
