//! Files of two filesystems, path by path.

use std::collections::{BTreeMap, BTreeSet};

use super::bytes;
use super::difference::Collector;

/// Files by absolute path.
pub(crate) type Tree = BTreeMap<String, Entry>;

/// A file, folder, link or other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `file`, `folder`, `link`, or what else it is.
    pub(crate) kind: &'static str,
    /// Permissions, octal.
    pub(crate) mode: String,
    /// User and group; [`None`] where they are not read.
    pub(crate) owner: Option<String>,
    /// Time of the last change, in seconds since 1970; [`None`] where it is not read.
    pub(crate) time: Option<i64>,
    /// Where a link leads, or the numbers of a device.
    pub(crate) target: Option<String>,
    /// What a file contains.
    pub(crate) content: Vec<u8>,
}

impl Entry {
    fn describe(&self) -> String {
        let mut text = format!("{} {}", self.kind, self.mode);
        if let Some(owner) = &self.owner {
            text.push_str(&format!(", owner {owner}"));
        }
        if self.kind == "file" {
            text.push_str(&format!(", {} bytes", self.content.len()));
        }
        if let Some(target) = &self.target {
            text.push_str(&format!(", {target}"));
        }
        text
    }
}

/// Compares two filesystems.
pub(super) fn compare(out: &mut Collector, a: &Tree, b: &Tree) {
    let paths: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for path in paths {
        match (a.get(path), b.get(path)) {
            (Some(a), Some(b)) => out.within(path, |out| compare_entries(out, a, b)),
            (a, b) => out.optional(path, a.map(Entry::describe), b.map(Entry::describe)),
        }
    }
}

fn compare_entries(out: &mut Collector, a: &Entry, b: &Entry) {
    let time = |entry: &Entry| entry.time.map(|time| time.to_string());
    out.value("kind", a.kind, b.kind);
    out.value("mode", &a.mode, &b.mode);
    out.optional("owner", a.owner.clone(), b.owner.clone());
    out.optional("time", time(a), time(b));
    out.optional("target", a.target.clone(), b.target.clone());
    out.value("bytes", &a.content.len(), &b.content.len());
    out.bytes("content", bytes::of_slices(&a.content, &b.content));
}
