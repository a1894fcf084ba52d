//! Aliases are refused: the YAML library (0.10.7) confuses anchors when a name is given twice, so a file
//! could mean something else than it says.
//!
//! The library doesn't tell which value came from an alias. But such a value stands where its anchor is:
//! before the value that precedes it. All other values stand in the order of the text.

use super::locate::locate;
use super::tree::{Node, Value};

/// Values that are located one by one; a longer file with `&` and `*` in it is taken to have aliases.
const MAX_LOCATED: usize = 1000;

/// The first value that came from an alias.
pub(super) fn find_alias<'n>(text: &str, root: &'n Node) -> Option<&'n Node> {
    if !(text.contains('&') && text.contains('*')) {
        return None;
    }
    let mut nodes = Vec::new();
    in_order(root, &mut nodes);
    if nodes.len() > MAX_LOCATED {
        return Some(root);
    }
    let mut last = (0, 0);
    nodes.into_iter().find(|node| {
        let Some(here) = locate(text, &node.path) else { return false };
        let behind = here <= last;
        last = here;
        behind
    })
}

/// A value, then all below it; the depth is bounded by the library's limit of 128.
fn in_order<'n>(node: &'n Node, nodes: &mut Vec<&'n Node>) {
    nodes.push(node);
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| in_order(item, nodes)),
        Value::Map(entries) => entries.iter().for_each(|entry| in_order(&entry.value, nodes)),
        _ => {}
    }
}
