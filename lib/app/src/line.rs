//! A GPIO line that the OS handed over.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nacre_sys::gpio::{self, EVENT_BYTES};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A GPIO line. It is the app's until this is dropped; then it is as nobody had it.
///
/// ```no_run
/// use nacre_app::{LineMode, System};
///
/// // nacre.yaml: devices: { gpio: [LED1] }
/// let led = System::connect()?.line("LED1", LineMode::OutputLow)?;
/// led.set(true)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Line {
    file: File,
}

/// A change of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// It became high.
    Rising,
    /// It became low.
    Falling,
}

impl Line {
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        Self { file: descriptor.into() }
    }

    /// Its value; of an output, the one that it is driven with.
    pub fn value(&self) -> io::Result<bool> {
        Ok(gpio::value(&self.file)?)
    }

    /// Drives it; with [`LineMode::OutputLow`](crate::LineMode) and `OutputHigh` only.
    pub fn set(&self, value: bool) -> io::Result<()> {
        Ok(gpio::set_value(&self.file, value)?)
    }

    /// The next change of it, with [`LineMode::Edges`](crate::LineMode) only; `None` if none comes within `wait`. The
    /// kernel keeps 16 of them; of more it drops the oldest.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use nacre_app::{Edge, LineMode, System};
    ///
    /// // nacre.yaml: devices: { gpio: [BUTTON1] }
    /// let mut button = System::connect()?.line("BUTTON1", LineMode::Edges)?;
    /// while let Some(edge) = button.next_edge(Duration::from_secs(60))? {
    ///     println!("{}", if edge == Edge::Rising { "pressed" } else { "released" });
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_edge(&mut self, wait: Duration) -> io::Result<Option<Edge>> {
        let mut descriptors = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        match poll(&mut descriptors, PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX)) {
            Ok(0) | Err(Errno::EINTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut event = [0; EVENT_BYTES];
        self.file.read_exact(&mut event)?;
        Ok(gpio::edge(&event).map(|high| if high { Edge::Rising } else { Edge::Falling }))
    }
}

impl AsFd for Line {
    /// To wait for its changes beside others: readable when there is one.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Write, pipe};

    use super::*;

    #[test]
    fn edges_are_read_one_by_one_until_none_comes() {
        let (reader, mut writer) = pipe().unwrap();
        let mut line = Line::new(reader.into());
        for id in [1_u32, 2] {
            let mut event = [0; EVENT_BYTES];
            event[8..12].copy_from_slice(&id.to_ne_bytes());
            writer.write_all(&event).unwrap();
        }
        let mut next = || line.next_edge(Duration::from_millis(5)).unwrap();
        assert_eq!([next(), next(), next()], [Some(Edge::Rising), Some(Edge::Falling), None]);
        assert_eq!(line.value().unwrap_err().raw_os_error(), Some(Errno::ENOTTY as i32), "a pipe has none");
    }
}
