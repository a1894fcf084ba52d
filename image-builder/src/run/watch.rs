//! Watching a console: print its lines, wait for one that matches, give up at the deadline.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use regex::Regex;

use super::console::Lines;
use super::forward::Forward;
use super::qmp::GuestEnd;
use super::vm::Event;

/// How long QEMU may take from closing its console to saying why.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Why watching stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Watched {
    /// A line matched.
    Matched,
    /// The deadline passed.
    TimedOut,
    /// No line of those that show progress came in time.
    Stalled,
    /// The person wants to stop, or nobody reads the output any more.
    Interrupted,
    /// The VM ended. [`None`]: QEMU went without saying why.
    Ended(Option<GuestEnd>),
}

/// Lines without which the guest is taken to stand still.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Which they are.
    pub lines: &'a Regex,
    /// How long one may take, from the start or from the one before.
    pub within: Duration,
}

/// Watches the consoles of one run, over restarts of the guest.
pub(crate) struct Watcher<'a> {
    out: &'a mut dyn Write,
    expect: Option<&'a Regex>,
    deadline: Option<Instant>,
    progress: Option<Progress<'a>>,
    lines: Lines,
    /// The expected line has come: the run is over.
    matched: bool,
    /// The last line in which the kernel said why it gives up.
    panic: Option<String>,
}

impl<'a> Watcher<'a> {
    /// Prints to `out` until a line matches `expect`, `deadline` passes or there is no `progress`.
    pub(crate) fn new(
        out: &'a mut dyn Write,
        expect: Option<&'a Regex>,
        deadline: Option<Instant>,
        progress: Option<Progress<'a>>,
    ) -> Self {
        Self { out, expect, deadline, progress, lines: Lines::default(), matched: false, panic: None }
    }

    /// Watches one VM to its end, or until there is a reason to end it; `answers` is told of each forwarded
    /// port that begins to answer.
    pub(crate) fn watch(&mut self, events: &Receiver<Event>, answers: &mut dyn FnMut(Forward)) -> Watched {
        self.panic = None;
        let mut guest = None;
        let mut closed: Option<Instant> = None;
        let mut moved = Instant::now();
        loop {
            if let (Some(end), Some(_)) = (&guest, closed) {
                return Watched::Ended(Option::clone(end));
            }
            let stalled_at = self.progress.map(|progress| moved + progress.within);
            let until = [self.deadline, closed, stalled_at].into_iter().flatten().min();
            let event = match until {
                Some(until) => events.recv_timeout(until.saturating_duration_since(Instant::now())),
                None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let lines = match event {
                Ok(Event::Console(bytes)) => self.lines.push(&bytes),
                Ok(Event::ConsoleEnd) => {
                    closed = Some(Instant::now() + LAST_WORD);
                    self.lines.finish().into_iter().collect()
                }
                Ok(Event::Guest(end)) => {
                    guest = Some(end);
                    continue;
                }
                Ok(Event::Answers(forward)) => {
                    answers(forward);
                    continue;
                }
                Ok(Event::Interrupt) => return Watched::Interrupted,
                Err(_) if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    self.flush_open_line();
                    return Watched::TimedOut;
                }
                Err(_) if stalled_at.is_some_and(|at| Instant::now() >= at) => {
                    self.flush_open_line();
                    return Watched::Stalled;
                }
                Err(_) => return Watched::Ended(None),
            };
            for line in lines {
                if self.progress.is_some_and(|progress| progress.lines.is_match(&line)) {
                    moved = Instant::now();
                }
                match self.line(&line) {
                    Ok(false) => {}
                    Ok(true) => {
                        self.matched = true;
                        return Watched::Matched;
                    }
                    // Whoever read the output is gone: `nacre run … | head`.
                    Err(_) => return Watched::Interrupted,
                }
            }
        }
    }

    /// Prints what is left of a VM that was ended, and forgets its events; the last line need not be full.
    /// Says whether the person wants to stop: that is about the run and not about one VM.
    pub(crate) fn drain(&mut self, events: &Receiver<Event>) -> bool {
        let mut interrupted = false;
        while let Ok(event) = events.try_recv() {
            match event {
                Event::Console(bytes) => {
                    for line in self.lines.push(&bytes) {
                        // If nobody reads any more, there is nothing to do about it.
                        let _ = self.line(&line);
                    }
                }
                Event::Interrupt => interrupted = true,
                Event::ConsoleEnd | Event::Guest(_) | Event::Answers(_) => {}
            }
        }
        self.flush_open_line();
        interrupted
    }

    fn flush_open_line(&mut self) {
        // After the match the VM is cut off in the middle of a line: half a line tells nobody anything.
        if self.matched {
            return;
        }
        if let Some(rest) = self.lines.finish() {
            let _ = self.line(&rest);
        }
    }

    /// What the kernel said when it gave up, if it did since watching began.
    pub(crate) fn panic(&self) -> Option<&str> {
        self.panic.as_deref()
    }

    fn line(&mut self, line: &str) -> io::Result<bool> {
        writeln!(self.out, "{line}")?;
        self.out.flush()?;
        if let Some((_, reason)) = line.split_once("Kernel panic - not syncing: ") {
            self.panic = Some(reason.to_owned());
        }
        Ok(self.expect.is_some_and(|expect| expect.is_match(line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn watch(
        expect: Option<&str>,
        limit: Option<Duration>,
        events: Vec<Event>,
    ) -> (Watched, String, Option<String>) {
        let (sender, receiver) = channel();
        let mut forwards = Vec::new();
        for event in events {
            if let Event::Answers(forward) = event {
                forwards.push(forward);
            }
            sender.send(event).unwrap();
        }
        let expect = expect.map(|text| Regex::new(text).unwrap());
        let mut out = Vec::new();
        let mut watcher =
            Watcher::new(&mut out, expect.as_ref(), limit.map(|limit| Instant::now() + limit), None);
        let mut answered = Vec::new();
        let watched = watcher.watch(&receiver, &mut |forward| answered.push(forward));
        assert_eq!(answered, forwards);
        let panic = watcher.panic().map(str::to_owned);
        drop(sender);
        (watched, String::from_utf8(out).unwrap(), panic)
    }

    fn console(text: &str) -> Event {
        Event::Console(text.as_bytes().to_vec())
    }

    #[test]
    fn watch_line_that_matches_ends_it_at_once() {
        let (watched, out, _) = watch(
            Some("^app: (ready|up)$"),
            None,
            vec![console("boot\nnot app: ready\napp: re"), console("ady\nmore\n"), Event::ConsoleEnd],
        );
        assert_eq!(watched, Watched::Matched);
        assert_eq!(out, "boot\nnot app: ready\napp: ready\n");
    }

    #[test]
    fn watch_last_line_without_line_feed_matches_too() {
        let (watched, _, _) = watch(Some("login:"), None, vec![console("login: "), Event::ConsoleEnd]);
        assert_eq!(watched, Watched::Matched);
    }

    #[test]
    fn watch_without_match_times_out_with_the_open_line_printed() {
        let (watched, out, _) = watch(Some("never"), Some(Duration::from_millis(30)), vec![console("a\nb")]);
        assert_eq!(watched, Watched::TimedOut);
        assert_eq!(out, "a\nb\n");
    }

    #[test]
    fn watch_guest_end_before_the_console_is_read_loses_no_line() {
        let (watched, out, panic) = watch(
            None,
            None,
            vec![
                Event::Guest(Some(GuestEnd::Reset)),
                console("[ 1.0] Kernel panic - not syncing: dm-verity device corrupted\n"),
                Event::ConsoleEnd,
            ],
        );
        assert_eq!(watched, Watched::Ended(Some(GuestEnd::Reset)));
        assert!(out.contains("corrupted"));
        assert_eq!(panic.as_deref(), Some("dm-verity device corrupted"));
    }

    #[test]
    fn watch_port_that_answers_is_told_and_ends_nothing() {
        let answers = Event::Answers("8080:80".parse().unwrap());
        let (watched, out, _) = watch(Some("up"), None, vec![console("a\n"), answers, console("up\n")]);
        assert_eq!((watched, out.as_str()), (Watched::Matched, "a\nup\n"));
    }

    #[test]
    fn watch_interrupt_ends_it() {
        assert_eq!(watch(None, None, vec![Event::Interrupt]).0, Watched::Interrupted);
    }

    #[test]
    fn watch_qemu_gone_without_a_word_is_an_end_without_reason() {
        let (watched, _, _) = watch(None, None, vec![Event::Guest(None), Event::ConsoleEnd]);
        assert_eq!(watched, Watched::Ended(None));
    }
}
