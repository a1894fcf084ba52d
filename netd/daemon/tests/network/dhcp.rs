//! A DHCP server (RFC 2131) that can lie.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use nix::sys::socket::{setsockopt, sockopt};

use crate::lab::{DEVICE, Place, ROUTER};

/// What the server does before it grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    /// Nothing.
    Honest,
    /// It sends garbage, cut messages, and offers that no machine may take.
    Hostile,
}

/// What it grants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grant {
    pub(crate) address: Ipv4Addr,
    pub(crate) seconds: u32,
}

impl Default for Grant {
    fn default() -> Self {
        Self { address: DEVICE, seconds: 3_600 }
    }
}

/// Serves in the street until the test ends.
pub(crate) fn serve(street: &Place, manners: Manners, grant: Grant) {
    let socket = street.inside(|| {
        let socket = UdpSocket::bind("0.0.0.0:67").expect("port 67");
        socket.set_broadcast(true).expect("broadcast");
        setsockopt(&socket, sockopt::BindToDevice, &OsString::from("wan")).expect("wan");
        socket
    });
    street.serve(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, _)) = socket.recv_from(&mut buffer) {
            let Some(answer) = answer(&buffer[..length], grant) else { continue };
            if manners == Manners::Hostile {
                lies(&buffer[..length], &answer).iter().for_each(|lie| send(&socket, lie));
            }
            send(&socket, &answer);
        }
    });
}

fn send(socket: &UdpSocket, bytes: &[u8]) {
    let _ = socket.send_to(bytes, SocketAddr::from((Ipv4Addr::BROADCAST, 68)));
}

fn option(message: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut options = message.get(240..)?;
    loop {
        match options {
            [0, rest @ ..] => options = rest,
            [255, ..] | [] | [_] => return None,
            [kind, length, rest @ ..] => {
                let (value, next) = rest.split_at_checked(usize::from(*length))?;
                if *kind == wanted {
                    return Some(value);
                }
                options = next;
            }
        }
    }
}

/// OFFER to DISCOVER, ACK to REQUEST for what was granted, NAK to REQUEST for anything else.
fn answer(message: &[u8], grant: Grant) -> Option<Vec<u8>> {
    let wanted = option(message, 50).and_then(|wanted| <[u8; 4]>::try_from(wanted).ok());
    let renewed = <[u8; 4]>::try_from(message.get(12..16)?).ok()?;
    let wanted = Ipv4Addr::from(wanted.unwrap_or(renewed));
    let kind = match option(message, 53)? {
        [1] => 2,
        [3] if wanted == grant.address => 5,
        [3] => 6,
        _ => return None,
    };
    let mut reply = vec![2, 1, 6, 0];
    reply.extend(&message[4..8]);
    reply.extend([0, 0, 0x80, 0, 0, 0, 0, 0]);
    reply.extend(if kind == 6 { [0; 4] } else { grant.address.octets() });
    reply.extend([0; 8]);
    reply.extend(message.get(28..44)?);
    reply.resize(236, 0);
    reply.extend([99, 130, 83, 99, 53, 1, kind]);
    reply.extend([&[54, 4][..], &ROUTER.octets()].concat());
    if kind != 6 {
        reply.extend([&[51, 4][..], &grant.seconds.to_be_bytes()].concat());
        reply.extend([1, 4, 255, 255, 255, 0]);
        for kind in [3, 6, 42] {
            reply.extend([&[kind, 4][..], &ROUTER.octets()].concat());
        }
    }
    reply.push(255);
    Some(reply)
}

/// What comes before the answer.
fn lies(message: &[u8], answer: &[u8]) -> Vec<Vec<u8>> {
    let mut lies = vec![vec![], vec![0xff; 1400], message.to_vec()];
    lies.extend((0..answer.len()).step_by(7).map(|cut| answer[..cut].to_vec()));
    let changed = |at: usize, bytes: &[u8]| {
        let mut lie = answer.to_vec();
        lie[at..at + bytes.len()].copy_from_slice(bytes);
        lie
    };
    // Another transaction, another machine.
    lies.push(changed(4, &[0, 0, 0, 0]));
    lies.push(changed(28, &[2, 2, 2, 2, 2, 2]));
    for address in
        [[127, 0, 0, 1], [0, 0, 0, 0], [224, 0, 0, 1], [255; 4], [100, 115, 92, 2], [169, 254, 1, 1]]
    {
        lies.push(changed(16, &address));
    }
    // An option that is longer than the message.
    lies.push(changed(241, &[255]));
    lies
}
