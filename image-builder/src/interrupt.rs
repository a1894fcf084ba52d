//! Ctrl-C and SIGTERM during a build: what was there stays, what is unfinished goes.

use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::failure::{Exit, Failure, OrFail};

/// Exit code of a program that was interrupted, as a shell has it.
const INTERRUPTED: i32 = 130;

/// The folder to remove. A signal handler has no arguments, so it is here.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Process group to end: a compiler that would go on by itself.
static CHILDREN: Mutex<Option<Pid>> = Mutex::new(None);

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

/// As long as this lives, an interrupt ends a group of child processes.
#[derive(Debug)]
pub(crate) struct Children(());

impl Children {
    /// `leader` leads a process group of its own and was not waited for.
    pub(crate) fn of(leader: &Child) -> Self {
        remember_children(i32::try_from(leader.id()).ok().map(Pid::from_raw));
        Self(())
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        remember_children(None);
    }
}

fn remember_children(group: Option<Pid>) {
    if let Ok(mut children) = CHILDREN.lock() {
        *children = group;
    }
}

fn end() -> ! {
    // The lock is kept: no child is waited for from here on, so the group's number stays its own.
    let children = CHILDREN.lock();
    if let Ok(Some(group)) = children.as_deref() {
        let _ = killpg(*group, Signal::SIGTERM);
    }
    if let Some(folder) = UNFINISHED.lock().ok().and_then(|mut f| f.take()) {
        let _ = std::fs::remove_dir_all(folder);
    }
    std::process::exit(INTERRUPTED);
}
