//! Messages from and to servers (RFC 2131, section 2; options of RFC 2132).
//!
//! ```text
//! op htype hlen hops | xid | secs flags | ciaddr | yiaddr | siaddr | giaddr | chaddr (16) | sname (64) | file (128)
//! cookie | options…
//! ```

use std::net::Ipv4Addr;

use super::MAX_DATAGRAM;
use crate::bytes::Reader;

const OP_REQUEST: u8 = 1;
const OP_REPLY: u8 = 2;
const ETHERNET: u8 = 1;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const FLAG_BROADCAST: u16 = 0x8000;

/// Shorter messages are dropped by some relays and servers, which come from BOOTP (RFC 1542, section 2.1).
const SHORTEST: usize = 300;

const PAD: u8 = 0;
const SUBNET_MASK: u8 = 1;
const ROUTER: u8 = 3;
const NAME_SERVERS: u8 = 6;
const NTP_SERVERS: u8 = 42;
const REQUESTED_ADDRESS: u8 = 50;
const LEASE_TIME: u8 = 51;
const OVERLOAD: u8 = 52;
const MESSAGE_TYPE: u8 = 53;
const SERVER_ID: u8 = 54;
const PARAMETER_LIST: u8 = 55;
const LONGEST_MESSAGE: u8 = 57;
const RENEWAL_TIME: u8 = 58;
const REBINDING_TIME: u8 = 59;
const CLIENT_ID: u8 = 61;
const END: u8 = 255;

/// What a server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Offer,
    Ack,
    Nak,
}

/// A server's message to this client. Its values are unchecked; the lists are addresses of 4 bytes each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply<'a> {
    pub(super) kind: Kind,
    pub(super) xid: u32,
    pub(super) address: Ipv4Addr,
    pub(super) options: Options<'a>,
}

/// The options that matter here. Of one that comes twice the first counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Options<'a> {
    kind: Option<u8>,
    overload: Option<u8>,
    pub(super) server: Option<Ipv4Addr>,
    pub(super) mask: Option<u32>,
    pub(super) lease_s: Option<u32>,
    pub(super) renewal_s: Option<u32>,
    pub(super) rebinding_s: Option<u32>,
    pub(super) routers: Option<&'a [u8]>,
    pub(super) name_servers: Option<&'a [u8]>,
    pub(super) time_servers: Option<&'a [u8]>,
}

/// Reads a server's message to the client with this Ethernet address; `None` if it isn't one.
pub(super) fn parse<'a>(bytes: &'a [u8], mac: &[u8; 6]) -> Option<Reply<'a>> {
    let mut reader = Reader::new(bytes);
    let [op, hardware, hardware_len, _hops] = reader.array()?;
    let xid = reader.u32()?;
    let _secs_flags_ciaddr = reader.array::<8>()?;
    let address = Ipv4Addr::from(reader.u32()?);
    let _siaddr_giaddr = reader.array::<8>()?;
    let client = reader.array::<16>()?;
    let sname = reader.take(64)?;
    let file = reader.take(128)?;
    let cookie = reader.array::<4>()?;
    let ours = op == OP_REPLY && hardware == ETHERNET && hardware_len == 6 && client.starts_with(mac);
    if !ours || cookie != COOKIE {
        return None;
    }
    let mut options = Options::default();
    options.read(reader)?;
    let overload = options.overload.unwrap_or(0);
    if overload & 1 != 0 {
        options.read(Reader::new(file))?;
    }
    if overload & 2 != 0 {
        options.read(Reader::new(sname))?;
    }
    let kind = match options.kind? {
        2 => Kind::Offer,
        5 => Kind::Ack,
        6 => Kind::Nak,
        _ => return None,
    };
    Some(Reply { kind, xid, address, options })
}

impl<'a> Options<'a> {
    /// Reads one area of options. Not every server ends it with [`END`].
    fn read(&mut self, mut area: Reader<'a>) -> Option<()> {
        while let Some(code) = area.u8() {
            match code {
                PAD => continue,
                END => break,
                _ => {}
            }
            let len = area.u8()?;
            let data = area.take(len.into())?;
            match code {
                SUBNET_MASK => first(&mut self.mask, number(data)?),
                ROUTER => first(&mut self.routers, addresses(data)?),
                NAME_SERVERS => first(&mut self.name_servers, addresses(data)?),
                NTP_SERVERS => first(&mut self.time_servers, addresses(data)?),
                LEASE_TIME => first(&mut self.lease_s, number(data)?),
                RENEWAL_TIME => first(&mut self.renewal_s, number(data)?),
                REBINDING_TIME => first(&mut self.rebinding_s, number(data)?),
                SERVER_ID => first(&mut self.server, number(data)?.into()),
                MESSAGE_TYPE => first(&mut self.kind, byte(data)?),
                OVERLOAD => first(&mut self.overload, byte(data)?),
                _ => {}
            }
        }
        Some(())
    }
}

fn first<T>(slot: &mut Option<T>, value: T) {
    slot.get_or_insert(value);
}

fn byte(data: &[u8]) -> Option<u8> {
    data.try_into().ok().map(u8::from_be_bytes)
}

fn number(data: &[u8]) -> Option<u32> {
    data.try_into().ok().map(u32::from_be_bytes)
}

/// A list of addresses, as it is: at least one, each of 4 bytes.
fn addresses(data: &[u8]) -> Option<&[u8]> {
    (!data.is_empty() && data.len().is_multiple_of(4)).then_some(data)
}

/// What the client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// DHCPDISCOVER; `hint` is the address of the last lease.
    Discover { hint: Option<Ipv4Addr> },
    /// DHCPREQUEST: take an offer.
    Take { address: Ipv4Addr, server: Ipv4Addr },
    /// DHCPREQUEST: keep an address.
    Keep { address: Ipv4Addr },
}

/// The client's message; `secs` since it began to want an address.
pub(super) fn build(request: Request, xid: u32, secs: u16, mac: &[u8; 6]) -> Vec<u8> {
    let (kind, own, requested, server) = match request {
        Request::Discover { hint } => (1u8, None, hint, None),
        Request::Take { address, server } => (3, None, Some(address), Some(server)),
        Request::Keep { address } => (3, Some(address), None, None),
    };
    // Who has an address gets the answer there; else it must be broadcast to be received.
    let flags = if own.is_none() { FLAG_BROADCAST } else { 0 };
    let mut out = Vec::with_capacity(SHORTEST);
    out.extend([OP_REQUEST, ETHERNET, 6, 0]);
    out.extend(xid.to_be_bytes());
    out.extend(secs.to_be_bytes());
    out.extend(flags.to_be_bytes());
    out.extend(own.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
    out.extend([0; 12]);
    out.extend(mac);
    out.extend([0; 10 + 64 + 128]);
    out.extend(COOKIE);
    out.extend([MESSAGE_TYPE, 1, kind]);
    out.extend([CLIENT_ID, 7, ETHERNET]);
    out.extend(mac);
    for (code, address) in [(REQUESTED_ADDRESS, requested), (SERVER_ID, server)] {
        if let Some(address) = address {
            out.extend([code, 4]);
            out.extend(address.octets());
        }
    }
    out.extend([LONGEST_MESSAGE, 2]);
    // With the IP and UDP headers.
    out.extend((u16::try_from(MAX_DATAGRAM + 28).unwrap_or(u16::MAX)).to_be_bytes());
    out.extend([PARAMETER_LIST, 8, SUBNET_MASK, ROUTER, NAME_SERVERS, NTP_SERVERS]);
    out.extend([LEASE_TIME, SERVER_ID, RENEWAL_TIME, REBINDING_TIME]);
    out.push(END);
    out.resize(out.len().max(SHORTEST), PAD);
    out
}

#[cfg(test)]
#[path = "message_tests.rs"]
pub(super) mod tests;
