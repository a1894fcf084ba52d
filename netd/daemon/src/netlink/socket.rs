//! A socket to the kernel.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nacre_sys::netlink;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};

use super::message::Messages;
use super::reading::{self, Verdict, messages};

/// Longest packet from the kernel: it fills its packets to 32 KiB if asked with such a buffer, to 8 KiB else.
const PACKET: usize = 8 * 1024;

/// Notices on links (`RTMGRP_LINK`).
const LINKS: u32 = 1;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// There is no socket, or it takes no request.
    #[error("ask the kernel")]
    Ask(#[source] Errno),
    /// Answers in words are refused.
    #[error(transparent)]
    Answers(#[from] netlink::SetAnswersError),
    /// The answer could not be read.
    #[error("read the kernel's answer")]
    Read(#[source] Errno),
    /// The kernel said no.
    #[error("the kernel refuses request {message}{}", Words(.words))]
    Refused {
        /// Number of the message that it refuses, from 0.
        message: u32,
        /// What was wrong, if it says so.
        words: Option<String>,
        /// The error.
        #[source]
        cause: Errno,
    },
    /// The kernel said nothing.
    #[error("the kernel gives no answer")]
    NoAnswer,
}

struct Words<'a>(&'a Option<String>);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |words| write!(f, " ({words})"))
    }
}

impl RequestError {
    /// The kernel's error number, if it gave one.
    pub(crate) const fn refusal(&self) -> Option<Errno> {
        match self {
            Self::Refused { cause, .. } => Some(*cause),
            _ => None,
        }
    }
}

/// A socket to the kernel. Requests are worked off while they are sent, so every answer is there afterwards.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
}

impl Socket {
    /// For links, addresses and routes (rtnetlink(7)) of the caller's network namespace.
    pub(crate) fn route() -> Result<Self, RequestError> {
        Self::open(SockProtocol::NetlinkRoute)
    }

    /// For the packet filter of the caller's network namespace.
    pub(crate) fn filter() -> Result<Self, RequestError> {
        Self::open(SockProtocol::NetlinkNetFilter)
    }

    /// One on which the kernel tells when links of the caller's network namespace change.
    pub(crate) fn link_notices() -> Result<Self, RequestError> {
        let socket = Self::route()?;
        bind(socket.fd.as_raw_fd(), &NetlinkAddr::new(0, LINKS)).map_err(RequestError::Ask)?;
        Ok(socket)
    }

    /// One that was opened elsewhere.
    pub(crate) fn from_fd(fd: OwnedFd) -> Result<Self, RequestError> {
        netlink::set_answers(&fd)?;
        Ok(Self { fd })
    }

    fn open(protocol: SockProtocol) -> Result<Self, RequestError> {
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol);
        Self::from_fd(fd.map_err(RequestError::Ask)?)
    }

    /// Sends messages, of which the one with number `last` asks for an answer, and reads all answers.
    pub(crate) fn request(&self, request: &Messages, last: u32) -> Result<(), RequestError> {
        let mut outcome = Err(RequestError::NoAnswer);
        self.exchange(request, |message| {
            let Some(Verdict { error, words }) = message.verdict() else { return };
            if error != 0 {
                // The first error is the cause of those that follow.
                if !matches!(outcome, Err(RequestError::Refused { .. })) {
                    let cause = Errno::from_raw(error);
                    outcome = Err(RequestError::Refused { message: message.sequence, words, cause });
                }
            } else if message.sequence == last && matches!(outcome, Err(RequestError::NoAnswer)) {
                outcome = Ok(());
            }
        })?;
        outcome
    }

    /// Sends a request for a list and hands each entry over.
    pub(crate) fn list(
        &self,
        request: &Messages,
        mut entry: impl FnMut(reading::Message<'_>),
    ) -> Result<(), RequestError> {
        let mut outcome = Err(RequestError::NoAnswer);
        self.exchange(request, |message| match message.verdict() {
            Some(Verdict { error, words }) => {
                let cause = Errno::from_raw(error);
                outcome = Err(RequestError::Refused { message: message.sequence, words, cause });
            }
            None if message.kind == reading::DONE => outcome = Ok(()),
            None => entry(message),
        })?;
        outcome
    }

    fn exchange(
        &self,
        request: &Messages,
        mut each: impl FnMut(reading::Message<'_>),
    ) -> Result<(), RequestError> {
        send(self.fd.as_raw_fd(), request.bytes(), MsgFlags::MSG_DONTWAIT).map_err(RequestError::Ask)?;
        self.receive(&mut each).map_err(RequestError::Read)
    }

    /// Hands over every message that is there, without waiting. `ENOBUFS` says that some were lost.
    pub(crate) fn receive(&self, each: impl FnMut(reading::Message<'_>)) -> Result<(), Errno> {
        self.receive_some(usize::MAX, each)
    }

    /// The same, of at most so many packets.
    pub(crate) fn receive_some(
        &self,
        most: usize,
        mut each: impl FnMut(reading::Message<'_>),
    ) -> Result<(), Errno> {
        let mut packet = vec![0; PACKET];
        for _ in 0..most {
            match recv(self.fd.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => messages(packet.get(..length).unwrap_or_default()).for_each(&mut each),
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
