//! Gpio and Uart: the peripherals that Nacre hands out.

use nacre_manifest::app::bounds::MAX_DEVICES;

use super::accepts;
use super::draft::{Entry, Left, add};
use super::hardware::Hardware;
use super::json::{Node, Value, shown};
use super::reading::{Reading, short};
use super::yaml::quoted;

/// One kind of peripheral.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// Its capability, and its type in hardware definitions.
    pub(super) capability: &'static str,
    /// Its field below `devices`.
    pub(super) field: &'static str,
}

pub(super) const GPIO: Kind = Kind { capability: "Gpio", field: "gpio" };
pub(super) const UART: Kind = Kind { capability: "Uart", field: "uart" };

/// Reads the list of one kind.
pub(super) fn read(
    reading: &mut Reading<'_>,
    node: &Node,
    kind: Kind,
    hardware: Option<&Hardware>,
    entries: &mut Vec<Entry>,
    left: &mut Left,
) {
    let Some(items) = reading.list(node, kind.capability) else { return };
    for (index, item) in items.iter().enumerate() {
        let from = format!("{}[{index}]", kind.capability);
        let found = match &item.value {
            Value::Text(text) => match text.strip_prefix('$') {
                Some(name) => named(reading, item, name, kind, hardware, &from),
                None => raw(text, kind, hardware),
            },
            Value::Number(number) => raw(number, kind, hardware),
            _ => {
                reading.bad(&item.at, format!("`{from}` must be a name like `\"$LED1\"`, or a number"), "");
                continue;
            }
        };
        let Some(found) = found else { continue };
        match found.and_then(|device| accepted(device, kind, entries)) {
            Ok(device) => _ = add(entries, Entry::new(device.name, from, device.note)),
            Err(Lost { reason, instead }) => left.push(&from, item, reason, instead),
        }
    }
}

/// A device as Nacre names it.
struct Device {
    name: String,
    note: String,
}

/// Why there is none.
struct Lost {
    reason: String,
    instead: String,
}

/// `$NAME`. None is a problem that is recorded.
fn named(
    reading: &mut Reading<'_>,
    item: &Node,
    name: &str,
    kind: Kind,
    hardware: Option<&Hardware>,
    from: &str,
) -> Option<Result<Device, Lost>> {
    let value = shown(&item.to_json());
    let Some(hardware) = hardware else {
        return Some(Ok(Device { name: name.to_owned(), note: value }));
    };
    let Some(peripheral) = hardware.find(name) else {
        let hint = match hardware.nearest(name, kind.capability) {
            Some(near) => format!("did you mean `${}`?", short(near)),
            None => "name the hardware definition that the app was built with".to_owned(),
        };
        let message = format!("`{from}`: `{}` is not in `{}`", short(name), hardware.file);
        reading.bad(&item.at, message, hint);
        return None;
    };
    if !peripheral.kind.eq_ignore_ascii_case(kind.capability) {
        let message = format!("`{from}`: `{}` is a `{}`", short(name), short(&peripheral.kind));
        reading.bad(&item.at, message, format!("name it under `{}`", short(&peripheral.kind)));
        return None;
    }
    let note =
        hardware.value(peripheral).map_or(value.clone(), |raw| format!("{value}, the chip's {}", short(raw)));
    Some(Ok(Device { name: name.to_owned(), note }))
}

/// The chip's own number or name for it.
fn raw(value: &str, kind: Kind, hardware: Option<&Hardware>) -> Option<Result<Device, Lost>> {
    let add = format!("name it in the board's file and add that name under `devices.{}`", kind.field);
    Some(match hardware {
        None => Err(Lost {
            reason: "it is the Azure Sphere chip's own number for it, and Nacre knows devices by name"
                .to_owned(),
            instead: format!("give the board's hardware definition with --hardware, or {add}"),
        }),
        Some(hardware) => match hardware.of_value(kind.capability, value) {
            Some(found) => {
                Ok(Device { name: found.name.clone(), note: format!("the chip's {}", short(value)) })
            }
            None => Err(Lost { reason: format!("`{}` has no name for it", hardware.file), instead: add }),
        },
    })
}

/// A device whose name Nacre takes.
fn accepted(device: Device, kind: Kind, entries: &[Entry]) -> Result<Device, Lost> {
    if entries.len() >= MAX_DEVICES && !super::draft::has(entries, &device.name) {
        return Err(Lost {
            reason: format!("an app of Nacre has at most {MAX_DEVICES} devices of a kind"),
            instead: "give it to a second app, and let the two exchange messages (`apps`)".to_owned(),
        });
    }
    match accepts::line(&format!("devices: {{ {}: [{}] }}", kind.field, quoted(&device.name))) {
        Ok(()) => Ok(device),
        Err(_) => Err(Lost {
            reason:
                "no device of Nacre can have this name: a letter, then at most 30 of a-z, A-Z, 0-9, `-`, `_`"
                    .to_owned(),
            instead: format!(
                "give it another name in the board's file and add that name under `devices.{}`",
                kind.field
            ),
        }),
    }
}
