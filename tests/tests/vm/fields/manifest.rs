//! Manifests as data, and the line of a denial put into one as a person would.

use serde_json::{Map, Value};

/// Fields that are lists, as `nacre_wire::denial` prints them: their line is one entry more.
const LISTS: [&str; 7] =
    ["network.connect", "network.listen", "system", "apps", "events", "devices.gpio", "devices.uart"];

/// Puts a line into the field of a manifest: one more entry of a list, or the field's value.
pub(crate) fn paste(manifest: &mut Value, field: &str, line: &str) {
    let mut place = manifest;
    for part in field.split('.') {
        let object = place.as_object_mut().unwrap_or_else(|| panic!("{field} is in no map"));
        place = object.entry(part).or_insert_with(|| Value::Object(Map::new()));
    }
    if LISTS.contains(&field) {
        if !place.is_array() {
            *place = Value::Array(vec![]);
        }
        place.as_array_mut().expect("it is one").push(line.into());
    } else {
        // As YAML reads it: `true` and `8` are no texts.
        *place = serde_json::from_str(line).unwrap_or_else(|_| line.into());
    }
}

#[test]
fn line_is_added_to_a_list_and_set_elsewhere() {
    use serde_json::json;
    let mut manifest = json!({ "limits": { "memory": "1MiB", "tasks": 2 }, "system": ["stats"] });
    paste(&mut manifest, "limits.memory", "2MiB");
    paste(&mut manifest, "limits.tasks", "4");
    paste(&mut manifest, "system", "apps-status");
    paste(&mut manifest, "network.connect", "tcp:10.0.2.2:9000");
    paste(&mut manifest, "memory.writable-executable", "true");
    let expected = json!({
        "limits": { "memory": "2MiB", "tasks": 4 },
        "system": ["stats", "apps-status"],
        "network": { "connect": ["tcp:10.0.2.2:9000"] },
        "memory": { "writable-executable": true },
    });
    assert_eq!(manifest, expected);
}
