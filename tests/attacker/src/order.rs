//! What the witness tells the attacker: which attack is due, and everything that an attacker could know.

use std::collections::BTreeMap;

use crate::catalogue::{ATTACKER, VICTIM};

/// Length of a secret, in bytes: it fits the name of a process.
pub(crate) const TOKEN: usize = 12;

/// An attack that is due.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    /// Number, which comes back in the name of the attacker's process.
    pub(crate) number: u32,
    /// Which attack.
    pub(crate) name: String,
    /// What it is to leave behind where that is its goal; where a secret is to be read, only a part of its place.
    pub(crate) token: String,
    /// What it knows: numbers of processes, addresses, devices.
    pub(crate) facts: BTreeMap<String, String>,
}

impl Order {
    /// As a line.
    pub(crate) fn line(&self) -> String {
        let facts = self.facts.iter().map(|(name, value)| format!(" {name}={value}"));
        format!("{} {} {}{}\n", self.number, self.name, self.token, facts.collect::<String>())
    }

    /// Out of a line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (number, name, token) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
        let facts = words.filter_map(|word| word.split_once('='));
        let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Some(Self { number, name: name.to_owned(), token: token.to_owned(), facts })
    }

    /// A fact as text; empty if it is not known.
    pub(crate) fn fact(&self, name: &str) -> &str {
        self.facts.get(name).map_or("", String::as_str)
    }

    /// A fact as a number; 0 if it is not known.
    pub(crate) fn number(&self, name: &str) -> usize {
        let text = self.fact(name);
        match text.strip_prefix("0x") {
            Some(digits) => usize::from_str_radix(digits, 16).unwrap_or(0),
            None => text.parse().unwrap_or(0),
        }
    }

    /// Where the attacker may write.
    pub(crate) fn own(&self) -> String {
        let outside = format!("/data/apps/{ATTACKER}");
        if std::fs::metadata(&outside).is_ok() { outside } else { "/data".to_owned() }
    }

    /// A file in the attacker's own folder that is only this attack's.
    pub(crate) fn own_file(&self) -> String {
        format!("{}/nacre-at-{}", self.own(), self.token)
    }

    /// What stands before a secret of this attack.
    pub(crate) fn mark(&self) -> String {
        format!("NACRE:{}:", self.name)
    }
}

/// The victim's data, where the OS has them.
pub(crate) fn victim_file(name: &str) -> String {
    format!("/data/apps/{VICTIM}/{name}")
}

/// A secret of the OS: only root may read it.
pub(crate) const OS_SECRET: &str = "/data/state/attack-secret";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_sent_as_a_line_is_read_back() {
        let mut order =
            Order { number: 7, name: "a-b".into(), token: "0123456789ab".into(), ..Order::default() };
        order.facts.insert("victim".into(), "41".into());
        order.facts.insert("at".into(), "0xff".into());
        let read = Order::parse(&order.line()).unwrap();
        assert_eq!((read.number, read.name.as_str(), read.token.as_str()), (7, "a-b", "0123456789ab"));
        assert_eq!((read.number("victim"), read.number("at"), read.number("none")), (41, 255, 0));
        assert!(Order::parse("x y z").is_none());
    }
}
