//! The log: each line goes to the console and into the ring.

use std::io::Write;
use std::rc::Rc;

use nacre_appmgr_core::Uptime;
use nacre_appmgr_core::log_line::{console, printable};
use nacre_appmgr_core::log_ring::LogRing;
use nacre_wire::log::{Detail, shown as shown_whole};

use crate::clock;

/// Bytes of the newest lines kept for the device channel.
const RING_BYTES: usize = 24 * 1024;

/// Names under which the OS itself speaks on the console.
const OWN_NAMES: [&str; 4] = ["appmgr", "init", "kernel", "netd"];

/// The last label of an app's id, or all of it where that could be taken for the OS.
fn shown(source: &str) -> &str {
    source.rsplit('.').next().filter(|short| !OWN_NAMES.contains(short)).unwrap_or(source)
}

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
        self.show(now, source, text);
    }

    /// A structured line of an app: text and values are printable.
    pub(crate) fn structured(&mut self, now: Uptime, source: &Rc<str>, text: &str, detail: Detail) {
        let whole = shown_whole(text, Some(&detail));
        self.ring.push_structured(now, source, text, detail);
        self.show(now, source, &whole);
    }

    fn show(&mut self, now: Uptime, source: &str, text: &str) {
        let mut line = console(now, shown(source), text);
        line.push('\n');
        // A console that is gone is no reason to stop: the ring has the line.
        let _ = self.console.write_all(line.as_bytes()).and_then(|()| self.console.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_app_with_the_oss_name_is_told_apart() {
        for (source, name) in [
            ("org.nacre.recorder", "recorder"),
            ("appmgr", "appmgr"),
            ("com.evil.appmgr", "com.evil.appmgr"),
            ("com.evil.init", "com.evil.init"),
        ] {
            assert_eq!(shown(source), name);
        }
    }
}
