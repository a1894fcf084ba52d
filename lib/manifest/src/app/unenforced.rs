//! What can't be done at this stage. It is known, and refused: nothing is accepted and then not enforced.

use crate::yaml::{Node, Reading, Value, shown};

/// Commands, and what is no way of building.
pub(super) fn refuse_build(reading: &mut Reading<'_>, node: &Node) {
    let found = match &node.value {
        Value::Text(text) => format!("`build: {}`", shown(text)),
        _ => "a build command".to_owned(),
    };
    reading.refuse(
        node,
        format!("{found} is refused: only crates and C sources can be built at this stage"),
        "write `build: cargo` or `build: c`, or build it yourself, write `build: none` and list the program under `files`",
    );
}
