//! The packet filter's changes as messages (`NETLINK_NETFILTER`, nf_tables).

use super::filter_attributes::{
    BATCH_BEGIN, BATCH_END, CHAIN_HOOK, CHAIN_NAME, CHAIN_POLICY, CHAIN_TABLE, CHAIN_TYPE, DATA_VALUE,
    DATA_VERDICT, DESCRIPTION_SIZE, ELEMENT_DATA, ELEMENT_EXPIRATION, ELEMENT_KEY, ELEMENT_TIMEOUT,
    ELEMENTS_LIST, ELEMENTS_SET, ELEMENTS_TABLE, EXPRESSION_DATA, EXPRESSION_NAME, FLOWS_HOOK,
    FLOWS_HOOK_LINKS, FLOWS_HOOK_NUMBER, FLOWS_HOOK_PRIORITY, FLOWS_NAME, FLOWS_TABLE, GOTO, HAS_TIMEOUTS,
    HOOK_NUMBER, HOOK_PRIORITY, IS_MAP, LIST_ENTRY, REGISTER_FIRST, REGISTER_VERDICT, RULE_CHAIN,
    RULE_EXPRESSIONS, RULE_TABLE, SET_DATA_LENGTH, SET_DATA_TYPE, SET_DESCRIPTION, SET_FLAGS, SET_ID,
    SET_KEY_LENGTH, SET_KEY_TYPE, SET_NAME, SET_TABLE, SUBSYSTEM, TABLE_NAME, TYPE_VERDICT, VERDICT_CHAIN,
    VERDICT_CODE, message,
};
use super::message::{ACK, APPEND, Attributes, CREATE, EXCLUSIVE, Messages};
use super::packet_log::GROUP;
use super::{RequestError, Socket};
use crate::ruleset::change::{ChainKind, Change, Element, ElementValue, Field, Hook, Lifetime, Set, Value};
use crate::ruleset::expression::{Expression, Register};
use nacre_netd_core::dropped::HEADERS;

/// Name of the table.
const TABLE: &str = "nacre";

const AF_INET: u8 = 2;

/// `struct nfgenmsg`, for a message to nf_tables and for the marks around a batch.
const FIXED: [u8; 4] = [AF_INET, 0, 0, 0];
const FIXED_BATCH: [u8; 4] = [0, 0, 0, 10];

impl Socket {
    /// Makes all changes, or none of them if the kernel refuses one; the error then has its number, from 0.
    pub(crate) fn apply(&self, changes: &[Change]) -> Result<(), RequestError> {
        let mut batch = Messages::default();
        batch.add(BATCH_BEGIN, 0, &FIXED_BATCH, |_| {});
        for (index, change) in changes.iter().enumerate() {
            let answer = if index + 1 == changes.len() { ACK } else { 0 };
            add(&mut batch, change, answer);
        }
        let last = batch.count().saturating_sub(1);
        batch.add(BATCH_END, 0, &FIXED_BATCH, |_| {});
        self.request(&batch, last).map_err(|error| match error {
            RequestError::Refused { message, words, cause } => {
                RequestError::Refused { message: message.saturating_sub(1), words, cause }
            }
            other => other,
        })
    }
}

fn add(batch: &mut Messages, change: &Change, answer: u16) {
    // The number of a new set among those of its batch.
    let id = batch.count();
    let mut add = |kind: u16, flags: u16, attributes: &dyn Fn(&mut Attributes<'_>)| {
        batch.add(SUBSYSTEM << 8 | kind, flags | answer, &FIXED, attributes);
    };
    match change {
        Change::DestroyTable => add(message::DESTROY_TABLE, 0, &|out| out.add_text(TABLE_NAME, TABLE)),
        Change::AddTable => add(message::NEW_TABLE, CREATE, &|out| out.add_text(TABLE_NAME, TABLE)),
        Change::AddChain { name, hook: place } => add(message::NEW_CHAIN, CREATE, &|out| {
            out.add_text(CHAIN_TABLE, TABLE);
            out.add_text(CHAIN_NAME, name);
            if let Some(place) = place {
                hook(out, place);
            }
        }),
        Change::DestroyChain(name) => add(message::DESTROY_CHAIN, 0, &|out| {
            out.add_text(CHAIN_TABLE, TABLE);
            out.add_text(CHAIN_NAME, name);
        }),
        Change::AddRule { chain, expressions } => {
            add(message::NEW_RULE, CREATE | APPEND, &|out| rule(out, chain, expressions));
        }
        Change::AddFirstRule { chain, expressions } => {
            add(message::NEW_RULE, CREATE, &|out| rule(out, chain, expressions));
        }
        Change::AddFlows { name, link } => add(message::NEW_FLOWS, CREATE, &|out| {
            out.add_text(FLOWS_TABLE, TABLE);
            out.add_text(FLOWS_NAME, name);
            out.nest(FLOWS_HOOK, |out| flows_hook(out, link.as_deref()));
        }),
        Change::AddSet(set) => add(message::NEW_SET, CREATE | EXCLUSIVE, &|out| new_set(out, set, id)),
        Change::DestroySet(name) => add(message::DESTROY_SET, 0, &|out| {
            out.add_text(SET_TABLE, TABLE);
            out.add_text(SET_NAME, name);
        }),
        Change::AddElement { set, element } => add(message::NEW_ELEMENT, CREATE, &|out| {
            out.add_text(ELEMENTS_TABLE, TABLE);
            out.add_text(ELEMENTS_SET, set);
            out.nest(ELEMENTS_LIST, |out| out.nest(LIST_ENTRY, |out| new_element(out, element)));
        }),
        Change::DestroyElement { set, key } => add(message::DESTROY_ELEMENT, 0, &|out| {
            out.add_text(ELEMENTS_TABLE, TABLE);
            out.add_text(ELEMENTS_SET, set);
            out.nest(ELEMENTS_LIST, |out| out.nest(LIST_ENTRY, |out| value(out, ELEMENT_KEY, key)));
        }),
    }
}

fn hook(out: &mut Attributes<'_>, hook: &Hook) {
    let kind = match hook.kind {
        ChainKind::Filter => "filter",
        ChainKind::Nat => "nat",
    };
    out.nest(CHAIN_HOOK, |out| {
        out.add_u32(HOOK_NUMBER, hook.place as u32);
        out.add(HOOK_PRIORITY, &hook.priority.to_be_bytes());
    });
    out.add_u32(CHAIN_POLICY, hook.policy as u32);
    out.add_text(CHAIN_TYPE, kind);
}

fn rule(out: &mut Attributes<'_>, chain: &str, expressions: &[Expression]) {
    out.add_text(RULE_TABLE, TABLE);
    out.add_text(RULE_CHAIN, chain);
    out.nest(RULE_EXPRESSIONS, |out| expressions.iter().for_each(|part| expression(out, part)));
}

/// Where packets come in, before everything else (`NF_NETDEV_INGRESS`).
fn flows_hook(out: &mut Attributes<'_>, link: Option<&str>) {
    out.add_u32(FLOWS_HOOK_NUMBER, 0);
    out.add_u32(FLOWS_HOOK_PRIORITY, 0);
    if let Some(link) = link {
        out.nest(FLOWS_HOOK_LINKS, |out| out.add_text(LIST_ENTRY, link));
    }
}

fn new_set(out: &mut Attributes<'_>, set: &Set, id: u32) {
    out.add_text(SET_TABLE, TABLE);
    out.add_text(SET_NAME, &set.name);
    let map = if set.value == Value::None { 0 } else { IS_MAP };
    let timeouts = if set.lifetime == Lifetime::Ending { HAS_TIMEOUTS } else { 0 };
    out.add_u32(SET_FLAGS, map | timeouts);
    // Types are for programs that print sets; 6 bits each, as nft(8) counts them.
    out.add_u32(SET_KEY_TYPE, set.key.iter().fold(0, |key, field| key << 6 | printed_type(*field)));
    out.add_u32(SET_KEY_LENGTH, set.key.iter().map(|field| field.length()).sum());
    match set.value {
        Value::None => {}
        Value::Address => {
            out.add_u32(SET_DATA_TYPE, printed_type(Field::Address));
            out.add_u32(SET_DATA_LENGTH, Field::Address.length());
        }
        Value::Chain => out.add_u32(SET_DATA_TYPE, TYPE_VERDICT),
    }
    out.nest(SET_DESCRIPTION, |out| out.add_u32(DESCRIPTION_SIZE, set.size));
    out.add_u32(SET_ID, id);
}

const fn printed_type(field: Field) -> u32 {
    match field {
        Field::Address => 7,
        Field::Protocol => 12,
        Field::Port => 13,
        Field::Interface => 41,
    }
}

fn new_element(out: &mut Attributes<'_>, element: &Element) {
    value(out, ELEMENT_KEY, &element.key);
    match &element.value {
        ElementValue::None => {}
        ElementValue::Address(address) => value(out, ELEMENT_DATA, address),
        ElementValue::Chain(chain) => verdict(out, ELEMENT_DATA, GOTO, Some(chain)),
    }
    if let Some(timeout) = element.timeout_ms {
        out.add_u64(ELEMENT_TIMEOUT, timeout);
        // What is left of it: without this, an element that is there with the same time would not get it anew.
        out.add_u64(ELEMENT_EXPIRATION, timeout);
    }
}

fn value(out: &mut Attributes<'_>, kind: u16, bytes: &[u8]) {
    out.nest(kind, |out| out.add(DATA_VALUE, bytes));
}

fn verdict(out: &mut Attributes<'_>, kind: u16, code: u32, chain: Option<&str>) {
    out.nest(kind, |out| {
        out.nest(DATA_VERDICT, |out| {
            out.add_u32(VERDICT_CODE, code);
            if let Some(chain) = chain {
                out.add_text(VERDICT_CHAIN, chain);
            }
        });
    });
}

fn register(number: Register) -> u32 {
    REGISTER_FIRST + u32::from(number)
}

/// The attributes of each instruction are numbered anew, so the numbers stand here, in the order of the headers.
fn expression(out: &mut Attributes<'_>, expression: &Expression) {
    let first = register(0);
    let numbers = |pairs: &[(u16, u32)], out: &mut Attributes<'_>| {
        pairs.iter().for_each(|(kind, number)| out.add_u32(*kind, *number));
    };
    let mut named = |name: &str, data: &dyn Fn(&mut Attributes<'_>)| {
        out.nest(LIST_ENTRY, |out| {
            out.add_text(EXPRESSION_NAME, name);
            out.nest(EXPRESSION_DATA, data);
        });
    };
    match expression {
        Expression::Meta(key, to) => {
            named("meta", &|out| numbers(&[(1, register(*to)), (2, *key as u32)], out));
        }
        Expression::Payload(payload, to) => {
            let (header, offset, length) = payload.place();
            let pairs = [(1, register(*to)), (2, header as u32), (3, offset), (4, length)];
            named("payload", &|out| numbers(&pairs, out));
        }
        Expression::Connection(key, to) => {
            named("ct", &|out| numbers(&[(1, register(*to)), (2, *key as u32)], out));
        }
        Expression::Mask(mask) => named("bitwise", &|out| {
            numbers(&[(1, first), (2, first), (3, 4)], out);
            value(out, 4, &mask.to_ne_bytes());
            value(out, 5, &[0; 4]);
        }),
        Expression::Compare(operator, bytes) => named("cmp", &|out| {
            numbers(&[(1, first), (2, *operator as u32)], out);
            value(out, 3, bytes);
        }),
        Expression::Lacks(set) => named("lookup", &|out| {
            out.add_text(1, set);
            numbers(&[(2, first), (5, 1)], out);
        }),
        Expression::Follow(map) => named("lookup", &|out| {
            out.add_text(1, map);
            numbers(&[(2, first), (3, REGISTER_VERDICT)], out);
        }),
        Expression::Find(map) => named("lookup", &|out| {
            out.add_text(1, map);
            numbers(&[(2, first), (3, first)], out);
        }),
        Expression::Decide(decision) => named("immediate", &|out| {
            numbers(&[(1, REGISTER_VERDICT)], out);
            verdict(out, 2, *decision as u32, None);
        }),
        Expression::Go(chain) => named("immediate", &|out| {
            numbers(&[(1, REGISTER_VERDICT)], out);
            verdict(out, 2, GOTO, Some(chain));
        }),
        Expression::Log(mark) => named("log", &|out| {
            out.add(1, &GROUP.to_be_bytes());
            out.add_text(2, &mark.text());
            out.add_u32(3, HEADERS);
        }),
        Expression::Reject => named("reject", &|out| {
            numbers(&[(1, 0)], out);
            out.add(2, &[13]);
        }),
        Expression::Untracked => named("notrack", &|_| {}),
        Expression::KeepFlow(flows) => named("flow_offload", &|out| out.add_text(1, flows)),
        Expression::DestinationNat => {
            named("nat", &|out| numbers(&[(1, 1), (2, u32::from(AF_INET)), (3, first)], out));
        }
        Expression::Masquerade => named("masq", &|_| {}),
        Expression::RateOver { per_second, burst } => {
            named("limit", &|out| limit(out, *per_second, *burst, 1))
        }
        Expression::RateWithin { per_second, burst } => {
            named("limit", &|out| limit(out, *per_second, *burst, 0));
        }
        Expression::OpenOver(count) => named("connlimit", &|out| numbers(&[(1, *count), (2, 1)], out)),
    }
}

/// Packets in each second, and more at once; with the flag 1 the rule goes on above that, else below.
fn limit(out: &mut Attributes<'_>, per_second: u32, burst: u32, flags: u32) {
    out.add_u64(1, per_second.into());
    out.add_u64(2, 1);
    out.add_u32(3, burst);
    out.add_u32(5, flags);
}
