//! `devices`: which of the board's GPIO lines and serial ports an app is given.

use std::collections::BTreeMap;

use nacre_diag::{Diagnostic, ExitCode, Place, Report, did_you_mean};

use super::AppSource;
use super::bounds::MAX_DEVICES;
use crate::board::Board;
use crate::board_devices::is_name;
use crate::device::{BoardDevices, DeviceKind, Devices};
use crate::yaml::{Fields, Node, Reading, shown};

/// Where the entries of `devices` stand, each in the order of its list.
#[derive(Debug, Clone, Default)]
pub struct DevicePlaces {
    gpio: Vec<Place>,
    uart: Vec<Place>,
}

impl DevicePlaces {
    /// Those of one kind.
    pub fn of(&self, kind: DeviceKind) -> &[Place] {
        match kind {
            DeviceKind::Gpio => &self.gpio,
            DeviceKind::Uart => &self.uart,
        }
    }
}

/// Reads `devices`.
pub(super) fn read(reading: &mut Reading<'_>, fields: &Fields<'_>) -> (Devices, DevicePlaces) {
    let Some(node) = fields.get("devices") else { return Default::default() };
    let fields = reading.fields(node, &["gpio", "uart"]);
    let (gpio, gpio_places) = names(reading, fields.get("gpio"), "gpio: [LED1]");
    let (uart, uart_places) = names(reading, fields.get("uart"), "uart: [console2]");
    if reading.is_clean() && gpio.is_empty() && uart.is_empty() {
        reading.bad(node, "`devices` is empty", "write `gpio: [LED1]` or `uart: [console2]`, or remove it");
    }
    (Devices { gpio, uart }, DevicePlaces { gpio: gpio_places, uart: uart_places })
}

fn names(reading: &mut Reading<'_>, node: Option<&Node>, example: &str) -> (Vec<String>, Vec<Place>) {
    let mut found: BTreeMap<String, &Node> = BTreeMap::new();
    let Some(node) = node else { return Default::default() };
    for item in reading.list(node, MAX_DEVICES, example) {
        let Some(name) = reading.text(item) else { continue };
        if !is_name(name) {
            let message = format!("`{}`: `{}` is not the name of a device", item.label, shown(name));
            reading.bad(item, message, "devices have their names in the board's file, under `devices`");
        } else if found.insert(name.to_owned(), item).is_some() {
            reading.bad(item, format!("`{}` is there twice", item.label), "remove one of them");
        }
    }
    let places = found.values().map(|item| reading.place(item)).collect();
    (found.into_keys().collect(), places)
}

/// Checks that the board has each device that an app of the image is given, and that none is given to two.
///
/// # Errors
/// Each breach (exit code 65), at the entry that makes it; for a device given twice with the place of the other one.
pub fn check_devices(apps: &[AppSource], board: &Board) -> Result<(), Report> {
    let mut report = Report::new();
    let mut taken: BTreeMap<(DeviceKind, &str), (&AppSource, Option<&Place>)> = BTreeMap::new();
    for app in apps {
        for kind in DeviceKind::ALL {
            for (index, name) in app.manifest.devices.of(kind).iter().enumerate() {
                let place = app.places.devices.of(kind).get(index);
                let found = match taken.get(&(kind, name.as_str())) {
                    Some(first) => Some(twice(kind, name, first)),
                    None => {
                        taken.insert((kind, name), (app, place));
                        unknown(kind, name, board)
                    }
                };
                report.extend(found.map(|found| match place {
                    Some(place) => found.at(place.clone()),
                    None => found,
                }));
            }
        }
    }
    report.or(())
}

fn twice(kind: DeviceKind, name: &str, (first, place): &(&AppSource, Option<&Place>)) -> Diagnostic {
    let where_it_is = place.map(|place| format!(", at {place}")).unwrap_or_default();
    let what = format!("`{name}`: two apps of this image are given this {}", kind.noun());
    Diagnostic::error(ExitCode::BadInput, what)
        .with_cause(format!("`{}` is given it as well{where_it_is}", first.manifest.app))
        .with_hint("let one of them have it, and the other one ask it with a message (`apps`)")
}

fn unknown(kind: DeviceKind, name: &str, board: &Board) -> Option<Diagnostic> {
    let known = names_of(&board.devices, kind);
    if known.contains(&name) {
        return None;
    }
    let what = format!("`{name}`: the board `{}` has no {} of this name", board.board, kind.noun());
    let found = Diagnostic::error(ExitCode::BadInput, what);
    Some(found.with_hint(match did_you_mean(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => {
            format!("it has none at all: name them in {} under `devices.{}`", board.file, kind.field())
        }
        None => format!("it has: {}", known.join(", ")),
    }))
}

fn names_of(devices: &BoardDevices, kind: DeviceKind) -> Vec<&str> {
    match kind {
        DeviceKind::Gpio => devices.gpio.iter().map(|line| line.name.as_str()).collect(),
        DeviceKind::Uart => devices.uart.iter().map(|uart| uart.name.as_str()).collect(),
    }
}
