//! What netd waits for.

use std::time::Duration;

use nacre_netd_core::Millis;
use nacre_netd_core::dns::QueryId;

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
    /// What the packet filter has stopped.
    PacketLog,
    /// The socket of a question to a name server.
    Query(QueryId),
}

/// Numbers below are no query's.
const FIRST_QUERY: u64 = 8;

/// All descriptors that are waited for.
pub(crate) type EventLoop = nacre_sys::event_loop::EventLoop<Source>;

/// How long to wait for a deadline; `None` is for ever.
pub(crate) fn until(deadline: Option<Millis>, now: Millis) -> Option<Duration> {
    deadline.map(|deadline| Duration::from_millis(deadline.saturating_sub(now)))
}

impl nacre_sys::event_loop::Source for Source {
    fn pack(self) -> u64 {
        match self {
            Self::Appmgr => 0,
            Self::Links => 1,
            Self::Dhcp => 2,
            Self::Questions => 3,
            Self::Time => 4,
            Self::PacketLog => 5,
            Self::Query(QueryId(number)) => number.saturating_add(FIRST_QUERY),
        }
    }

    fn unpack(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::Appmgr,
            1 => Self::Links,
            2 => Self::Dhcp,
            3 => Self::Questions,
            4 => Self::Time,
            5 => Self::PacketLog,
            FIRST_QUERY.. => Self::Query(QueryId(number - FIRST_QUERY)),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use nacre_sys::event_loop::Source as _;

    use super::*;

    #[test]
    fn sources_come_back_from_the_kernels_number() {
        for source in [
            Source::Appmgr,
            Source::Links,
            Source::Dhcp,
            Source::Questions,
            Source::Time,
            Source::PacketLog,
            Source::Query(QueryId(0)),
            Source::Query(QueryId(1 << 40)),
        ] {
            assert_eq!(Source::unpack(source.pack()), Some(source));
        }
        assert_eq!(Source::unpack(6), None);
    }

    #[test]
    fn deadline_that_is_over_is_not_waited_for() {
        assert_eq!(until(None, 7), None);
        assert_eq!(until(Some(9), 7), Some(Duration::from_millis(2)));
        assert_eq!(until(Some(5), 7), Some(Duration::ZERO));
    }
}
