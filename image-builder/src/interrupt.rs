//! Ctrl-C and SIGTERM during a build: what was there stays, what is unfinished goes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::failure::{Exit, Failure, OrFail};

/// Exit code of a program that was interrupted, as a shell has it.
const INTERRUPTED: i32 = 130;

/// The folder to remove. A signal handler has no arguments, so it is here.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Interrupts of this process, caught.
#[derive(Debug, Clone, Default)]
pub struct Interrupts {
    asked: Arc<AtomicBool>,
    /// Whether a step runs that ends soon by itself once `asked` is set.
    yielding: Arc<AtomicBool>,
}

impl Interrupts {
    /// Catches interrupts from now on. Once in a process.
    pub fn catch() -> Result<Self, Failure> {
        let interrupts = Self::default();
        let handler = interrupts.clone();
        ctrlc::set_handler(move || {
            handler.asked.store(true, Ordering::SeqCst);
            if !handler.yielding.load(Ordering::SeqCst) {
                end();
            }
        })
        .or_fail(Exit::Internal, || "can't catch interrupts".to_owned())?;
        Ok(interrupts)
    }

    /// Runs a step that looks at the flag and cleans up after itself.
    pub fn during<T>(&self, step: impl FnOnce(Arc<AtomicBool>) -> T) -> T {
        self.yielding.store(true, Ordering::SeqCst);
        let done = step(self.asked.clone());
        self.yielding.store(false, Ordering::SeqCst);
        if self.asked.load(Ordering::SeqCst) {
            end();
        }
        done
    }
}

/// Names the folder to remove when interrupted.
pub(crate) fn remember(folder: Option<PathBuf>) {
    if let Ok(mut unfinished) = UNFINISHED.lock() {
        *unfinished = folder;
    }
}

fn end() -> ! {
    if let Some(folder) = UNFINISHED.lock().ok().and_then(|mut f| f.take()) {
        let _ = std::fs::remove_dir_all(folder);
    }
    std::process::exit(INTERRUPTED);
}
