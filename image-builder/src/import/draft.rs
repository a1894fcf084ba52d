//! What has been understood of a manifest so far.

use super::LeftOut;
use super::json::Node;

/// A manifest of Nacre in the making.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) app: Entry,
    /// Where the program lies beside the manifest, relative to it.
    pub(super) source: String,
    pub(super) run: Vec<Entry>,
    pub(super) data_kib: Option<(u64, Entry)>,
    pub(super) grants: Grants,
    /// Fields that need no line, and why.
    pub(super) notes: Vec<(String, String)>,
    pub(super) left_out: Vec<LeftOut>,
}

/// What an app may do.
#[derive(Debug, Default)]
pub(super) struct Grants {
    pub(super) connect: Vec<Entry>,
    pub(super) listen: Vec<Entry>,
    pub(super) gpio: Vec<Entry>,
    pub(super) uart: Vec<Entry>,
    pub(super) apps: Vec<Entry>,
    pub(super) events: Vec<Entry>,
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) value: String,
    pub(super) from: String,
    /// What else is to be said of it; may be empty.
    pub(super) note: String,
}

impl Entry {
    pub(super) fn new(value: impl Into<String>, from: impl Into<String>, note: impl Into<String>) -> Self {
        Self { value: value.into(), from: from.into(), note: note.into() }
    }
}

/// Adds an entry; one that is there already gets a second origin. Whether it was new.
pub(super) fn add(entries: &mut Vec<Entry>, entry: Entry) -> bool {
    match entries.iter_mut().find(|known| known.value == entry.value) {
        Some(known) => {
            known.from = format!("{}, {}", known.from, entry.from);
            false
        }
        None => {
            entries.push(entry);
            true
        }
    }
}

/// Whether an entry is there.
pub(super) fn has(entries: &[Entry], value: &str) -> bool {
    entries.iter().any(|entry| entry.value == value)
}

/// What is left out, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Left(pub(super) Vec<LeftOut>);

impl Left {
    pub(super) fn push(
        &mut self,
        from: &str,
        node: &Node,
        reason: impl Into<String>,
        instead: impl Into<String>,
    ) {
        self.0.push(LeftOut {
            from: from.to_owned(),
            value: node.to_json(),
            reason: reason.into(),
            instead: instead.into(),
        });
    }
}
