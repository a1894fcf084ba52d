//! The socket pair to appmgr: orders in, reports out.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nacre_sys::fd_passing::{self, ReceiveError};
use nacre_wire::message::{self, MAX_TEXT};
use nacre_wire::net::{MAX_PACKET, Order, Report};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};

/// Reports that wait for appmgr to read. Beyond this lines for people are dropped; what appmgr acts upon is not:
/// there are no more of those than orders and changes of the network.
const MOST_WAITING: usize = 32;

/// An order and the descriptors that came with it.
#[derive(Debug)]
pub(crate) enum Received {
    /// An order.
    Order(Order, Vec<OwnedFd>),
    /// Nothing more for now.
    Nothing,
    /// appmgr has closed its end.
    End,
}

/// Why an order could not be taken. All of these are mistakes of appmgr's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeOrderError {
    /// No packet of the protocol.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// No order. Without the cause, whose words would be 5 KB of the program.
    #[error("read an order: it is none, or appmgr and netd are of different versions")]
    Message,
}

/// netd's end.
#[derive(Debug)]
pub(crate) struct Appmgr {
    socket: OwnedFd,
    waiting: VecDeque<Vec<u8>>,
}

impl Appmgr {
    /// Speaks over a socket.
    pub(crate) const fn new(socket: OwnedFd) -> Self {
        Self { socket, waiting: VecDeque::new() }
    }

    /// The next order.
    pub(crate) fn take(&self) -> Result<Received, TakeOrderError> {
        let mut packet = vec![0; MAX_PACKET];
        let received = match fd_passing::receive(&self.socket, &mut packet) {
            Err(ReceiveError::Kernel(Errno::EAGAIN | Errno::EINTR)) => return Ok(Received::Nothing),
            Err(ReceiveError::Kernel(Errno::ECONNRESET)) => return Ok(Received::End),
            other => other?,
        };
        match packet.get(..received.length) {
            None | Some([]) => Ok(Received::End),
            Some(bytes) => {
                let order = message::decode(bytes).map_err(|_| TakeOrderError::Message)?;
                Ok(Received::Order(order, received.fds))
            }
        }
    }

    /// Queues a report and sends what is queued.
    pub(crate) fn report(&mut self, report: &Report) {
        let for_people = matches!(
            report,
            Report::Log { .. } | Report::Denied { .. } | Report::Dropped { .. } | Report::Knocked { .. }
        );
        if for_people && self.waiting.len() >= MOST_WAITING {
            return;
        }
        // Every report made here is within the bounds of the protocol, texts by `shortened`.
        self.waiting.extend(message::encode(report).ok());
        self.flush();
    }

    /// Queues a line for the log.
    pub(crate) fn log(&mut self, text: impl Into<String>) {
        self.report(&Report::Log { text: shortened(text.into()) });
    }

    /// Sends what is queued, as far as there is room.
    pub(crate) fn flush(&mut self) {
        while let Some(packet) = self.waiting.front() {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            match send(self.socket.as_raw_fd(), packet, flags) {
                Err(Errno::EAGAIN) => return,
                Err(Errno::EINTR) => {}
                // That appmgr is gone is seen when the next order is taken.
                _ => drop(self.waiting.pop_front()),
            }
        }
    }

    /// Whether reports wait for room.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

impl AsFd for Appmgr {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A text that fits into a report.
pub(crate) fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

#[cfg(test)]
mod tests {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, recv, socketpair};

    use super::*;

    fn pair() -> (Appmgr, OwnedFd) {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        (Appmgr::new(ours), theirs)
    }

    #[test]
    fn orders_are_taken_until_the_end() {
        let (appmgr, theirs) = pair();
        assert!(matches!(appmgr.take().unwrap(), Received::Nothing));
        let order = Order::Leave { app: 3 };
        send(theirs.as_raw_fd(), &message::encode(&order).unwrap(), MsgFlags::empty()).unwrap();
        send(theirs.as_raw_fd(), b"\xff", MsgFlags::empty()).unwrap();
        assert!(
            matches!(appmgr.take().unwrap(), Received::Order(taken, fds) if taken == order && fds.is_empty())
        );
        assert!(matches!(appmgr.take(), Err(TakeOrderError::Message)));
        drop(theirs);
        assert!(matches!(appmgr.take().unwrap(), Received::End));
    }

    #[test]
    fn reports_that_are_not_read_cost_no_more_than_the_bound_and_facts_are_kept() {
        let (mut appmgr, theirs) = pair();
        for _ in 0..5_000 {
            appmgr.log("x".repeat(5_000));
        }
        assert!(appmgr.waiting.len() <= MOST_WAITING);
        appmgr.report(&Report::Joined { app: 9 });
        let mut last = None;
        let mut packet = vec![0; MAX_PACKET];
        while appmgr.has_waiting() || last != Some(Report::Joined { app: 9 }) {
            let length = recv(theirs.as_raw_fd(), &mut packet, MsgFlags::empty()).unwrap();
            last = Some(message::decode(&packet[..length]).unwrap());
            appmgr.flush();
        }
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(shortened("é".repeat(MAX_TEXT)).len(), MAX_TEXT);
        assert_eq!(shortened(format!("x{}", "é".repeat(MAX_TEXT))).len(), MAX_TEXT - 1);
    }
}
