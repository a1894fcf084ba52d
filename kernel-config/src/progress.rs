//! How a long run shows itself: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Pause between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Where progress is shown (stderr, or nowhere), and whether somebody asked to stop.
#[derive(Debug, Clone)]
pub struct Progress {
    shown: Shown,
    cancel: Arc<AtomicBool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Bar,
    Lines,
    Nothing,
}

impl Progress {
    /// A bar if stderr is a terminal, else a line at the start and every 10 seconds.
    pub fn stderr() -> Self {
        let shown = if std::io::stderr().is_terminal() { Shown::Bar } else { Shown::Lines };
        Self { shown, cancel: Arc::default() }
    }

    /// Nothing.
    pub fn silent() -> Self {
        Self { shown: Shown::Nothing, cancel: Arc::default() }
    }

    /// Stops running programs, and cleans up, soon after the flag is set.
    #[must_use]
    pub fn with_cancel(self, cancel: Arc<AtomicBool>) -> Self {
        Self { cancel, ..self }
    }

    /// Whether somebody asked to stop.
    pub(crate) fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Says one line.
    pub(crate) fn say(&self, text: &str) {
        if self.shown != Shown::Nothing {
            // Progress that nobody can read is no reason to fail.
            let _unread = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Begins a task of about `total` steps, if that is known.
    pub(crate) fn task(&self, label: &str, total: Option<u64>) -> Task {
        let bar = (self.shown == Shown::Bar).then(|| {
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
            let form = match total {
                Some(_) => "{msg} [{bar:30}] {percent}% {elapsed}",
                None => "{msg} {spinner} {elapsed}",
            };
            if let Ok(style) = ProgressStyle::with_template(form) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_message(label.to_owned());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        if self.shown == Shown::Lines {
            self.say(label);
        }
        Task {
            progress: self.clone(),
            label: label.to_owned(),
            total,
            done: AtomicU64::new(0),
            began: Instant::now(),
            said: Instant::now(),
            bar,
        }
    }
}

/// A task that is going on.
pub(crate) struct Task {
    progress: Progress,
    label: String,
    total: Option<u64>,
    done: AtomicU64,
    began: Instant,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl Task {
    /// One step more is done.
    pub(crate) fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = &self.bar {
            // The total is an estimate: the bar stops short of its end until the task is finished.
            bar.set_position(done.min(self.total.unwrap_or(done).saturating_sub(1)));
        }
    }

    /// Says how far it is, if it is time to.
    pub(crate) fn tick(&mut self) {
        if self.progress.shown == Shown::Lines && self.said.elapsed() >= LINE_EVERY {
            self.said = Instant::now();
            let done = self.done.load(Ordering::Relaxed);
            let of = self.total.map_or_else(String::new, |total| format!(", {done} of about {total} files"));
            self.progress.say(&format!("{}: {} s{of}", self.label, self.began.elapsed().as_secs()));
        }
    }

    /// Steps done so far.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// The task is done; its bar goes, a line stays.
    pub(crate) fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.progress.shown != Shown::Nothing {
            self.progress.say(&format!("{}: done in {} s", self.label, self.began.elapsed().as_secs()));
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
