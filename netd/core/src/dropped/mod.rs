//! What the packet filter has stopped: its log is read here, and becomes at most a few reports.
//!
//! The kernel hands over the first bytes of a packet and a mark of netd's own, which says by which rule it was
//! stopped ([`Mark`]). What no program tried, such as a late segment of a connection that is gone, is no report.

mod packet;
mod watch;

use std::net::Ipv4Addr;

use nacre_wire::net::Report;

pub use watch::{MAX_PER_SECOND, Watch};

/// Bytes of a packet that are worth reading: the longest IPv4 header, and of TCP's what is up to its flags.
pub const HEADERS: u32 = 60 + 14;

/// By which rule of the packet filter a packet was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Sent by this app; not listed, or not for others at all.
    App(u8),
    /// Sent by this app; one more than it may have.
    Crowd(u8),
    /// For the device, from outside.
    Outside,
}

/// A packet of the filter's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logged<'a> {
    /// By which rule.
    pub mark: Mark,
    /// How it begins, from the IPv4 header on; may be cut.
    pub packet: &'a [u8],
}

impl Mark {
    /// The text that stands for it in a rule: the kernel gives it back with each packet.
    pub fn text(self) -> String {
        match self {
            Self::App(app) => format!("app{app}"),
            Self::Crowd(app) => format!("crowd{app}"),
            Self::Outside => "outside".to_owned(),
        }
    }

    /// The mark with this text.
    pub fn of(text: &str) -> Option<Self> {
        let mark = match text.find(|c: char| c.is_ascii_digit()).map(|at| text.split_at(at)) {
            None if text == "outside" => Self::Outside,
            Some(("app", number)) => Self::App(number.parse().ok()?),
            Some(("crowd", number)) => Self::Crowd(number.parse().ok()?),
            _ => return None,
        };
        (mark.text() == text).then_some(mark)
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A packet was stopped.
    Logged(Logged<'a>),
    /// A name of an app was resolved to this address, and these ports of it are open.
    Opened {
        /// Number of the app.
        app: u8,
        /// The name.
        name: &'a str,
        /// The address.
        address: Ipv4Addr,
        /// The ports that its manifest lists for the name.
        ports: &'a [nacre_manifest::device::Port],
    },
    /// An app has no network any more, or a new one.
    Left {
        /// Number of the app.
        app: u8,
    },
}

/// What to tell: nothing, mostly.
pub type Told = Option<Report>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back_from_their_text_and_nothing_else_is_one() {
        for mark in [Mark::App(0), Mark::App(255), Mark::Crowd(11), Mark::Outside] {
            assert_eq!(Mark::of(&mark.text()), Some(mark));
        }
        for text in ["", "app", "app256", "app-1", "app01", "crowd", "crowd1x", "outside1", "é1", "1", "App1"]
        {
            assert_eq!(Mark::of(text), None, "{text}");
        }
    }
}
