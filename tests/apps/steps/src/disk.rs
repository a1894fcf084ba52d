//! Takes as much of the disk as it gets.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use nix::errno::Errno;

/// Writes a file until it fails, so that what was written is on the disk.
pub(crate) fn fill(file: &str) -> String {
    let (mut kib, end) = match File::create(file) {
        Ok(file) => write_all(&file),
        Err(error) => (0, error),
    };
    // What was taken and could not be kept does not count.
    if kib > 0 && File::open(file).and_then(|file| file.sync_all()).is_err() {
        kib = 0;
    }
    format!("{kib} KiB, {}", name(&end))
}

fn write_all(mut file: &File) -> (u64, io::Error) {
    let mut kib = 0;
    loop {
        match file.write_all(&[0x5a; 1024]) {
            Ok(()) => kib += 1,
            Err(error) => return (kib, error),
        }
    }
}

/// Makes empty files until it fails.
pub(crate) fn crowd(folder: &str) -> String {
    for count in 0_u32.. {
        if let Err(error) = File::create(Path::new(folder).join(format!("f{count}"))) {
            return format!("{count} files, {}", name(&error));
        }
    }
    String::new()
}

fn name(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |raw| format!("{:?}", Errno::from_raw(raw)))
}
