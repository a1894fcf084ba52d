//! Waiting for whatever happens next (`epoll(7)`).

use std::os::fd::AsFd;

use nacre_appmgr_core::AppIndex;
use nacre_appmgr_core::peers::ConnectionId;
use nacre_appmgr_core::uptime::Uptime;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// What a descriptor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Signals to the app manager.
    Signals,
    /// The socket that apps connect to.
    Listener,
    /// The device channel.
    Channel,
    /// A connection of an app.
    Connection(ConnectionId),
    /// The process of an app.
    Process(AppIndex),
    /// The launcher's report for an app.
    Report(AppIndex),
    /// Standard output (0) or standard error (1) of an app.
    Output(AppIndex, usize),
    /// netd's end of the socket pair.
    Netd,
    /// The process of netd.
    NetdProcess,
    /// Standard output and error of netd.
    NetdOutput,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    /// For as long as there is something to read.
    Read,
    /// For as long as there is room to write.
    Write,
    /// Each time something changes, in either direction. A port without a client is hung up for good, and
    /// would else keep the loop awake.
    Change,
}

/// Events taken from the kernel at once.
const AT_ONCE: usize = 16;

/// Bits of the kernel's 64 for the number of an app or a connection.
const NUMBER_BITS: u32 = 56;

/// All descriptors that are waited for.
#[derive(Debug)]
pub(crate) struct EventLoop {
    epoll: Epoll,
}

impl EventLoop {
    /// Waits for nothing yet.
    pub(crate) fn new() -> nix::Result<Self> {
        Ok(Self { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)? })
    }

    /// Begins to wait for a descriptor.
    pub(crate) fn add(&self, fd: impl AsFd, source: Source, interest: Interest) -> nix::Result<()> {
        self.epoll.add(fd, EpollEvent::new(flags(interest), pack(source)))
    }

    /// Waits for something else.
    pub(crate) fn change(&self, fd: impl AsFd, source: Source, interest: Interest) -> nix::Result<()> {
        self.epoll.modify(fd, &mut EpollEvent::new(flags(interest), pack(source)))
    }

    /// No longer waits for a descriptor. One that is closed needs no call.
    pub(crate) fn remove(&self, fd: impl AsFd) {
        // That it was not waited for is what is wanted.
        let _ = self.epoll.delete(fd);
    }

    /// Sleeps until something happens or a time is reached; `None` is for ever.
    pub(crate) fn wait(&self, now: Uptime, until: Option<Uptime>) -> nix::Result<Vec<Source>> {
        let timeout = match until {
            None => EpollTimeout::NONE,
            // Longer waits are cut, and come back here; and 1 ms more, so that the time is reached then.
            Some(until) => {
                let millis = until.since(now).as_millis();
                let millis = if millis == 0 { 0 } else { millis.saturating_add(1) };
                EpollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
            }
        };
        let mut events = [EpollEvent::empty(); AT_ONCE];
        let count = match self.epoll.wait(&mut events, timeout) {
            Err(Errno::EINTR) => 0,
            other => other?,
        };
        Ok(events.iter().take(count).filter_map(|event| unpack(event.data())).collect())
    }
}

fn flags(interest: Interest) -> EpollFlags {
    match interest {
        Interest::Read => EpollFlags::EPOLLIN,
        Interest::Write => EpollFlags::EPOLLOUT,
        Interest::Change => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET,
    }
}

fn pack(source: Source) -> u64 {
    let index = |app: AppIndex| u64::try_from(app.0).unwrap_or(u64::MAX);
    let (kind, number) = match source {
        Source::Signals => (0u64, 0),
        Source::Listener => (1, 0),
        Source::Channel => (2, 0),
        Source::Connection(id) => (3, id.0),
        Source::Process(app) => (4, index(app)),
        Source::Report(app) => (5, index(app)),
        Source::Output(app, 0) => (6, index(app)),
        Source::Output(app, _) => (7, index(app)),
        Source::Netd => (8, 0),
        Source::NetdProcess => (9, 0),
        Source::NetdOutput => (10, 0),
    };
    kind << NUMBER_BITS | (number & ((1 << NUMBER_BITS) - 1))
}

fn unpack(data: u64) -> Option<Source> {
    let number = data & ((1 << NUMBER_BITS) - 1);
    let app = AppIndex(usize::try_from(number).ok()?);
    Some(match data >> NUMBER_BITS {
        0 => Source::Signals,
        1 => Source::Listener,
        2 => Source::Channel,
        3 => Source::Connection(ConnectionId(number)),
        4 => Source::Process(app),
        5 => Source::Report(app),
        6 => Source::Output(app, 0),
        7 => Source::Output(app, 1),
        8 => Source::Netd,
        9 => Source::NetdProcess,
        10 => Source::NetdOutput,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::time::Duration;

    use super::*;

    #[test]
    fn sources_come_back_from_the_kernels_number() {
        let app = AppIndex(11);
        for source in [
            Source::Signals,
            Source::Listener,
            Source::Channel,
            Source::Connection(ConnectionId(7)),
            Source::Process(app),
            Source::Report(app),
            Source::Output(app, 0),
            Source::Output(app, 1),
            Source::Netd,
            Source::NetdProcess,
            Source::NetdOutput,
        ] {
            assert_eq!(unpack(pack(source)), Some(source));
        }
        assert_eq!(unpack(u64::MAX), None);
    }

    #[test]
    fn wait_ends_with_what_is_ready_or_with_the_time() {
        let events = EventLoop::new().unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        events.add(&reader, Source::Report(AppIndex(3)), Interest::Read).unwrap();
        let now = crate::clock::now();
        assert_eq!(events.wait(now, Some(now.after(Duration::from_millis(5)))).unwrap(), []);
        assert!(crate::clock::now() >= now.after(Duration::from_millis(5)));
        writer.write_all(b"x").unwrap();
        assert_eq!(events.wait(now, None).unwrap(), [Source::Report(AppIndex(3))]);
        events.remove(&reader);
        assert_eq!(events.wait(now, Some(now)).unwrap(), []);
    }
}
