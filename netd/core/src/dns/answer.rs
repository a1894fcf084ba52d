//! What a server's answer says about the name that was asked for.

use std::net::Ipv4Addr;

use super::message::{A, CNAME, Header, IN, OPCODE, QR, Question, TC};
use super::name::Name;
use crate::bytes::Reader;

/// Most records of an answer that are looked at: more than 30 don't fit into 512 bytes.
const MAX_RECORDS: u16 = 32;

/// Most names in a chain of other names. Real ones have up to five; a circle ends here too.
const MAX_CHAIN: usize = 8;

/// Most addresses that an app is told.
pub(super) const MAX_ADDRESSES: usize = 8;

/// Shortest and longest time, in seconds, for which an answer counts: an address must stay open long enough to be
/// connected to, and not longer than a name is likely to keep it.
const TTL_S: (u32, u32) = (10, 3600);

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The name has these addresses, for so many seconds.
    Found {
        /// At most [`MAX_ADDRESSES`], each once.
        addresses: Vec<Ipv4Addr>,
        ttl_s: u32,
        /// One that was left out because no other machine can have it.
        bogus: Option<Ipv4Addr>,
    },
    /// There is no such name.
    NoName,
    /// The server can't say.
    Failed,
}

/// One record that matters.
struct Record {
    owner: Name,
    ttl_s: u32,
    data: Data,
}

enum Data {
    Address(Ipv4Addr),
    Alias(Name),
}

/// Reads the answer to our question for a name; `None` if it is wrong: another question's, or malformed. Only what
/// the chain of aliases leads to counts, whatever else the server adds. `usable` says which addresses another machine
/// can have.
pub(super) fn read(bytes: &[u8], id: u16, name: &Name, usable: impl Fn(Ipv4Addr) -> bool) -> Option<Outcome> {
    let header = Header::read(bytes)?;
    if header.id != id || header.flags & (QR | OPCODE) != QR || header.questions != 1 {
        return None;
    }
    let (question, behind) = Question::read(bytes)?;
    if question.name != *name || question.kind != A || question.class != IN {
        return None;
    }
    match header.rcode() {
        0 => {}
        3 => return Some(Outcome::NoName),
        _ => return Some(Outcome::Failed),
    }
    let cut = header.flags & TC != 0;
    let records = records(bytes, behind, header.answers, cut)?;
    let mut current = name;
    let mut ttl_s = TTL_S.1;
    let (mut addresses, mut bogus) = (Vec::new(), None);
    for _ in 0..=MAX_CHAIN {
        let mut alias = None;
        let mut found = false;
        for record in records.iter().filter(|record| record.owner == *current) {
            match &record.data {
                Data::Address(address) => {
                    found = true;
                    ttl_s = ttl_s.min(record.ttl_s);
                    if !usable(*address) {
                        bogus = Some(*address);
                    } else if !addresses.contains(address) && addresses.len() < MAX_ADDRESSES {
                        addresses.push(*address);
                    }
                }
                Data::Alias(target) => alias = alias.or(Some((target, record.ttl_s))),
            }
        }
        match alias {
            Some((target, alias_ttl_s)) if !found => {
                ttl_s = ttl_s.min(alias_ttl_s);
                current = target;
            }
            _ => break,
        }
    }
    if cut && addresses.is_empty() {
        return Some(Outcome::Failed);
    }
    Some(Outcome::Found { addresses, ttl_s: ttl_s.max(TTL_S.0), bogus })
}

/// The addresses and aliases among the answer's records. A message that says that it is cut may end within one.
fn records(bytes: &[u8], mut at: usize, count: u16, cut: bool) -> Option<Vec<Record>> {
    let mut found = Vec::new();
    for _ in 0..count.min(MAX_RECORDS) {
        match record(bytes, at) {
            Some((record, behind)) => {
                found.extend(record);
                at = behind;
            }
            None if cut => break,
            None => return None,
        }
    }
    Some(found)
}

/// Reads the record at an offset, if it matters; also gives the offset behind it.
fn record(bytes: &[u8], at: usize) -> Option<(Option<Record>, usize)> {
    let (owner, behind) = Name::read(bytes, at)?;
    let mut reader = Reader::new(bytes.get(behind..)?);
    let (kind, class, ttl, len) = (reader.u16()?, reader.u16()?, reader.u32()?, reader.u16()?);
    let data_at = behind + 10;
    let data = reader.take(len.into())?;
    let end = data_at + data.len();
    // A negative time counts as 0 (RFC 2181, section 8).
    let ttl_s = if ttl > i32::MAX.unsigned_abs() { 0 } else { ttl };
    let data = match (kind, class) {
        (A, IN) => Data::Address(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?)),
        (CNAME, IN) => match Name::read(bytes, data_at)? {
            (target, behind) if behind == end => Data::Alias(target),
            _ => return None,
        },
        _ => return Some((None, end)),
    };
    Some((Some(Record { owner, ttl_s, data }), end))
}

#[cfg(test)]
#[path = "answer_tests.rs"]
pub(super) mod tests;
