//! Documents, made when somebody asks and kept until they are out of date.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::range::Range;
use crate::reading::{History, Reading, Source};
use crate::request::Document;
use crate::{json, page};

/// How long figures of the OS are good for.
const FRESH: Duration = Duration::from_secs(1);

/// How long recorder is left alone after it gave no samples.
const PAUSE: Duration = Duration::from_secs(5);

/// What everybody who looks on is shown.
pub struct Panel {
    source: Source,
    reading: Option<(Instant, Reading)>,
    histories: [Option<(Instant, History)>; Range::ALL.len()],
    /// Documents made of the present reading.
    made: Vec<(Document, Rc<[u8]>)>,
}

impl Panel {
    /// A panel of what `source` says.
    pub fn new(source: Source) -> Self {
        Self { source, reading: None, histories: [const { None }; Range::ALL.len()], made: Vec::new() }
    }

    /// Says that this app is well.
    pub(crate) fn heartbeat(&mut self) {
        self.source.heartbeat();
    }

    /// A document, no older than a second.
    pub(crate) fn document(&mut self, document: Document, now: Instant) -> Rc<[u8]> {
        let range = match document {
            Document::Icon => return Rc::from(page::ICON.as_bytes()),
            Document::Page(range) | Document::Json(range) => range,
        };
        let fresh = |since: &Instant| now.saturating_duration_since(*since) < FRESH;
        let reading = match self.reading.take() {
            Some((since, reading)) if fresh(&since) => &self.reading.insert((since, reading)).1,
            _ => {
                self.made.clear();
                &self.reading.insert((now, self.source.read())).1
            }
        };
        if let Some((_, made)) = self.made.iter().find(|(other, _)| *other == document) {
            return Rc::clone(made);
        }
        let slot = self.histories.iter_mut().zip(Range::ALL).find(|(_, other)| *other == range);
        let history = match slot {
            Some((slot, _)) => keep_fresh(slot, &mut self.source, range, now),
            None => &Err(String::new()),
        };
        let text = match document {
            Document::Json(_) => json::state(reading, history, range),
            _ => page::page(reading, history, range),
        };
        let made: Rc<[u8]> = Rc::from(text.as_bytes());
        self.made.push((document, Rc::clone(&made)));
        made
    }
}

/// The samples in `slot`, asked for anew when there may be others.
fn keep_fresh<'a>(
    slot: &'a mut Option<(Instant, History)>,
    source: &mut Source,
    range: Range,
    now: Instant,
) -> &'a History {
    let fresh = slot.as_ref().is_some_and(|(since, history)| {
        let age = now.saturating_duration_since(*since);
        age < if history.is_ok() { Duration::from_secs(range.fresh_s()) } else { PAUSE }
    });
    if !fresh {
        *slot = None;
    }
    &slot.get_or_insert_with(|| (now, source.history(range))).1
}
