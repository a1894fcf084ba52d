//! Waiting for whatever happens next (`epoll(7)`).

use std::os::fd::AsFd;

use nacre_netd_core::Millis;
use nacre_netd_core::dns::QueryId;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// What a descriptor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The socket pair to appmgr.
    Appmgr,
    /// Notices on links.
    Links,
    /// The socket of the DHCP client.
    Dhcp,
    /// What apps ask the resolver.
    Questions,
    /// The socket of the time client.
    Time,
    /// The socket of a question to a name server.
    Query(QueryId),
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    /// For as long as there is something to read.
    Read,
    /// The same, and for as long as there is room to write.
    ReadAndWrite,
}

/// Events taken from the kernel at once.
const AT_ONCE: usize = 16;

/// Numbers below are no query's.
const FIRST_QUERY: u64 = 8;

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

    /// Begins to wait for a descriptor. One that is closed is no longer waited for.
    pub(crate) fn add(&self, fd: impl AsFd, source: Source) -> nix::Result<()> {
        self.epoll.add(fd, EpollEvent::new(flags(Interest::Read), pack(source)))
    }

    /// Waits for something else.
    pub(crate) fn change(&self, fd: impl AsFd, source: Source, interest: Interest) -> nix::Result<()> {
        self.epoll.modify(fd, &mut EpollEvent::new(flags(interest), pack(source)))
    }

    /// Sleeps until something happens or a time is reached; `None` is for ever.
    pub(crate) fn wait(&self, now: Millis, until: Option<Millis>) -> nix::Result<Vec<Source>> {
        let timeout = until.map_or(EpollTimeout::NONE, |until| {
            // Longer waits are cut, and come back here; and 1 ms more, so that the time is reached then.
            let millis = until.saturating_sub(now);
            let millis = if millis == 0 { 0 } else { millis.saturating_add(1) };
            EpollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
        });
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
        Interest::ReadAndWrite => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT,
    }
}

const fn pack(source: Source) -> u64 {
    match source {
        Source::Appmgr => 0,
        Source::Links => 1,
        Source::Dhcp => 2,
        Source::Questions => 3,
        Source::Time => 4,
        Source::Query(QueryId(number)) => number.saturating_add(FIRST_QUERY),
    }
}

const fn unpack(data: u64) -> Option<Source> {
    Some(match data {
        0 => Source::Appmgr,
        1 => Source::Links,
        2 => Source::Dhcp,
        3 => Source::Questions,
        4 => Source::Time,
        number @ FIRST_QUERY.. => Source::Query(QueryId(number - FIRST_QUERY)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use super::*;

    #[test]
    fn sources_come_back_from_the_kernels_number() {
        for source in [
            Source::Appmgr,
            Source::Links,
            Source::Dhcp,
            Source::Questions,
            Source::Time,
            Source::Query(QueryId(0)),
            Source::Query(QueryId(1 << 40)),
        ] {
            assert_eq!(unpack(pack(source)), Some(source));
        }
        assert_eq!(unpack(5), None);
    }

    #[test]
    fn wait_ends_with_what_is_ready_or_with_the_time() {
        let events = EventLoop::new().unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        events.add(&reader, Source::Time).unwrap();
        let now = crate::clock::now();
        assert_eq!(events.wait(now, Some(now + 5)).unwrap(), []);
        assert!(crate::clock::now() >= now + 5);
        writer.write_all(b"x").unwrap();
        assert_eq!(events.wait(now, None).unwrap(), [Source::Time]);
        drop(reader);
        assert_eq!(events.wait(now, Some(now)).unwrap(), []);
    }
}
