//! `SCM_RIGHTS` (unix(7)): descriptors that go with a packet.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

/// Most descriptors that one packet may bring.
pub const MAX_FDS: usize = 4;

/// Most that the kernel sends with one (`SCM_MAX_FD`). There is room for them all: with less, those that fit would
/// be open already, and nobody would know their numbers.
const KERNEL_MAX_FDS: usize = 253;

/// Bytes of the kernel's `size_t`, to which it aligns control messages.
const WORD: usize = size_of::<usize>();

/// Bytes of a control buffer for so many descriptors: length, level and type, and themselves.
const CONTROL_BYTES: u16 = 1032;
const _: () = assert!(CONTROL_BYTES as usize >= WORD + 8 + KERNEL_MAX_FDS * size_of::<RawFd>());

/// Words of it, which align it.
const CONTROL_WORDS: usize = CONTROL_BYTES as usize / WORD;

/// A packet that came.
#[derive(Debug)]
pub struct Received {
    /// Its length, in bytes; 0 is the end if the other side sends no empty packets.
    pub length: usize,
    /// The descriptors that came with it, close-on-exec.
    pub fds: Vec<OwnedFd>,
}

/// Why no packet was taken.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// `EAGAIN` if there is none yet.
    #[error("receive a packet")]
    Kernel(#[source] Errno),
    /// It is longer than the buffer, or brings more than [`MAX_FDS`] descriptors. What came of it is lost.
    #[error("receive a packet: it is longer than the protocol allows")]
    TooLong,
}

/// Receives one packet of a unix socket into `buffer`, with the descriptors that it brings. Does not wait.
///
/// # Errors
///
/// [`ReceiveError`]; no descriptor is left open then.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> Result<Received, ReceiveError> {
    let mut control = [0_usize; CONTROL_WORDS];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: a `struct msghdr` of zeros is a valid one: null pointers, lengths of 0.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_BYTES.into();
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    // SAFETY: the header names one part of `buffer` and all of `control`, which live for the whole call.
    let length = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, flags) };
    let length = Errno::result(length).map_err(ReceiveError::Kernel)?;
    let control: Vec<u8> = control.iter().flat_map(|word| word.to_ne_bytes()).collect();
    #[allow(clippy::useless_conversion)] // An unsigned int in musl, a size_t in glibc.
    let used = usize::try_from(message.msg_controllen).unwrap_or(0);
    // All of them are owned before anything is judged: when a process has no number left for some, the kernel has
    // opened the others.
    let fds: Vec<OwnedFd> = passed(control.get(..used).unwrap_or(&control))
        .into_iter()
        // Seen here, it leaves nothing of the check in `from_raw_fd` behind, nor this file's path in every app.
        .filter(|number| *number >= 0)
        // SAFETY: the kernel has just opened this descriptor for us, and nobody else knows its number.
        .map(|number| unsafe { OwnedFd::from_raw_fd(number) })
        .collect();
    if fds.len() > MAX_FDS || message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
        return Err(ReceiveError::TooLong);
    }
    Ok(Received { length: usize::try_from(length).unwrap_or(0), fds })
}

/// The descriptors in a control buffer as the kernel fills it (cmsg(3)): pieces of a length (`size_t`, itself
/// included), a level and a type, and what they bring; each begins at a multiple of the length's size.
fn passed(control: &[u8]) -> Vec<RawFd> {
    let mut numbers = Vec::new();
    let mut rest = control;
    while let Some((length, _)) = rest.split_first_chunk::<WORD>() {
        let length = usize::from_ne_bytes(*length);
        let Some(piece) = rest.get(WORD..length) else { break };
        let mut words = piece
            .chunks_exact(size_of::<RawFd>())
            .map(|word| word.try_into().map(RawFd::from_ne_bytes).unwrap_or(-1));
        if (words.next(), words.next()) == (Some(libc::SOL_SOCKET), Some(libc::SCM_RIGHTS)) {
            numbers.extend(words);
        }
        rest = rest.get(length.next_multiple_of(WORD)..).unwrap_or_default();
    }
    numbers
}

/// Sends one packet over a connected unix socket, with copies of at most [`MAX_FDS`] descriptors. Does not wait and
/// raises no signal.
///
/// # Errors
///
/// `EAGAIN` if there is no room, `EINVAL` for too many descriptors; sendmsg(2) has the rest. Nothing was sent then.
pub fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    if fds.len() > MAX_FDS {
        return Err(Errno::EINVAL);
    }
    let numbers: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let rights = if fds.is_empty() { &rights[..0] } else { &rights[..] };
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(socket.as_fd().as_raw_fd(), &[IoSlice::new(bytes)], rights, flags, None).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, pipe};

    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    use super::*;

    /// As [`super::send`], without its bound.
    fn send_any(socket: &OwnedFd, bytes: &[u8], fds: &[RawFd]) {
        let rights = [ControlMessage::ScmRights(fds)];
        let rights = if fds.is_empty() { &rights[..0] } else { &rights[..] };
        sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(bytes)], rights, MsgFlags::empty(), None).unwrap();
    }

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap()
    }

    #[test]
    fn packet_with_descriptors_brings_them_usable() {
        let (ours, theirs) = pair();
        let (reader, writer) = pipe().unwrap();
        send(&theirs, b"hello", &[reader.as_fd(), writer.as_fd()]).unwrap();
        drop((reader, writer));
        let mut buffer = [0; 16];
        let mut received = receive(&ours, &mut buffer).unwrap();
        assert_eq!((&buffer[..received.length], received.fds.len()), (&b"hello"[..], 2));
        drop(received.fds.pop());
        let mut rest = Vec::new();
        File::from(received.fds.remove(0)).read_to_end(&mut rest).unwrap();
        assert_eq!(rest, [], "the writing end was closed, so it had one owner");
    }

    #[test]
    fn packet_or_descriptors_over_the_bound_are_refused() {
        let (ours, theirs) = pair();
        let mut buffer = [0; 4];
        send(&theirs, b"hello", &[]).unwrap();
        assert_eq!(send(&theirs, b"x", &[theirs.as_fd(); MAX_FDS + 1]), Err(Errno::EINVAL));
        assert!(matches!(receive(&ours, &mut buffer), Err(ReceiveError::TooLong)));
        for count in [MAX_FDS + 1, KERNEL_MAX_FDS] {
            let (reader, writer) = pipe().unwrap();
            send_any(&theirs, b"x", &vec![writer.as_raw_fd(); count]);
            drop(writer);
            assert!(matches!(receive(&ours, &mut buffer), Err(ReceiveError::TooLong)));
            let mut rest = Vec::new();
            File::from(OwnedFd::from(reader)).read_to_end(&mut rest).unwrap();
            assert_eq!(rest, [], "none of them is left open");
        }
        assert!(matches!(receive(&ours, &mut buffer), Err(ReceiveError::Kernel(Errno::EAGAIN))));
        drop(theirs);
        assert_eq!(receive(&ours, &mut buffer).unwrap().length, 0);
    }
}
