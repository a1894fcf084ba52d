//! What leads to a device: the socket of a VM, or a serial line.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
// Not nix's: a static program can't link the forms of cfsetispeed(3) and its like that the libc crate names.
use rustix::termios::{ControlModes, OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr};

/// Speeds that serial lines usually have, in bits per second.
const SPEEDS: [u32; 8] = [9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600];

/// A byte stream to a device.
#[derive(Debug)]
pub enum Line {
    /// Of a VM: shared with other clients by `nacre run`.
    Socket(UnixStream),
    /// A serial line: of this client alone, which holds a lock on it.
    Serial(Flock<File>),
}

/// Why a serial line is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenSerialError {
    /// It can't be opened.
    #[error("opening the serial line")]
    Open(#[source] io::Error),
    /// Another program of this kind has it.
    #[error("the serial line is in use")]
    InUse,
    /// It is no terminal.
    #[error("this is no serial line")]
    NoTerminal,
    /// It does not take its settings.
    #[error("setting the serial line up")]
    SetUp(#[source] io::Error),
    /// No usual speed.
    #[error("a serial line has no {0} bits per second: 9600 to 921600 are usual")]
    Speed(u32),
}

impl Line {
    /// Opens a serial line: raw, 8 bits, no parity, at so many bits per second.
    ///
    /// # Errors
    /// When it is none, or in use.
    pub fn serial(path: &Path, speed: u32) -> Result<Self, OpenSerialError> {
        if !SPEEDS.contains(&speed) {
            return Err(OpenSerialError::Speed(speed));
        }
        // Without waiting for a carrier, and not as this process's own terminal.
        let flags = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path);
        let file = file.map_err(OpenSerialError::Open)?;
        let file = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
            Errno::EWOULDBLOCK => OpenSerialError::InUse,
            error => OpenSerialError::SetUp(error.into()),
        })?;
        let mut settings = tcgetattr(&*file).map_err(|_| OpenSerialError::NoTerminal)?;
        settings.make_raw();
        settings.control_modes |= ControlModes::CREAD | ControlModes::CLOCAL;
        settings.control_modes &= !(ControlModes::CSTOPB | ControlModes::CRTSCTS);
        let set = settings.set_speed(speed);
        set.and_then(|()| tcsetattr(&*file, OptionalActions::Now, &settings))
            // What came for somebody else.
            .and_then(|()| tcflush(&*file, QueueSelector::IFlush))
            .map_err(|error| OpenSerialError::SetUp(error.into()))?;
        Ok(Self::Serial(file))
    }

    /// Reads what is there, and waits so long for something; nothing after that is [`io::ErrorKind::TimedOut`].
    ///
    /// # Errors
    /// Those of the stream.
    pub fn read(&mut self, piece: &mut [u8], most: Option<Duration>) -> io::Result<usize> {
        self.wait(PollFlags::POLLIN, most)?;
        match self {
            Self::Socket(stream) => stream.read(piece),
            Self::Serial(file) => file.read(piece),
        }
    }

    /// Writes everything; each part of it may take so long.
    ///
    /// # Errors
    /// Those of the stream; [`io::ErrorKind::TimedOut`].
    pub fn write_all(&mut self, mut bytes: &[u8], most: Duration) -> io::Result<()> {
        while !bytes.is_empty() {
            self.wait(PollFlags::POLLOUT, Some(most))?;
            let written = match self {
                // It may block for its rest: no longer than the other end takes for a part.
                Self::Socket(stream) => {
                    stream.set_write_timeout(Some(most))?;
                    stream.write(bytes)
                }
                Self::Serial(file) => file.write(bytes),
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::BrokenPipe.into()),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn wait(&self, what: PollFlags, most: Option<Duration>) -> io::Result<()> {
        let timeout = match most {
            None => PollTimeout::NONE,
            Some(most) => PollTimeout::try_from(most).unwrap_or(PollTimeout::MAX),
        };
        match poll(&mut [PollFd::new(self.as_fd(), what)], timeout) {
            Ok(0) => Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Socket(stream) => stream.as_fd(),
            Self::Serial(file) => file.as_fd(),
        }
    }
}
