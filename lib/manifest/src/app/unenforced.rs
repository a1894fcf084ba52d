//! Fields of the manifest that can't be enforced at this stage. They are known, and refused: no field is
//! accepted and then not enforced.

use crate::yaml::{Fields, Reading, Value};

/// A field that is refused.
struct Refused {
    name: &'static str,
    reason: &'static str,
    hint: &'static str,
}

const FIELDS: [Refused; 3] = [
    Refused {
        name: "health",
        reason: "no heartbeat is watched yet, so a hung app would look healthy",
        hint: "remove it; a crash is noticed without it",
    },
    Refused { name: "devices", reason: "the OS can't hand over GPIO lines and UARTs yet", hint: "remove it" },
    Refused { name: "events", reason: "the OS sends no events yet", hint: "remove it" },
];

/// Names of the fields.
pub(super) const NAMES: [&str; 3] = [FIELDS[0].name, FIELDS[1].name, FIELDS[2].name];

/// Records each that is there.
pub(super) fn refuse(reading: &mut Reading<'_>, fields: &Fields<'_>) {
    for field in &FIELDS {
        if let Some(node) = fields.get(field.name) {
            reading.refuse_key(
                node,
                field.name,
                format!("`{}` can't be enforced: {}", field.name, field.reason),
                field.hint,
            );
        }
    }
}

/// `memory: { writable-executable: … }`: false is what the sandbox does anyhow, true is refused.
pub(super) fn refuse_writable_executable(reading: &mut Reading<'_>, fields: &Fields<'_>) {
    let Some(memory) = fields.get("memory") else { return };
    let memory = reading.fields(memory, &["writable-executable"]);
    let Some(node) = memory.get("writable-executable") else { return };
    if reading.boolean(node) == Some(true) {
        reading.refuse(
            node,
            "`memory.writable-executable: true` is refused: the system call filter forbids memory that is writable and executable, for every app",
            "remove it; code made at run time can't run here",
        );
    }
}

/// `build: c` and commands.
pub(super) fn refuse_build(reading: &mut Reading<'_>, node: &crate::yaml::Node) {
    let found = match &node.value {
        Value::Text(text) => format!("`build: {}`", crate::yaml::shown(text)),
        _ => "a build command".to_owned(),
    };
    reading.refuse(
        node,
        format!("{found} is refused: only crates can be built at this stage"),
        "write `build: cargo`, or build it yourself, write `build: none` and list the program under `files`",
    );
}
