//! From what a server says to a lease that can be used.

use std::net::Ipv4Addr;

use super::message::Reply;
use super::{Lease, MAX_NAME_SERVERS, MAX_TIME_SERVERS};
use crate::{Millis, address};

/// Shortest lease, in seconds: a shorter one would keep the device busy with renewing it.
pub(super) const SHORTEST_LEASE_S: u32 = 10;

/// Smallest prefix: networks of more than 2^24 addresses don't exist, and a prefix of 0 would put the whole Internet
/// on the link.
const SMALLEST_PREFIX: u8 = 8;

/// A lease and its times, counted from when it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) lease: Lease,
    /// T1: renew.
    pub(super) renew_after: Millis,
    /// T2: ask any server.
    pub(super) rebind_after: Millis,
    /// The end. An infinite lease (RFC 2131, section 3.3) has 2^32 - 1 seconds like any other: 136 years.
    pub(super) expires_after: Millis,
}

/// Why an offer or a grant can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum GrantError {
    #[error("it names no server")]
    NoServer,
    #[error("its server's address {0} is no machine's")]
    Server(Ipv4Addr),
    #[error("it has no lease time")]
    NoTime,
    #[error("its lease time of {0} s is shorter than {SHORTEST_LEASE_S} s")]
    ShortTime(u32),
    #[error("its mask {0} is none")]
    Mask(Ipv4Addr),
    #[error("its address {0} is no machine's")]
    Address(Ipv4Addr),
}

impl Grant {
    /// Checks an offer or an acknowledgement.
    pub(super) fn of(reply: &Reply<'_>) -> Result<Self, GrantError> {
        let options = &reply.options;
        let own = reply.address;
        let server = options.server.ok_or(GrantError::NoServer)?;
        if !address::is_believable(server) {
            return Err(GrantError::Server(server));
        }
        let prefix = match options.mask {
            Some(mask) => prefix_of(mask).ok_or(GrantError::Mask(mask.into()))?,
            None => class_of(own),
        };
        let reserved = address::reserved_of(own, prefix);
        let is_machine =
            |one: Ipv4Addr| address::is_believable(one) && !reserved.is_some_and(|r| r.contains(&one));
        if !is_machine(own) {
            return Err(GrantError::Address(own));
        }
        let other = |list: Option<&[u8]>, most: usize| -> Vec<Ipv4Addr> {
            let mut found = Vec::new();
            for one in addresses(list) {
                if one != own && is_machine(one) && !found.contains(&one) && found.len() < most {
                    found.push(one);
                }
            }
            found
        };
        let router = addresses(options.routers)
            .find(|one| *one != own && is_machine(*one) && address::same_network(*one, own, prefix));
        let lease_s = options.lease_s.ok_or(GrantError::NoTime)?;
        if lease_s < SHORTEST_LEASE_S {
            return Err(GrantError::ShortTime(lease_s));
        }
        let expires_after = Millis::from(lease_s) * 1000;
        let (renew_after, rebind_after) = times(options.renewal_s, options.rebinding_s, expires_after);
        Ok(Self {
            lease: Lease {
                address: own,
                prefix,
                router,
                name_servers: other(options.name_servers, MAX_NAME_SERVERS),
                time_servers: other(options.time_servers, MAX_TIME_SERVERS),
                server,
            },
            renew_after,
            rebind_after,
            expires_after,
        })
    }
}

/// T1 and T2: the server's if they are in order and not too soon, else half and seven eighths of the lease
/// (RFC 2131, section 4.4.5).
fn times(renewal_s: Option<u32>, rebinding_s: Option<u32>, lease: Millis) -> (Millis, Millis) {
    let default = (lease / 2, lease / 8 * 7);
    let soonest = Millis::from(SHORTEST_LEASE_S) * 500;
    let given = |s: Option<u32>, default| s.map_or(default, |s| Millis::from(s) * 1000);
    let (renew, rebind) = (given(renewal_s, default.0), given(rebinding_s, default.1));
    if soonest <= renew && renew < rebind && rebind < lease { (renew, rebind) } else { default }
}

fn addresses(list: Option<&[u8]>) -> impl Iterator<Item = Ipv4Addr> {
    let (chunks, _) = list.unwrap_or_default().as_chunks::<4>();
    chunks.iter().map(|octets| Ipv4Addr::from(*octets))
}

/// The prefix of a mask whose ones come first.
fn prefix_of(mask: u32) -> Option<u8> {
    let prefix = u8::try_from(mask.leading_ones()).ok()?;
    (mask.count_ones() == mask.leading_ones() && prefix >= SMALLEST_PREFIX).then_some(prefix)
}

/// The prefix of an address whose server gives no mask (RFC 791, section 3.2).
fn class_of(own: Ipv4Addr) -> u8 {
    match own.octets()[0] {
        0..128 => 8,
        128..192 => 16,
        192.. => 24,
    }
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
