//! The packet filter's log (linux/netfilter/nfnetlink_log.h): the kernel hands over how a packet begins, and the text
//! of the rule that logged it.

use nacre_netd_core::dropped::{HEADERS, Logged, Mark};
use nix::errno::Errno;

use super::message::{ACK, Messages};
use super::reading::{self, attributes, until_zero};
use super::{RequestError, Socket};

/// The group that rules log to.
pub(crate) const GROUP: u16 = 1;

/// The log among the subsystems of the packet filter.
const SUBSYSTEM: u16 = 4;
const PACKET: u16 = SUBSYSTEM << 8;
const CONFIG: u16 = SUBSYSTEM << 8 | 1;

const CONFIG_COMMAND: u16 = 1;
const CONFIG_MODE: u16 = 2;
const CONFIG_BUFFER: u16 = 3;
const CONFIG_THRESHOLD: u16 = 5;
/// Hand the group's packets to this socket.
const BIND: u8 = 1;
/// Packets, not only what is known about them.
const COPY_PACKET: u8 = 2;

/// Bytes that the kernel sets aside for a message: one packet's.
const BUFFER: u32 = 512;

const PACKET_PAYLOAD: u16 = 9;
const PACKET_PREFIX: u16 = 10;

/// Length of `struct nfgenmsg`.
const FIXED: usize = 4;

/// Messages taken before the others have their turn.
const AT_ONCE: usize = 16;

impl Socket {
    /// One on which the kernel hands over what rules of the caller's network namespace log. It takes CAP_NET_ADMIN
    /// there.
    pub(crate) fn packet_log() -> Result<Self, RequestError> {
        let socket = Self::filter()?;
        let [high, low] = GROUP.to_be_bytes();
        let [a, b, c, d] = HEADERS.to_be_bytes();
        let mut request = Messages::default();
        request.add(CONFIG, ACK, &[0, 0, high, low], |out| {
            out.add(CONFIG_COMMAND, &[BIND]);
            out.add(CONFIG_MODE, &[a, b, c, d, COPY_PACKET, 0]);
            out.add_u32(CONFIG_BUFFER, BUFFER);
            // Each at once: there are few.
            out.add_u32(CONFIG_THRESHOLD, 1);
        });
        socket.request(&request, 0)?;
        Ok(socket)
    }

    /// Hands over packets that were logged, without waiting. Those that found no room are lost.
    pub(crate) fn logged(&self, mut each: impl FnMut(Logged<'_>)) -> Result<(), Errno> {
        match self.receive_some(AT_ONCE, |message| read(&message).into_iter().for_each(&mut each)) {
            Err(Errno::ENOBUFS) => Ok(()),
            other => other,
        }
    }
}

/// The packet in a message, if it is one of a rule of netd's.
fn read<'a>(message: &reading::Message<'a>) -> Option<Logged<'a>> {
    if message.kind != PACKET {
        return None;
    }
    let (mut mark, mut packet) = (None, None);
    for (kind, value) in attributes(message.body.get(FIXED..)?) {
        match kind {
            PACKET_PREFIX => mark = std::str::from_utf8(until_zero(value)).ok().and_then(Mark::of),
            PACKET_PAYLOAD => packet = Some(value),
            _ => {}
        }
    }
    Some(Logged { mark: mark?, packet: packet? })
}

#[cfg(test)]
mod tests {
    use super::super::reading::messages;
    use super::*;

    fn built(kind: u16, prefix: &str, payload: &[u8]) -> Vec<u8> {
        let mut built = Messages::default();
        built.add(kind, 0, &[2, 0, 0, 1], |out| {
            out.add(1, &[8, 0, 2, 0]);
            out.add_text(PACKET_PREFIX, prefix);
            out.add_u32(4, 7);
            out.add(PACKET_PAYLOAD, payload);
        });
        built.bytes().to_vec()
    }

    fn first(bytes: &[u8]) -> Option<Logged<'_>> {
        read(&messages(bytes).next()?)
    }

    #[test]
    fn packet_is_read_with_its_mark_and_other_messages_are_none() {
        let bytes = built(PACKET, "app3", b"packet");
        assert_eq!(first(&bytes), Some(Logged { mark: Mark::App(3), packet: b"packet" }));
        for other in [built(CONFIG, "app3", b"p"), built(PACKET, "else", b"p"), built(3, "app3", b"p")] {
            assert_eq!(first(&other), None);
        }
    }

    /// Every cut, and every byte changed to values that matter: lengths above all.
    #[test]
    fn malformed_messages_do_no_harm() {
        let whole = built(PACKET, "app3", &[0x45; 60]);
        for cut in 0..whole.len() {
            messages(&whole[..cut]).for_each(|message| {
                let _ = read(&message);
            });
        }
        for at in 0..whole.len() {
            for value in [0, 1, 3, 4, 5, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                for message in messages(&bytes) {
                    if let Some(logged) = read(&message) {
                        assert!(logged.packet.len() <= whole.len());
                    }
                }
            }
        }
    }
}
