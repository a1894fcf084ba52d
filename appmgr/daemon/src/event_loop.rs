//! What the app manager waits for.

use nacre_appmgr_core::AppIndex;
use nacre_appmgr_core::peers::ConnectionId;

pub(crate) use nacre_sys::event_loop::Interest;

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
    /// The listener of an app's filter.
    Notification(AppIndex),
    /// Standard output (0) or standard error (1) of an app.
    Output(AppIndex, usize),
    /// The kernel's count of processes and threads that an app could not start.
    RefusedTasks(AppIndex),
    /// netd's end of the socket pair.
    Netd,
    /// The process of netd.
    NetdProcess,
    /// Standard output and error of netd.
    NetdOutput,
}

/// Bits of the kernel's 64 for the number of an app or a connection.
const NUMBER_BITS: u32 = 56;

/// All descriptors that are waited for.
pub(crate) type EventLoop = nacre_sys::event_loop::EventLoop<Source>;

impl nacre_sys::event_loop::Source for Source {
    fn pack(self) -> u64 {
        let index = |app: AppIndex| u64::try_from(app.0).unwrap_or(u64::MAX);
        let (kind, number) = match self {
            Self::Signals => (0u64, 0),
            Self::Listener => (1, 0),
            Self::Channel => (2, 0),
            Self::Connection(id) => (3, id.0),
            Self::Process(app) => (4, index(app)),
            Self::Report(app) => (5, index(app)),
            Self::Output(app, 0) => (6, index(app)),
            Self::Output(app, _) => (7, index(app)),
            Self::Netd => (8, 0),
            Self::NetdProcess => (9, 0),
            Self::NetdOutput => (10, 0),
            Self::Notification(app) => (11, index(app)),
            Self::RefusedTasks(app) => (12, index(app)),
        };
        kind << NUMBER_BITS | (number & ((1 << NUMBER_BITS) - 1))
    }

    fn unpack(data: u64) -> Option<Self> {
        let number = data & ((1 << NUMBER_BITS) - 1);
        let app = AppIndex(usize::try_from(number).ok()?);
        Some(match data >> NUMBER_BITS {
            0 => Self::Signals,
            1 => Self::Listener,
            2 => Self::Channel,
            3 => Self::Connection(ConnectionId(number)),
            4 => Self::Process(app),
            5 => Self::Report(app),
            6 => Self::Output(app, 0),
            7 => Self::Output(app, 1),
            8 => Self::Netd,
            9 => Self::NetdProcess,
            10 => Self::NetdOutput,
            11 => Self::Notification(app),
            12 => Self::RefusedTasks(app),
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
        let app = AppIndex(11);
        for source in [
            Source::Signals,
            Source::Listener,
            Source::Channel,
            Source::Connection(ConnectionId(7)),
            Source::Process(app),
            Source::Report(app),
            Source::Notification(app),
            Source::RefusedTasks(app),
            Source::Output(app, 0),
            Source::Output(app, 1),
            Source::Netd,
            Source::NetdProcess,
            Source::NetdOutput,
        ] {
            assert_eq!(Source::unpack(source.pack()), Some(source));
        }
        assert_eq!(Source::unpack(u64::MAX), None);
    }
}
