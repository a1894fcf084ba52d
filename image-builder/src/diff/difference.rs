//! What differs, as data.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde::Serialize;

use super::bytes::ByteDifference;

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where: the file, the part of it, the file in that part.
    pub place: Vec<String>,
    /// What there: `version`, `mode`, `content`.
    pub subject: String,
    /// In which way.
    #[serde(flatten)]
    pub change: Change,
}

/// In which way something differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// Both have it, with another value.
    Value {
        /// In A.
        a: String,
        /// In B.
        b: String,
    },
    /// B has no such thing.
    OnlyInA {
        /// What A has.
        a: String,
    },
    /// A has no such thing.
    OnlyInB {
        /// What B has.
        b: String,
    },
    /// Both have bytes there, and they are not the same.
    Bytes(ByteDifference),
    /// In words.
    Note {
        /// The words.
        note: String,
    },
}

/// Collects differences, each with its place.
#[derive(Debug, Default)]
pub(super) struct Collector {
    place: Vec<String>,
    pub(super) found: Vec<Difference>,
}

impl Collector {
    /// How many there are so far.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// Everything that `compare` adds is at this place inside the current one.
    pub(super) fn within<T>(&mut self, place: impl Into<String>, compare: impl FnOnce(&mut Self) -> T) -> T {
        self.place.push(place.into());
        let done = compare(self);
        self.place.pop();
        done
    }

    /// Adds a value if it is not the same on both sides.
    pub(super) fn value<V: Display + PartialEq + ?Sized>(&mut self, subject: &str, a: &V, b: &V) {
        if a != b {
            self.add(subject, Change::Value { a: a.to_string(), b: b.to_string() });
        }
    }

    /// Adds what only one side has.
    pub(super) fn optional(&mut self, subject: &str, a: Option<String>, b: Option<String>) {
        match (a, b) {
            (Some(a), Some(b)) => self.value(subject, &a, &b),
            (Some(a), None) => self.add(subject, Change::OnlyInA { a }),
            (None, Some(b)) => self.add(subject, Change::OnlyInB { b }),
            (None, None) => {}
        }
    }

    /// Adds what of two lists is not in both.
    pub(super) fn lists(&mut self, subject: &str, a: &[String], b: &[String]) {
        for gone in a.iter().filter(|item| !b.contains(item)) {
            self.add(subject, Change::OnlyInA { a: gone.clone() });
        }
        for new in b.iter().filter(|item| !a.contains(item)) {
            self.add(subject, Change::OnlyInB { b: new.clone() });
        }
    }

    /// Adds differing bytes, if there are any.
    pub(super) fn bytes(&mut self, subject: &str, difference: Option<ByteDifference>) {
        if let Some(difference) = difference {
            self.add(subject, Change::Bytes(difference));
        }
    }

    /// Adds something in words.
    pub(super) fn note(&mut self, subject: &str, note: impl Into<String>) {
        self.add(subject, Change::Note { note: note.into() });
    }

    /// Says which sides' own description cannot be read.
    pub(super) fn unreadable(&mut self, subject: &str, a_reads: bool, b_reads: bool) {
        match (a_reads, b_reads) {
            (true, true) => {}
            (false, true) => self.note(subject, "A's cannot be read"),
            (true, false) => self.note(subject, "B's cannot be read"),
            (false, false) => self.note(subject, "neither can be read"),
        }
    }

    /// Replaces what was added since `start` at the current place by a note, if an earlier place says the
    /// same: a disk holds the slot and the packages that lie beside it.
    pub(super) fn fold(&mut self, start: usize) {
        let depth = self.place.len();
        let tail = |difference: &Difference, depth: usize| {
            let place = difference.place.get(depth..).map(<[String]>::to_vec);
            (place, difference.subject.clone(), difference.change.clone())
        };
        let (before, new) = self.found.split_at(start);
        if new.is_empty() {
            return;
        }
        let new: Vec<_> = new.iter().map(|difference| tail(difference, depth)).collect();
        let files: BTreeSet<&String> = before.iter().filter_map(|earlier| earlier.place.first()).collect();
        let same = |file: &&&String| {
            let of_file = before.iter().filter(|earlier| earlier.place.first() == Some(*file));
            of_file.map(|earlier| tail(earlier, 1)).eq(new.iter().cloned())
        };
        let Some(file) = files.iter().find(same).map(|file| (*file).clone()) else { return };
        self.found.truncate(start);
        self.note("content", format!("differs as {file} does"));
    }

    fn add(&mut self, subject: &str, change: Change) {
        self.found.push(Difference { place: self.place.clone(), subject: subject.to_owned(), change });
    }
}
