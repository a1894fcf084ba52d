//! The log: each line goes to the console and into the ring.

use std::io::Write;
use std::rc::Rc;

use nacre_appmgr_core::Uptime;
use nacre_appmgr_core::log_line::{console, printable};
use nacre_appmgr_core::log_ring::LogRing;

use crate::clock;

/// Bytes of the newest lines kept for the device channel.
const RING_BYTES: usize = 24 * 1024;

/// The log.
pub(crate) struct Log {
    ring: LogRing,
    own: Rc<str>,
    console: Box<dyn Write>,
}

impl Log {
    /// A log that shows its lines here as well.
    pub(crate) fn new(console: Box<dyn Write>) -> Self {
        Self { ring: LogRing::new(RING_BYTES), own: "appmgr".into(), console }
    }

    /// The kept lines.
    pub(crate) fn ring(&self) -> &LogRing {
        &self.ring
    }

    /// A line in the app manager's own name.
    pub(crate) fn own(&mut self, text: &str) {
        let own = Rc::clone(&self.own);
        self.line(clock::now(), &own, &printable(text.as_bytes()));
    }

    /// A line of an app or about it: `text` is printable.
    pub(crate) fn line(&mut self, now: Uptime, source: &Rc<str>, text: &str) {
        self.ring.push(now, source, text);
        let short = source.rsplit('.').next().unwrap_or(source);
        let mut line = console(now, short, text);
        line.push('\n');
        // A console that is gone is no reason to stop: the ring has the line.
        let _ = self.console.write_all(line.as_bytes()).and_then(|()| self.console.flush());
    }
}
