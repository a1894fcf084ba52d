//! The headers of a packet (RFC 791, RFC 9293, RFC 768, RFC 792), out of bytes that anybody may have made.

use std::net::Ipv4Addr;

use crate::bytes::Reader;

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

/// Bits of TCP's flags.
const SYN: u8 = 2;
const ACK: u8 = 0x10;

/// Type of an ICMP message that a program sends; the other ones are the kernel's own words.
const ECHO: u8 = 8;

/// Length of an IPv4 header without options, in bytes.
const HEADER: usize = 20;

/// What a program tried to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
    pub(super) protocol: u8,
    /// Destination port of TCP and UDP, else 0.
    pub(super) port: u16,
}

/// Reads a packet. `None` if it is none, or none that a program tried to send: a later fragment, a segment of TCP that
/// opens no connection, an ICMP message of the kernel's.
pub(super) fn read(bytes: &[u8]) -> Option<Packet> {
    let mut header = Reader::new(bytes);
    let first = header.u8()?;
    let length = usize::from(first & 0xf) * 4;
    if first >> 4 != 4 || length < HEADER {
        return None;
    }
    // Type of service, length, identification.
    header.take(5)?;
    let fragment = header.u16()? & 0x1fff;
    // Time to live.
    header.take(1)?;
    let protocol = header.u8()?;
    // Checksum.
    header.take(2)?;
    let source = header.array::<4>()?.into();
    let destination = header.array::<4>()?.into();
    header.take(length - HEADER)?;
    if fragment != 0 {
        return None;
    }
    let port = match protocol {
        TCP => {
            header.take(2)?;
            let port = header.u16()?;
            // Sequence, acknowledgement, offset.
            header.take(9)?;
            let flags = header.u8()?;
            (flags & (SYN | ACK) == SYN).then_some(port)?
        }
        UDP => {
            header.take(2)?;
            header.u16()?
        }
        ICMP => (header.u8()? == ECHO).then_some(0)?,
        _ => 0,
    };
    Some(Packet { source, destination, protocol, port })
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dropped::HEADERS;

    /// A packet of 10.0.2.15, without options.
    pub(in crate::dropped) fn packet(source: [u8; 4], to: [u8; 4], protocol: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 60, 1, 2, 0x40, 0, 64, protocol, 0xab, 0xcd];
        bytes.extend(source);
        bytes.extend(to);
        bytes.extend(body);
        bytes
    }

    /// The first 14 bytes of TCP's header.
    pub(in crate::dropped) fn tcp(port: u16, flags: u8) -> Vec<u8> {
        let mut body = vec![0xc0, 0x01];
        body.extend(port.to_be_bytes());
        body.extend([1, 2, 3, 4, 0, 0, 0, 0, 0xa0, flags]);
        body
    }

    const OWN: [u8; 4] = [100, 115, 92, 3];
    const PEER: [u8; 4] = [10, 0, 2, 2];

    fn port(protocol: u8, body: &[u8]) -> Option<u16> {
        read(&packet(OWN, PEER, protocol, body)).map(|packet| packet.port)
    }

    #[test]
    fn what_a_program_sends_is_read_and_what_the_kernel_sends_is_not() {
        let read_back = read(&packet(OWN, PEER, TCP, &tcp(8883, SYN))).unwrap();
        let (source, destination) = (OWN.into(), PEER.into());
        assert_eq!(read_back, Packet { source, destination, protocol: TCP, port: 8883 });
        for (protocol, body, expected) in [
            (TCP, tcp(443, SYN | 0xc0), Some(443)),
            (TCP, tcp(443, SYN | ACK), None),
            (TCP, tcp(443, ACK), None),
            (TCP, tcp(443, 4), None),
            (TCP, tcp(443, SYN)[..13].to_vec(), None),
            (UDP, vec![1, 2, 0x23, 0x28], Some(9000)),
            (UDP, vec![1, 2, 0x23], None),
            (ICMP, vec![8], Some(0)),
            (ICMP, vec![3], None),
            (ICMP, vec![], None),
            (47, vec![], Some(0)),
        ] {
            assert_eq!(port(protocol, &body), expected, "{protocol} {body:?}");
        }
    }

    #[test]
    fn options_are_skipped_and_what_is_no_first_fragment_of_ipv4_is_nothing() {
        let mut with_options = packet(OWN, PEER, UDP, &[1; 40]);
        with_options.extend([1, 2, 0x23, 0x28]);
        with_options[0] = 0x4f;
        assert_eq!(read(&with_options).map(|packet| packet.port), Some(9000));
        assert!(with_options.len() <= HEADERS as usize);
        let good = packet(OWN, PEER, UDP, &[1, 2, 3, 4]);
        for (at, value) in [(0, 0x65), (0, 0x44), (0, 0x40), (7, 1), (6, 0x20 | 1)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(read(&bad), None, "{at} {value:#x}");
        }
        let mut first = good.clone();
        first[6] = 0x20;
        assert!(read(&first).is_some(), "the first fragment has the ports");
        assert!((0..good.len()).all(|cut| read(&good[..cut]).is_none()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = read(&bytes);
        }

        #[test]
        fn changed_packet_is_nothing_or_has_the_place_it_says(at in 0usize..34, value: u8) {
            let mut bytes = packet(OWN, PEER, TCP, &tcp(443, SYN));
            bytes[at] = value;
            if let Some(packet) = read(&bytes) {
                prop_assert_eq!(&packet.destination.octets()[..], &bytes[16..20]);
                prop_assert_eq!(packet.protocol, bytes[9]);
            }
        }
    }
}
