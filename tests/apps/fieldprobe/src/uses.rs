//! Memory, tasks, CPU, files: what the app takes for itself.

use std::fs::{self, File};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use memmap2::MmapMut;
use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};

use crate::{Failure, Outcome};

/// For a thread that only waits.
const STACK: usize = 32 * 1024;

/// Touches so many KiB, and gives them back.
pub(crate) fn memory(kib: usize) -> Outcome {
    let blocks: Vec<Vec<u8>> = (0..kib / 32).map(|_| vec![0x5a; 32 * 1024]).collect();
    let last = blocks.last().and_then(|block| block.last());
    if last == Some(&0x5a) { Ok(None) } else { Err(Failure::Usage) }
}

/// Has so many threads at the same time, beside the first.
pub(crate) fn tasks(count: usize) -> Outcome {
    let (stop, waits) = mpsc::channel::<()>();
    let waits = std::sync::Arc::new(std::sync::Mutex::new(waits));
    let mut running = Vec::new();
    let mut outcome = Ok(None);
    for _ in 0..count {
        let waits = std::sync::Arc::clone(&waits);
        let wait = move || waits.lock().map(|waits| waits.recv()).is_ok();
        match thread::Builder::new().stack_size(STACK).spawn(wait) {
            Ok(thread) => running.push(thread),
            Err(error) => {
                outcome = Err(error.into());
                break;
            }
        }
    }
    drop(stop);
    running.into_iter().for_each(|thread| drop(thread.join()));
    outcome
}

/// Computes for so many seconds; how much of one CPU it got, in percent.
pub(crate) fn cpu(seconds: u64) -> Outcome {
    let begun = Instant::now();
    let before = used()?;
    let mut sum = 1u64;
    while begun.elapsed() < Duration::from_secs(seconds) {
        sum = (0..10_000u64).fold(sum, |sum, n| sum.rotate_left(5) ^ n);
    }
    std::hint::black_box(sum);
    let used = used()?.saturating_sub(before).as_millis();
    let share = used * 100 / begun.elapsed().as_millis().max(1);
    Ok(u64::try_from(share).ok())
}

fn used() -> Result<Duration, Errno> {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from)
}

pub(crate) fn open_files(count: usize) -> Outcome {
    let files: Result<Vec<File>, _> = (0..count).map(|_| File::open("/dev/null")).collect();
    files.map(|_| None).map_err(Failure::from)
}

/// Writes so many KiB to a file, waits for them to be on the disk, and removes it.
pub(crate) fn fill(path: &str, kib: usize) -> Outcome {
    let written = fs::write(path, vec![0x5a; kib * 1024]).and_then(|()| File::open(path)?.sync_all());
    let removed = if Path::new(path).exists() { fs::remove_file(path) } else { Ok(()) };
    Ok(written.and(removed).map(|()| None)?)
}

/// Memory that was written and is to be executed.
pub(crate) fn code() -> Outcome {
    let mut memory = MmapMut::map_anon(4096)?;
    memory.fill(0);
    Ok(memory.make_exec().map(|_| None)?)
}

pub(crate) fn pause(seconds: u64) -> Outcome {
    thread::sleep(Duration::from_secs(seconds));
    Ok(None)
}
