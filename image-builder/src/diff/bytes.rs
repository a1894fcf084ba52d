//! Which bytes differ.

use std::io;

use nacre_verify::slot::ReadAt;
use serde::Serialize;

use crate::inspect::file::FileRange;

/// Ranges that are told; the rest is counted.
const MAX_RANGES: usize = 8;
/// Equal bytes between two differing ones that don't end a range.
const MAX_GAP: u64 = 16;
/// What is read at once.
const PIECE: u64 = 256 * 1024;

/// Bytes that are not the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ByteDifference {
    /// How many.
    pub differing_bytes: u64,
    /// Where: the first of the ranges that they lie in, a few equal bytes between them included.
    pub ranges: Vec<Range>,
    /// How many ranges follow.
    pub more_ranges: u64,
}

/// A range of bytes, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Range {
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: u64,
}

/// Finds ranges, one byte after the other.
#[derive(Debug, Default)]
struct Scan {
    found: ByteDifference,
    open: Option<Range>,
}

impl Scan {
    fn pieces(&mut self, offset: u64, a: &[u8], b: &[u8]) {
        if a == b {
            return;
        }
        for ((a, b), at) in a.iter().zip(b).zip(offset..) {
            if a != b {
                self.differs(at);
            }
        }
    }

    fn differs(&mut self, at: u64) {
        self.found.differing_bytes += 1;
        match &mut self.open {
            Some(open) if at - open.last <= MAX_GAP => open.last = at,
            open => {
                let done = open.replace(Range { first: at, last: at });
                self.close(done);
            }
        }
    }

    fn close(&mut self, range: Option<Range>) {
        match range {
            Some(range) if self.found.ranges.len() < MAX_RANGES => self.found.ranges.push(range),
            Some(_) => self.found.more_ranges += 1,
            None => {}
        }
    }

    fn finish(mut self) -> Option<ByteDifference> {
        let last = self.open.take();
        self.close(last);
        (self.found.differing_bytes > 0).then_some(self.found)
    }
}

/// Compares bytes as far as both sides go.
pub(super) fn of_slices(a: &[u8], b: &[u8]) -> Option<ByteDifference> {
    let mut scan = Scan::default();
    scan.pieces(0, a, b);
    scan.finish()
}

/// Compares these ranges of two files, each start and end, as far as both go. Offsets are those in the files.
pub(super) fn of_ranges(
    a: &FileRange,
    b: &FileRange,
    ranges: &[(u64, u64)],
) -> io::Result<Option<ByteDifference>> {
    let mut scan = Scan::default();
    let end = a.len().min(b.len());
    for (start, stop) in ranges {
        let (mut at, stop) = (*start, end.min(*stop));
        while at < stop {
            let bytes = PIECE.min(stop - at);
            scan.pieces(at, &a.read(at, bytes)?, &b.read(at, bytes)?);
            at += bytes;
        }
    }
    Ok(scan.finish())
}

/// Compares two files as far as both go.
pub(super) fn of_files(a: &FileRange, b: &FileRange) -> io::Result<Option<ByteDifference>> {
    of_ranges(a, b, &[(0, u64::MAX)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_over_small_gaps_and_the_rest_is_counted() {
        let range = |first, last| Range { first, last };
        assert_eq!(of_slices(b"same", b"same and more"), None);
        let a = vec![0; 4096];
        let mut b = a.clone();
        for at in [0, 3, 19, 36] {
            b[at] = 1;
        }
        let found = of_slices(&a, &b).unwrap();
        assert_eq!((found.differing_bytes, found.more_ranges), (4, 0));
        assert_eq!(found.ranges, [range(0, 19), range(36, 36)]);
        for at in (1000..4000).step_by(100) {
            b[at] = 1;
        }
        let found = of_slices(&a, &b).unwrap();
        assert_eq!((found.differing_bytes, found.ranges.len(), found.more_ranges), (34, 8, 24));
    }

    #[test]
    fn ranges_of_files_are_only_those_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            FileRange::whole(&path).unwrap()
        };
        let (a, b) = (file("a", &[0; 600_000]), file("b", &[1; 500_000]));
        let found = of_ranges(&a, &b, &[(10, 20), (499_999, u64::MAX)]).unwrap().unwrap();
        assert_eq!(found.differing_bytes, 11);
        assert_eq!(found.ranges, [Range { first: 10, last: 19 }, Range { first: 499_999, last: 499_999 }]);
    }
}
