//! Settings of the kernel below `/proc/sys` (proc_sys(5)).

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::write;

/// The folder that the settings are below, held open: a path from there has half the length.
#[derive(Debug)]
pub struct Settings(OwnedFd);

impl Settings {
    /// Opens `/proc/sys`.
    ///
    /// # Errors
    ///
    /// open(2): `ENOENT` without procfs.
    pub fn open() -> Result<Self, Errno> {
        Ok(Self(open("/proc/sys", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?))
    }

    /// Sets one, by its name with slashes (`kernel/kptr_restrict`). Those of the network are those of the caller's
    /// network namespace.
    ///
    /// # Errors
    ///
    /// `ENOENT` if this kernel hasn't got it, `EINVAL` if it doesn't take the value.
    pub fn set(&self, name: &str, value: &str) -> Result<(), Errno> {
        let file = openat(&self.0, name, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        write(&file, value.as_bytes()).map(drop)
    }

    /// Sets all of a text in the format of sysctl.conf(5), but for those that this kernel hasn't got: they were left
    /// out of its configuration on purpose. Gives the names of those that it refused.
    pub fn apply<'a>(&self, text: &'a str) -> Vec<(&'a str, Errno)> {
        let set = |(name, value): (&'a str, &str)| match self.set(&name.replace('.', "/"), value) {
            Ok(()) | Err(Errno::ENOENT) => None,
            Err(cause) => Some((name, cause)),
        };
        lines(text).filter_map(set).collect()
    }
}

/// Name and value of each setting in a text in the format of sysctl.conf(5).
pub fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn setting_is_written_one_that_is_missing_is_passed_over_and_a_refused_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("kernel")).unwrap();
        fs::write(dir.path().join("kernel/there"), "").unwrap();
        fs::create_dir(dir.path().join("folder")).unwrap();
        let folder = open(dir.path(), OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        let text = "# Why.\nkernel.there = 2\n\nkernel.none = 1\nfolder=3\n";
        assert_eq!(Settings(folder).apply(text), [("folder", Errno::EISDIR)]);
        assert_eq!(fs::read_to_string(dir.path().join("kernel/there")).unwrap(), "2");
    }
}
