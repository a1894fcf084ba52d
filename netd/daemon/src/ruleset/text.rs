//! The table in the words of `nft --debug=netlink`, for the golden files.

use std::fmt::Write;
use std::path::Path;

use nacre_netd_core::dropped::HEADERS;

use super::change::{Change, ElementValue};
use super::expression::{Expression, Operator};

/// Compares with `testdata/<name>.txt`; writes it anew with `NACRE_GOLDEN=write`.
pub(super) fn golden(name: &str, changes: &[Change]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/{name}.txt"));
    let text = changes.iter().fold(String::new(), |text, change| text + &line(change));
    if std::env::var_os("NACRE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
}

fn line(change: &Change) -> String {
    match change {
        Change::DestroyTable => "destroy table\n".into(),
        Change::AddTable => "add table\n".into(),
        Change::AddChain { name, hook: None } => format!("add chain {name}\n"),
        Change::AddChain { name, hook: Some(hook) } => format!(
            "add chain {name} {:?} at {:?} priority {} policy {:?}\n",
            hook.kind, hook.place, hook.priority, hook.policy
        ),
        Change::DestroyChain(name) => format!("destroy chain {name}\n"),
        Change::AddRule { chain, expressions } => format!("add rule {chain}\n") + &all_words(expressions),
        Change::AddFirstRule { chain, expressions } => {
            format!("insert rule {chain}\n") + &all_words(expressions)
        }
        Change::AddFlows { name, link } => {
            let link = link.as_ref().map(|link| format!(" of {link}")).unwrap_or_default();
            format!("add flowtable {name} at Ingress priority 0{link}\n")
        }
        Change::AddSet(set) => format!(
            "add set {} {:?} : {:?} {:?} size {}\n",
            set.name, set.key, set.value, set.lifetime, set.size
        ),
        Change::DestroySet(name) => format!("destroy set {name}\n"),
        Change::AddElement { set, element } => {
            let value = match &element.value {
                ElementValue::None => String::new(),
                ElementValue::Address([a, b, c, d]) => format!(" : {a}.{b}.{c}.{d}"),
                ElementValue::Chain(chain) => format!(" : goto {chain}"),
            };
            let timeout = element.timeout_ms.map(|ms| format!(" timeout {ms}ms")).unwrap_or_default();
            format!("add element {set} {}{value}{timeout}\n", hex(&element.key))
        }
        Change::DestroyElement { set, key } => format!("destroy element {set} {}\n", hex(key)),
    }
}

fn all_words(expressions: &[Expression]) -> String {
    expressions.iter().fold(String::new(), |mut text, part| {
        writeln!(text, "  [ {} ]", words(part)).unwrap();
        text
    })
}

fn words(expression: &Expression) -> String {
    match expression {
        Expression::Meta(key, to) => format!("meta load {key:?} => reg {to}"),
        Expression::Payload(payload, to) => {
            let (header, offset, length) = payload.place();
            format!("payload load {length}b @ {header:?} header + {offset} => reg {to}")
        }
        Expression::Connection(key, to) => format!("ct load {key:?} => reg {to}"),
        Expression::Mask(mask) => format!("bitwise reg 0 = reg 0 & {mask:#x}"),
        Expression::Compare(Operator::Equal, value) => format!("cmp eq reg 0 {}", hex(value)),
        Expression::Compare(Operator::Different, value) => format!("cmp neq reg 0 {}", hex(value)),
        Expression::Compare(Operator::AtLeast, value) => format!("cmp gte reg 0 {}", hex(value)),
        Expression::Lacks(set) => format!("lookup reg 0 set {set} 0x1"),
        Expression::Follow(map) => format!("lookup reg 0 set {map} => verdict"),
        Expression::Find(map) => format!("lookup reg 0 set {map} => reg 0"),
        Expression::Decide(verdict) => format!("immediate {verdict:?}"),
        Expression::Go(chain) => format!("immediate goto {chain}"),
        Expression::Log(mark) => format!("log prefix {} group 1 snaplen {HEADERS}", mark.text()),
        Expression::Reject => "reject type 0 code 13".into(),
        Expression::Untracked => "notrack".into(),
        Expression::KeepFlow(flows) => format!("flow add {flows}"),
        Expression::DestinationNat => "nat dnat ip addr_min reg 0".into(),
        Expression::Masquerade => "masq".into(),
        Expression::RateOver { per_second, burst } => {
            format!("limit rate over {per_second}/second burst {burst}")
        }
        Expression::RateWithin { per_second, burst } => {
            format!("limit rate {per_second}/second burst {burst}")
        }
        Expression::OpenOver(count) => format!("connlimit over {count}"),
    }
}

/// Names as such, other bytes in hexadecimal.
fn hex(bytes: &[u8]) -> String {
    let zero = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (name, _) = bytes.split_at(zero);
    if name.len() >= 2 && name.iter().all(u8::is_ascii_alphanumeric) {
        let rest = bytes.get(16..).unwrap_or_default();
        let rest = if rest.is_empty() { String::new() } else { format!(" {}", hex(rest)) };
        return format!("\"{}\"{rest}", String::from_utf8_lossy(name));
    }
    bytes.iter().fold("0x".into(), |text, byte| text + &format!("{byte:02x}"))
}
