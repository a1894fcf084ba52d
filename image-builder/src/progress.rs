//! Steps that take long say so: a spinner on a terminal, plain lines elsewhere, nothing when short.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::terminal::Terminal;

/// Steps shorter than this are not mentioned.
const SILENT: Duration = Duration::from_secs(2);

/// All spinners: steps may run beside each other.
static SPINNERS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// A running step; it ends when dropped.
#[derive(Debug)]
pub struct Step {
    details: Mutex<Option<Sender<String>>>,
    shower: Option<JoinHandle<()>>,
}

impl Step {
    /// Begins a step; `text` says what is being done (`building init`).
    pub fn begin(terminal: &Terminal, text: impl Into<String>) -> Self {
        let (sender, details) = channel();
        let (text, interactive) = (text.into(), terminal.interactive);
        let shower = std::thread::spawn(move || show(&text, interactive, &details));
        Self { details: Mutex::new(Some(sender)), shower: Some(shower) }
    }

    /// Says which part of the step is going on; shown on a terminal only.
    pub fn detail(&self, text: &str) {
        if let Ok(details) = self.details.lock()
            && let Some(sender) = details.as_ref()
        {
            // Nobody listens any more only when the step is over.
            let _ = sender.send(text.to_owned());
        }
    }
}

fn show(text: &str, interactive: bool, details: &Receiver<String>) {
    let started = Instant::now();
    let mut last = String::new();
    while let Some(left) = SILENT.checked_sub(started.elapsed()) {
        match details.recv_timeout(left) {
            Ok(detail) => last = detail,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => break,
        }
    }
    if !interactive {
        eprintln!("{text} ...");
        while details.recv().is_ok() {}
        eprintln!("{text}: {:.1} s", started.elapsed().as_secs_f64());
        return;
    }
    let message = |detail: &str| match detail {
        "" => text.to_owned(),
        detail => format!("{text}: {detail}"),
    };
    let bar = ProgressBar::new_spinner().with_elapsed(started.elapsed()).with_message(message(&last));
    let bar = SPINNERS.add(bar);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    while let Ok(detail) = details.recv() {
        bar.set_message(message(&detail));
    }
    bar.finish_and_clear();
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Ok(mut details) = self.details.lock() {
            details.take();
        }
        if let Some(shower) = self.shower.take() {
            let _ = shower.join();
        }
    }
}
