//! The newest lines of the log, within a bound on memory.

use std::collections::VecDeque;
use std::rc::Rc;

use nacre_wire::log::{Detail, Field};

use crate::uptime::Uptime;

/// What a line takes besides its text: its own fields and the allocator's.
const LINE_OVERHEAD: usize = 60;

/// What a structured line takes more, besides its fields.
const DETAIL_OVERHEAD: usize = 32;

/// What a field takes besides its key and its value.
const FIELD_OVERHEAD: usize = 56;

/// A line that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number since boot, from 1.
    pub number: u64,
    /// When it was written.
    pub uptime: Uptime,
    /// Component id of the app, or `appmgr`.
    pub source: Rc<str>,
    /// The text, printable.
    pub text: Box<str>,
    /// Of a structured line: its level and its fields, printable as well.
    pub detail: Option<Box<Detail>>,
}

impl Line {
    fn bytes(&self) -> usize {
        let field = |field: &Field| field.key.len() + field.value.len() + FIELD_OVERHEAD;
        let detail = self
            .detail
            .as_ref()
            .map(|detail| DETAIL_OVERHEAD + detail.fields.iter().map(field).sum::<usize>());
        self.text.len() + LINE_OVERHEAD + detail.unwrap_or(0)
    }
}

/// The newest lines. When it is full, the source that holds most loses its oldest line: an app that
/// writes much pushes out its own lines and not the word on another's crash.
#[derive(Debug)]
pub struct LogRing {
    lines: VecDeque<Line>,
    bytes: usize,
    most_bytes: usize,
    last_number: u64,
}

impl LogRing {
    /// An empty ring that holds about so many bytes; memory is taken as lines come.
    pub fn new(most_bytes: usize) -> Self {
        Self { lines: VecDeque::new(), bytes: 0, most_bytes, last_number: 0 }
    }

    /// Keeps a line and gives its number.
    pub fn push(&mut self, uptime: Uptime, source: &Rc<str>, text: &str) -> u64 {
        self.keep(uptime, source, text, None)
    }

    /// Keeps a structured line and gives its number.
    pub fn push_structured(&mut self, uptime: Uptime, source: &Rc<str>, text: &str, detail: Detail) -> u64 {
        self.keep(uptime, source, text, Some(Box::new(detail)))
    }

    fn keep(&mut self, uptime: Uptime, source: &Rc<str>, text: &str, detail: Option<Box<Detail>>) -> u64 {
        self.last_number += 1;
        let line =
            Line { number: self.last_number, uptime, source: Rc::clone(source), text: text.into(), detail };
        self.bytes += line.bytes();
        self.lines.push_back(line);
        while self.bytes > self.most_bytes && self.lines.len() > 1 {
            self.drop_one();
        }
        self.last_number
    }

    /// The first kept line with a greater number, of this source if one is named.
    pub fn next_after(&self, number: u64, source: Option<&str>) -> Option<&Line> {
        let from = self.lines.partition_point(|line| line.number <= number);
        self.lines.range(from..).find(|line| source.is_none_or(|source| *line.source == *source))
    }

    /// Number of the newest line; 0 before the first.
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    fn drop_one(&mut self) {
        let mut held: Vec<(&Rc<str>, usize)> = Vec::new();
        for line in &self.lines {
            match held.iter_mut().find(|(source, _)| **source == line.source) {
                Some((_, bytes)) => *bytes += line.bytes(),
                None => held.push((&line.source, line.bytes())),
            }
        }
        let largest = held.iter().max_by_key(|(_, bytes)| *bytes).map(|(source, _)| Rc::clone(source));
        let at = self.lines.iter().position(|line| largest.as_ref() == Some(&line.source)).unwrap_or(0);
        if let Some(line) = self.lines.remove(at) {
            self.bytes -= line.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(ring: &LogRing, mut after: u64, source: Option<&str>) -> Vec<String> {
        let mut out = Vec::new();
        while let Some(line) = ring.next_after(after, source) {
            out.push(line.text.to_string());
            after = line.number;
        }
        out
    }

    #[test]
    fn lines_are_numbered_from_one_and_found_by_number_and_source() {
        let (a, b) = (Rc::from("a.a"), Rc::from("b.b"));
        let mut ring = LogRing::new(10_000);
        for (source, text) in [(&a, "one"), (&b, "two"), (&a, "three")] {
            ring.push(Uptime::default(), source, text);
        }
        assert_eq!(ring.last_number(), 3);
        assert_eq!(texts(&ring, 0, None), ["one", "two", "three"]);
        assert_eq!(texts(&ring, 1, None), ["two", "three"]);
        assert_eq!(texts(&ring, 0, Some("a.a")), ["one", "three"]);
        assert_eq!(texts(&ring, 3, None), Vec::<String>::new());
    }

    #[test]
    fn source_that_writes_much_pushes_out_only_its_own() {
        let (quiet, noisy) = (Rc::from("org.nacre.quiet"), Rc::from("org.nacre.noisy"));
        let mut ring = LogRing::new(2_000);
        ring.push(Uptime::default(), &quiet, "ended by signal 11");
        for n in 0..1_000 {
            ring.push(Uptime::default(), &noisy, &format!("noise {n}"));
        }
        let kept = texts(&ring, 0, None);
        assert_eq!(kept.first().map(String::as_str), Some("ended by signal 11"));
        assert_eq!(kept.last().map(String::as_str), Some("noise 999"));
    }

    proptest! {
        #[test]
        fn ring_any_lines_stay_within_the_bound_and_in_order(
            lines in prop::collection::vec((0usize..4, 0usize..300), 0..200),
        ) {
            let sources: Vec<Rc<str>> = ["a", "b", "c", "d"].map(Rc::from).to_vec();
            let mut ring = LogRing::new(1_500);
            for (source, length) in lines {
                ring.push(Uptime::default(), &sources[source], &"x".repeat(length));
                prop_assert!(ring.bytes <= 1_500);
                prop_assert_eq!(ring.bytes, ring.lines.iter().map(Line::bytes).sum::<usize>());
                prop_assert_eq!(ring.lines.back().map(|line| line.number), Some(ring.last_number));
            }
            prop_assert!(ring.lines.iter().zip(ring.lines.iter().skip(1)).all(|(a, b)| a.number < b.number));
        }
    }
}
