//! Servers' messages for tests, and the tests of reading them.

use proptest::prelude::*;

use super::*;

pub(in crate::dhcp) const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

/// What a server sends; the defaults are those of a sound network.
#[derive(Debug, Clone)]
pub(in crate::dhcp) struct Sent {
    pub(in crate::dhcp) kind: u8,
    pub(in crate::dhcp) xid: u32,
    pub(in crate::dhcp) address: [u8; 4],
    pub(in crate::dhcp) options: Vec<(u8, Vec<u8>)>,
}

impl Sent {
    pub(in crate::dhcp) fn new(kind: u8, xid: u32) -> Self {
        let options = vec![
            (SERVER_ID, vec![10, 0, 2, 2]),
            (SUBNET_MASK, vec![255, 255, 255, 0]),
            (ROUTER, vec![10, 0, 2, 2]),
            (NAME_SERVERS, vec![10, 0, 2, 3]),
            (LEASE_TIME, 3600u32.to_be_bytes().to_vec()),
        ];
        Self { kind, xid, address: [10, 0, 2, 15], options }
    }

    /// With an option in place of the one of this code; an empty one is left out.
    pub(in crate::dhcp) fn with(mut self, code: u8, data: &[u8]) -> Self {
        self.options.retain(|(other, _)| *other != code);
        if !data.is_empty() {
            self.options.push((code, data.to_vec()));
        }
        self
    }

    pub(in crate::dhcp) fn bytes(&self) -> Vec<u8> {
        let mut out = vec![OP_REPLY, ETHERNET, 6, 0];
        out.extend(self.xid.to_be_bytes());
        out.extend([0; 8]);
        out.extend(self.address);
        out.extend([0; 8]);
        out.extend(MAC);
        out.extend([0; 10 + 64 + 128]);
        out.extend(COOKIE);
        out.extend([MESSAGE_TYPE, 1, self.kind]);
        for (code, data) in &self.options {
            out.extend([*code, u8::try_from(data.len()).expect("a short option")]);
            out.extend(data);
        }
        out.push(END);
        out
    }
}

/// The xid of a message.
pub(in crate::dhcp) fn xid_of(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[4..8].try_into().expect("4 bytes"))
}

#[test]
fn message_of_a_server_is_read() {
    let sent = Sent::new(2, 7).with(NTP_SERVERS, &[10, 0, 2, 4, 10, 0, 2, 5]);
    let bytes = sent.bytes();
    let reply = parse(&bytes, &MAC).expect("a reply");
    assert_eq!((reply.kind, reply.xid), (Kind::Offer, 7));
    assert_eq!(reply.address, Ipv4Addr::new(10, 0, 2, 15));
    assert_eq!(reply.options.server, Some(Ipv4Addr::new(10, 0, 2, 2)));
    assert_eq!(reply.options.mask, Some(0xffff_ff00));
    assert_eq!(reply.options.lease_s, Some(3600));
    assert_eq!(reply.options.time_servers, Some(&[10, 0, 2, 4, 10, 0, 2, 5][..]));
}

#[test]
fn message_that_is_not_for_this_client_is_none() {
    let good = Sent::new(5, 7).bytes();
    for (at, value, what) in [
        (0, OP_REQUEST, "a request"),
        (1, 6, "another kind of network"),
        (2, 5, "another length of address"),
        (28, 0x53, "another client"),
        (33, 0, "another client's last byte"),
        (236, 0, "another cookie"),
        (242, 1, "a discover"),
        (242, 9, "an unknown kind"),
        (241, 2, "a kind of two bytes"),
    ] {
        let mut bytes = good.clone();
        bytes[at] = value;
        assert_eq!(parse(&bytes, &MAC), None, "{what}");
    }
    for (code, data) in [
        (SUBNET_MASK, &[255, 255, 255][..]),
        (ROUTER, &[10, 0, 2]),
        (NAME_SERVERS, &[10, 0, 2, 3, 10]),
        (LEASE_TIME, &[0]),
        (SERVER_ID, &[1, 2, 3, 4, 5]),
    ] {
        assert_eq!(parse(&Sent::new(5, 7).with(code, data).bytes(), &MAC), None, "option {code}");
    }
}

#[test]
fn message_cut_anywhere_is_none_or_has_no_more_than_was_left() {
    let good = Sent::new(5, 7).bytes();
    for cut in 0..good.len() {
        let reply = parse(&good[..cut], &MAC);
        assert!(cut >= 243 || reply.is_none(), "{cut}");
    }
}

#[test]
fn message_with_an_option_twice_has_the_first() {
    let mut sent = Sent::new(5, 7);
    sent.options.push((LEASE_TIME, 1u32.to_be_bytes().to_vec()));
    let bytes = sent.bytes();
    assert_eq!(parse(&bytes, &MAC).and_then(|reply| reply.options.lease_s), Some(3600));
}

#[test]
fn message_with_overload_has_the_options_of_both_fields() {
    let mut sent = Sent::new(5, 7).with(LEASE_TIME, &[]).with(ROUTER, &[]);
    sent.options.push((OVERLOAD, vec![3]));
    let mut bytes = sent.bytes();
    bytes[108..115].copy_from_slice(&[LEASE_TIME, 4, 0, 0, 0, 99, END]);
    bytes[44..51].copy_from_slice(&[ROUTER, 4, 10, 0, 2, 9, END]);
    let reply = parse(&bytes, &MAC).expect("a reply");
    assert_eq!((reply.options.lease_s, reply.options.routers), (Some(99), Some(&[10, 0, 2, 9][..])));
    // Without it, the same bytes are a file name.
    let plain = sent.clone().with(OVERLOAD, &[]);
    let mut other = plain.bytes();
    other[108..115].copy_from_slice(&bytes[108..115]);
    assert_eq!(parse(&other, &MAC).and_then(|reply| reply.options.lease_s), None);
}

#[test]
fn request_of_each_kind_has_its_fields() {
    let (address, server) = (Ipv4Addr::new(10, 0, 2, 15), Ipv4Addr::new(10, 0, 2, 2));
    for (request, broadcast, ciaddr, tail) in [
        (Request::Discover { hint: None }, 0x80, [0; 4], vec![]),
        (Request::Discover { hint: Some(address) }, 0x80, [0; 4], vec![50, 4, 10, 0, 2, 15]),
        (Request::Take { address, server }, 0x80, [0; 4], vec![50, 4, 10, 0, 2, 15, 54, 4, 10, 0, 2, 2]),
        (Request::Keep { address }, 0, [10, 0, 2, 15], vec![]),
    ] {
        let bytes = build(request, 0x0102_0304, 9, &MAC);
        assert_eq!(bytes.len(), SHORTEST, "{request:?}");
        assert_eq!(bytes[..12], [1, 1, 6, 0, 1, 2, 3, 4, 0, 9, broadcast, 0], "{request:?}");
        assert_eq!(bytes[12..16], ciaddr, "{request:?}");
        assert_eq!(bytes[28..34], MAC);
        let kind = if matches!(request, Request::Discover { .. }) { 1 } else { 3 };
        assert_eq!(bytes[236..243], [99, 130, 83, 99, 53, 1, kind]);
        assert_eq!(bytes[243..246], [61, 7, 1]);
        assert_eq!(bytes[252..252 + tail.len()], tail, "{request:?}");
        assert_eq!(bytes[252 + tail.len()..][..4], [57, 2, 0x05, 0xdc], "1500 bytes");
    }
}

proptest! {
    #[test]
    fn message_of_any_bytes_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
        parse(&bytes, &MAC);
    }

    #[test]
    fn message_with_any_options_is_read_without_a_panic(
        options in prop::collection::vec(any::<u8>(), 0..300),
        overload in 0u8..5,
        fields in prop::collection::vec(any::<u8>(), 192),
    ) {
        let mut bytes = Sent::new(5, 7).bytes();
        bytes.pop();
        bytes.extend([OVERLOAD, 1, overload]);
        bytes.extend(options);
        bytes[44..236].copy_from_slice(&fields);
        if let Some(reply) = parse(&bytes, &MAC) {
            prop_assert_eq!(reply.xid, 7);
        }
    }
}
