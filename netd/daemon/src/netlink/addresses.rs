//! Addresses and routes (rtnetlink(7), `RTM_*ADDR` and `RTM_NEWROUTE`). IPv4.

use nix::errno::Errno;

use super::message::{CREATE, DUMP, Messages, REPLACE};
use super::reading::{array, attributes};
use super::{RequestError, Socket};

const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;

const AF_INET: u8 = 2;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;

const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
/// For deletion: any.
const RT_SCOPE_NOWHERE: u8 = 255;
const RTN_UNICAST: u8 = 1;

/// The gateway is reached over the link, whatever the addresses say (`RTNH_F_ONLINK`).
const ONLINK: u32 = 4;

/// Length of `struct ifaddrmsg`.
const FIXED: usize = 8;

/// An address with the prefix of its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    /// The address.
    pub(crate) address: [u8; 4],
    /// Bits of the prefix.
    pub(crate) prefix: u8,
}

fn fixed(index: u32, prefix: u8) -> [u8; FIXED] {
    let [a, b, c, d] = index.to_ne_bytes();
    [AF_INET, prefix, 0, RT_SCOPE_UNIVERSE, a, b, c, d]
}

/// `struct rtmsg`.
fn route(prefix: u8, scope: u8, flags: u32) -> [u8; 12] {
    let [a, b, c, d] = flags.to_ne_bytes();
    [AF_INET, prefix, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, scope, RTN_UNICAST, a, b, c, d]
}

impl Socket {
    /// Gives a link an address.
    pub(crate) fn add_address(&self, link: u32, address: Address) -> Result<(), RequestError> {
        let host_bits = u32::MAX.checked_shr(address.prefix.into()).unwrap_or(0);
        self.one(NEW_ADDRESS, CREATE | REPLACE, &fixed(link, address.prefix), |out| {
            out.add(IFA_LOCAL, &address.address);
            out.add(IFA_ADDRESS, &address.address);
            // Networks of two addresses or one have none for all (RFC 3021).
            if address.prefix < 31 {
                let broadcast = u32::from_be_bytes(address.address) | host_bits;
                out.add(IFA_BROADCAST, &broadcast.to_be_bytes());
            }
        })
    }

    /// Takes an address from a link, and the routes that came from it.
    pub(crate) fn delete_address(&self, link: u32, address: Address) -> Result<(), RequestError> {
        self.one(DELETE_ADDRESS, 0, &fixed(link, address.prefix), |out| {
            out.add(IFA_LOCAL, &address.address);
        })
    }

    /// The addresses of a link.
    pub(crate) fn addresses(&self, link: u32) -> Result<Vec<Address>, RequestError> {
        let mut request = Messages::default();
        request.add(GET_ADDRESS, DUMP, &fixed(0, 0), |_| {});
        let mut addresses = Vec::new();
        self.list(&request, |message| {
            if array(message.body, 4).map(u32::from_ne_bytes) != Some(link) {
                return;
            }
            let prefix = message.body.get(1).copied().unwrap_or(32);
            let local = attributes(message.body.get(FIXED..).unwrap_or_default())
                .find(|(kind, _)| *kind == IFA_LOCAL)
                .and_then(|(_, value)| array(value, 0));
            addresses.extend(local.map(|address| Address { address, prefix }));
        })?;
        Ok(addresses)
    }

    /// Sends all that has no other route to a gateway behind a link, with a source address of the sender's.
    pub(crate) fn set_default_route(
        &self,
        link: u32,
        gateway: [u8; 4],
        source: [u8; 4],
    ) -> Result<(), RequestError> {
        self.one(NEW_ROUTE, CREATE | REPLACE, &route(0, RT_SCOPE_UNIVERSE, ONLINK), |out| {
            out.add(RTA_GATEWAY, &gateway);
            out.add(RTA_PREFSRC, &source);
            out.add(RTA_OIF, &link.to_ne_bytes());
        })
    }

    /// Takes the default route over a link away, if there is one.
    pub(crate) fn delete_default_route(&self, link: u32) -> Result<(), RequestError> {
        let done = self.one(DELETE_ROUTE, 0, &route(0, RT_SCOPE_NOWHERE, 0), |out| {
            out.add(RTA_OIF, &link.to_ne_bytes());
        });
        match done {
            Err(error) if error.refusal() == Some(Errno::ESRCH) => Ok(()),
            other => other,
        }
    }

    /// Sends what is for one machine to a link, with a source address of the sender's.
    pub(crate) fn set_host_route(
        &self,
        link: u32,
        host: [u8; 4],
        source: [u8; 4],
    ) -> Result<(), RequestError> {
        self.one(NEW_ROUTE, CREATE | REPLACE, &route(32, RT_SCOPE_LINK, 0), |out| {
            out.add(RTA_DST, &host);
            out.add(RTA_OIF, &link.to_ne_bytes());
            out.add(RTA_PREFSRC, &source);
        })
    }
}
