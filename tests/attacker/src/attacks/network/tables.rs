//! Routes and the packet filter's tables, by netlink(7).

use libc::{AF_INET, AF_NETLINK, SOCK_RAW, SYS_sendto, SYS_socket};
use nix::errno::Errno;

use super::{index_of_card, pause};
use crate::call::{Outcome, call, into};

/// As `/proc/net/route` shows the attacker's route: to 198.19.77.0.
pub(super) const ROUTE: &str = "004D13C6";

/// Adds (24) or deletes (25) a route by rtnetlink(7).
pub(super) fn route(message: u16) -> Outcome {
    let index = index_of_card()?;
    let mut body = vec![AF_INET as u8, 24, 0, 0, 254, 4, 253, 1, 0, 0, 0, 0];
    body.extend([8, 0, 1, 0, 198, 19, 77, 0]);
    body.extend([8, 0, 4, 0]);
    body.extend((index as u32).to_ne_bytes());
    // A request that is to be made anew and answered.
    const FLAGS: u16 = 1 | 4 | 0x400 | 0x200;
    netlink(0, &[message_of(message, FLAGS, 1, &body)])
}

fn message_of(kind: u16, flags: u16, number: u32, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    message.extend((16 + body.len() as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(number.to_ne_bytes());
    message.extend([0; 4]);
    message.extend(body);
    message
}

/// Sends messages in one packet, and takes the first error of the answer.
fn netlink(protocol: usize, messages: &[Vec<u8>]) -> Outcome {
    let socket = call(SYS_socket, &[AF_NETLINK as usize, SOCK_RAW as usize, protocol])?;
    let packet = messages.concat();
    call(SYS_sendto, &[socket, packet.as_ptr() as usize, packet.len(), 0, 0, 0])?;
    let mut answer = [0u8; 1024];
    let dont_wait = libc::MSG_DONTWAIT as usize;
    pause();
    match call(libc::SYS_recvfrom, &[socket, into(&mut answer), answer.len(), dont_wait, 0, 0]) {
        Ok(20..) => match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
            0 => Ok(()),
            error => Err(Errno::from_raw(-error)),
        },
        Ok(_) => Err(Errno::EPROTO),
        Err(error) => Err(error),
    }
}

/// Deletes every table of nf_tables, in one transaction.
pub(super) fn flush_filter() -> Outcome {
    const BEGIN: u16 = 16;
    const END: u16 = 17;
    const DELETE_TABLE: u16 = 10 << 8 | 2;
    let family = |family: u8, resource: u16| {
        let mut body = vec![family, 0];
        body.extend(resource.to_be_bytes());
        body
    };
    netlink(
        12,
        &[
            message_of(BEGIN, 1, 1, &family(0, 10)),
            message_of(DELETE_TABLE, 1 | 4, 2, &family(0, 0)),
            message_of(END, 1, 3, &family(0, 10)),
        ],
    )
}
