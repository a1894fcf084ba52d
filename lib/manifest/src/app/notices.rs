//! `health` and `events`: what an app tells the OS of itself, and the OS the app.

use super::bounds;
use crate::device::{EventKind, Health};
use crate::unit;
use crate::yaml::{Fields, Reading, Value};

/// Words of `events` that are looked at: more than there are kinds, so that each slip is named.
const MOST_WORDS: usize = 8;

/// Reads `health`.
pub(super) fn health(reading: &mut Reading<'_>, fields: &Fields<'_>) -> Option<Health> {
    let fields = reading.fields(fields.get("health")?, &["heartbeat"]);
    let node = fields.need(reading, "heartbeat", "heartbeat: 30s")?;
    let ms = reading.measure(node, "a time like `30s`", unit::parse_duration)?;
    if !bounds::HEARTBEAT_BOUNDS_MS.contains(&ms) {
        let message = format!("`health.heartbeat`: {} is out of range", unit::show_duration(ms));
        reading.bad(
            node,
            message,
            "it must be 1s to 1h: an app shows that it is well about every third of it",
        );
        return None;
    }
    u32::try_from(ms).ok().map(|heartbeat_ms| Health { heartbeat_ms })
}

/// Reads `events`.
pub(super) fn events(reading: &mut Reading<'_>, fields: &Fields<'_>) -> Vec<EventKind> {
    let words = [("shutdown", EventKind::Shutdown)];
    let mut events = Vec::new();
    let Some(node) = fields.get("events") else { return events };
    for item in reading.list(node, MOST_WORDS, "events: [shutdown]") {
        if matches!(&item.value, Value::Text(text) if text == "update") {
            let message = format!("`{}`: `update` can't be enforced: this OS is not updated yet", item.label);
            reading.refuse(item, message, "remove it; an app is told of its end with `shutdown`");
            continue;
        }
        let Some(event) = reading.word(item, &words) else { continue };
        if events.contains(&event) {
            reading.bad(item, format!("`{}` is there twice", item.label), "remove one of them");
        } else {
            events.push(event);
        }
    }
    events
}

/// Reads `memory`: whether the app may have memory that is writable and executable.
pub(super) fn writable_executable(reading: &mut Reading<'_>, fields: &Fields<'_>) -> bool {
    let Some(memory) = fields.get("memory") else { return false };
    if let Value::Text(_) | Value::Integer(_) = memory.value {
        let hint = "how much it may use is a limit: `limits: { memory: 4MiB }`";
        reading.wrong_kind(memory, "a map of fields", hint);
        return false;
    }
    let fields = reading.fields(memory, &["writable-executable"]);
    fields.get("writable-executable").and_then(|node| reading.boolean(node)).unwrap_or(false)
}
