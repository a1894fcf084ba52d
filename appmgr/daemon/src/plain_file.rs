//! Files of the data partition: anybody may have written it while the device was off.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nacre_sys::file::{Kind, status_of};
use nix::fcntl::OFlag;

/// Opens a regular file for reading. A link in its place could lead to a device, and a FIFO would keep the
/// app manager waiting for a writer for ever.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    if status_of(&file)?.kind == Kind::File {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn open_anything_but_a_regular_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "x").unwrap();
        mkfifo(&at("fifo"), Mode::from_bits_truncate(0o600)).unwrap();
        symlink(at("file"), at("link")).unwrap();
        assert!(open(&at("file")).is_ok());
        for name in ["fifo", "link", "none", "."] {
            assert!(open(&at(name)).is_err(), "{name}");
        }
    }
}
