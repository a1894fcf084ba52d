//! Ctrl-C and SIGTERM during a build: what was there stays, what is unfinished goes.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::failure::{Exit, Failure, OrFail};

/// Exit code of a program that was interrupted, as a shell has it.
const INTERRUPTED: i32 = 130;

/// What to remove. A signal handler has no arguments, so it is here.
static UNFINISHED: Mutex<Option<Unfinished>> = Mutex::new(None);

/// What is done first when this process is ended.
static FIRST: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

/// Has something done first when an interrupt ends this process: what runs beside a build is ended by it.
pub(crate) fn at_end(first: impl FnOnce() + Send + 'static) {
    *FIRST.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(first));
}

/// Whether this process is being ended.
static ENDING: AtomicBool = AtomicBool::new(false);

/// How often, and how long apart, the removal is tried again: a child may be making a file meanwhile.
const TRIES: (u32, Duration) = (50, Duration::from_millis(10));

/// Process groups to end: compilers that would go on by themselves.
static CHILDREN: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

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

/// What an interrupted build leaves.
#[derive(Debug)]
pub(crate) struct Unfinished {
    /// The folder that is being filled.
    pub(crate) folder: PathBuf,
    /// Folders that were made to hold it, the innermost last: removed if nothing else is in them.
    pub(crate) parents: Vec<PathBuf>,
}

/// Takes the first step, which makes what is to be removed when interrupted. An interrupt waits until it is done.
pub(crate) fn begin<T, E>(step: impl FnOnce() -> Result<(T, Unfinished), E>) -> Result<T, E> {
    let mut unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
    let (made, remove) = step()?;
    *unfinished = Some(remove);
    Ok(made)
}

/// Takes the last step, after which there is nothing to remove. An interrupt waits until it is done.
pub(crate) fn conclude<T, E>(step: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let mut unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
    let done = step()?;
    *unfinished = None;
    Ok(done)
}

/// Waits for the end if an interrupt is ending this process: a step that failed because its folder was taken
/// away from it has nothing to say.
pub(crate) fn settle() {
    while ENDING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// As long as this lives, an interrupt ends a group of child processes.
#[derive(Debug)]
pub(crate) struct Children(Option<Pid>);

impl Children {
    /// `leader` leads a process group of its own and was not waited for.
    pub(crate) fn of(leader: &Child) -> Self {
        let group = i32::try_from(leader.id()).ok().map(Pid::from_raw);
        if let Ok(mut children) = CHILDREN.lock() {
            children.extend(group);
        }
        Self(group)
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        if let Ok(mut children) = CHILDREN.lock() {
            children.retain(|group| Some(*group) != self.0);
        }
    }
}

fn end() -> ! {
    ENDING.store(true, Ordering::SeqCst);
    if let Some(first) = FIRST.lock().unwrap_or_else(PoisonError::into_inner).take() {
        first();
    }
    // The lock is kept: no child is waited for from here on, so the group's number stays its own.
    let children = CHILDREN.lock();
    for group in children.as_deref().into_iter().flatten() {
        let _ = killpg(*group, Signal::SIGTERM);
    }
    if let Some(unfinished) = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).take() {
        remove(&unfinished);
    }
    std::process::exit(INTERRUPTED);
}

/// Removes what another thread, and perhaps a child, still work on.
fn remove(unfinished: &Unfinished) {
    let folder = unfinished.folder.as_path();
    let mut name = OsString::from(folder);
    name.push("-gone");
    let aside = PathBuf::from(name);
    // From here on nothing can be made in it by its name, and the file keeps it from being made again.
    let moved = fs::rename(folder, &aside).is_ok();
    let _in_the_way = fs::File::create_new(folder);
    remove_folder(if moved { &aside } else { folder });
    let _ = fs::remove_file(folder);
    for parent in unfinished.parents.iter().rev() {
        let _ = fs::remove_dir(parent);
    }
}

fn remove_folder(folder: &Path) {
    for _ in 0..TRIES.0 {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => std::thread::sleep(TRIES.1),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removal_while_another_thread_writes_leaves_nothing() {
        let top = tempfile::tempdir().unwrap();
        let parents = vec![top.path().join("out"), top.path().join("out/deep")];
        let folder = top.path().join("out/deep/.x.new-1");
        fs::create_dir_all(&folder).unwrap();
        let (busy, inside) = (Arc::new(AtomicBool::new(true)), folder.join("work"));
        let writer = std::thread::spawn({
            let busy = busy.clone();
            move || {
                for number in 0.. {
                    let _ = fs::create_dir_all(&inside);
                    let _ = fs::write(inside.join(number.to_string()), "x");
                    if !busy.load(Ordering::SeqCst) || !inside.exists() {
                        return;
                    }
                }
            }
        });
        std::thread::sleep(Duration::from_millis(20));
        remove(&Unfinished { folder, parents });
        busy.store(false, Ordering::SeqCst);
        writer.join().unwrap();
        assert_eq!(fs::read_dir(top.path()).unwrap().count(), 0);
    }
}
