//! A serial port for one (ioctl_tty(2)).

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

mod call {
    nix::ioctl_none_bad!(exclusive, nix::libc::TIOCEXCL);
}

/// Puts a terminal into exclusive mode: until the last descriptor of it is closed, nobody opens it again, but who has
/// CAP_SYS_ADMIN.
///
/// # Errors
/// `ENOTTY` if it is no terminal.
pub fn set_exclusive(terminal: impl AsFd) -> Result<(), Errno> {
    // SAFETY: TIOCEXCL takes no argument.
    unsafe { call::exclusive(terminal.as_fd().as_raw_fd()) }.map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn terminal_alone_becomes_exclusive() {
        let terminal = nix::pty::openpty(None, None).unwrap();
        assert_eq!(set_exclusive(&terminal.slave), Ok(()));
        assert_eq!(set_exclusive(File::open("/dev/null").unwrap()), Err(Errno::ENOTTY));
    }
}
