//! Waiting for whatever happens next (`epoll(7)`).

use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// Events taken from the kernel at once.
const AT_ONCE: usize = 16;

/// What a descriptor is, as a number that the kernel keeps with it.
pub trait Source: Sized {
    /// The number.
    fn pack(self) -> u64;

    /// What has this number.
    fn unpack(number: u64) -> Option<Self>;
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// For as long as there is something to read.
    Read,
    /// For as long as there is room to write.
    Write,
    /// For both.
    ReadAndWrite,
    /// Each time something changes, in either direction. A port without a client is hung up for good, and
    /// would else keep the loop awake.
    Change,
    /// For as long as a file of the kernel's has news: a file of a cgroup whose counts have grown since it was read.
    News,
}

/// All descriptors that are waited for.
#[derive(Debug)]
pub struct EventLoop<S> {
    epoll: Epoll,
    sources: PhantomData<S>,
}

impl<S: Source> EventLoop<S> {
    /// Waits for nothing yet.
    ///
    /// # Errors
    /// Those of `epoll_create1(2)`.
    pub fn new() -> Result<Self, Errno> {
        Ok(Self { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?, sources: PhantomData })
    }

    /// Begins to wait for a descriptor. One that is closed is no longer waited for.
    ///
    /// # Errors
    /// Those of `epoll_ctl(2)`.
    pub fn add(&self, fd: impl AsFd, source: S, interest: Interest) -> Result<(), Errno> {
        self.epoll.add(fd, EpollEvent::new(flags(interest), source.pack()))
    }

    /// Waits for something else, or again.
    ///
    /// # Errors
    /// Those of `epoll_ctl(2)`.
    pub fn change(&self, fd: impl AsFd, source: S, interest: Interest) -> Result<(), Errno> {
        let event = EpollEvent::new(flags(interest), source.pack());
        match self.epoll.modify(&fd, &mut { event }) {
            Err(Errno::ENOENT) => self.epoll.add(fd, event),
            other => other,
        }
    }

    /// No longer waits for a descriptor. One that is closed needs no call.
    pub fn remove(&self, fd: impl AsFd) {
        // That it was not waited for is what is wanted.
        let _ = self.epoll.delete(fd);
    }

    /// Sleeps until something happens, or so long; `None` is for ever. At most 16 sources come at once.
    ///
    /// # Errors
    /// Those of `epoll_wait(2)`.
    pub fn wait(&self, most: Option<Duration>) -> Result<Vec<S>, Errno> {
        let timeout = most.map_or(EpollTimeout::NONE, |most| {
            // Longer waits are cut, and come back here; and 1 ms more, so that the time is reached then.
            let millis = most.as_millis();
            let millis = if millis == 0 { 0 } else { millis.saturating_add(1) };
            EpollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
        });
        let mut events = [EpollEvent::empty(); AT_ONCE];
        let count = match self.epoll.wait(&mut events, timeout) {
            Err(Errno::EINTR) => 0,
            other => other?,
        };
        Ok(events.iter().take(count).filter_map(|event| S::unpack(event.data())).collect())
    }
}

fn flags(interest: Interest) -> EpollFlags {
    match interest {
        Interest::Read => EpollFlags::EPOLLIN,
        Interest::Write => EpollFlags::EPOLLOUT,
        Interest::ReadAndWrite => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT,
        Interest::Change => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET,
        Interest::News => EpollFlags::EPOLLPRI,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write, pipe};
    use std::time::Instant;

    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    struct Number(u64);

    impl Source for Number {
        fn pack(self) -> u64 {
            self.0
        }

        fn unpack(number: u64) -> Option<Self> {
            (number < 100).then_some(Self(number))
        }
    }

    const NOW: Option<Duration> = Some(Duration::ZERO);

    #[test]
    fn wait_ends_with_what_is_ready_or_with_the_time() {
        let events = EventLoop::new().unwrap();
        let (reader, mut writer) = pipe().unwrap();
        events.add(&reader, Number(3), Interest::Read).unwrap();
        let begun = Instant::now();
        assert_eq!(events.wait(Some(Duration::from_millis(5))).unwrap(), []);
        assert!(begun.elapsed() >= Duration::from_millis(5));
        writer.write_all(b"x").unwrap();
        assert_eq!(events.wait(None).unwrap(), [Number(3)]);
        events.remove(&reader);
        assert_eq!(events.wait(NOW).unwrap(), []);
        // Waited for again, as something else.
        events.change(&reader, Number(4), Interest::Read).unwrap();
        assert_eq!(events.wait(NOW).unwrap(), [Number(4)]);
        events.change(&reader, Number(200), Interest::Read).unwrap();
        assert_eq!(events.wait(NOW).unwrap(), [], "nobody's number");
        drop(reader);
        assert_eq!(events.wait(NOW).unwrap(), []);
    }

    #[test]
    fn change_comes_once_and_room_to_write_for_as_long_as_there_is() {
        let events = EventLoop::new().unwrap();
        let (mut reader, mut writer) = pipe().unwrap();
        events.add(&writer, Number(1), Interest::Write).unwrap();
        events.add(&reader, Number(2), Interest::Change).unwrap();
        assert_eq!(events.wait(NOW).unwrap(), [Number(1)]);
        events.remove(&writer);
        writer.write_all(b"x").unwrap();
        assert_eq!(events.wait(NOW).unwrap(), [Number(2)]);
        assert_eq!(events.wait(NOW).unwrap(), []);
        reader.read_exact(&mut [0]).unwrap();
    }
}
