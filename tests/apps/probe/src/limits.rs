//! Uses what the manifest grants, and then more than that.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command};

use nix::errno::Errno;

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

/// Writes so many KiB to a file, waits for them to be on the disk, and removes it.
fn fill(path: &str, kib: usize) -> Result<(), Errno> {
    let outcome = fs::write(path, vec![0x5a; kib * 1024]).and_then(|()| File::open(path)?.sync_all());
    let removed = if Path::new(path).exists() { fs::remove_file(path) } else { Ok(()) };
    outcome.and(removed).map_err(|error| errno(&error))
}

pub(crate) fn data_within() -> Result<(), Errno> {
    fill("/data/within", 48)
}

pub(crate) fn data_beyond() -> Result<(), Errno> {
    fill("/data/beyond", 96)
}

pub(crate) fn tmp_within() -> Result<(), Errno> {
    fill("/tmp/within", 48)
}

pub(crate) fn tmp_beyond() -> Result<(), Errno> {
    fill("/tmp/beyond", 96)
}

pub(crate) fn open_files_beyond() -> Result<(), Errno> {
    let files: Result<Vec<File>, io::Error> = (0..32).map(|_| File::open("/dev/null")).collect();
    files.map(drop).map_err(|error| errno(&error))
}

pub(crate) fn tasks_within() -> Result<(), Errno> {
    children(2)
}

pub(crate) fn tasks_beyond() -> Result<(), Errno> {
    children(6)
}

fn children(count: usize) -> Result<(), Errno> {
    let program = std::env::current_exe().map_err(|error| errno(&error))?;
    let mut running: Vec<Child> = Vec::new();
    let mut outcome = Ok(());
    for _ in 0..count {
        match Command::new(&program).arg("wait").spawn() {
            Ok(child) => running.push(child),
            Err(error) => {
                outcome = Err(errno(&error));
                break;
            }
        }
    }
    for mut child in running {
        let _ = child.kill();
        let _ = child.wait();
    }
    outcome
}
