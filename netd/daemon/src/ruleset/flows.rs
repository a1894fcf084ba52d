//! The kernel's table of flows: packets of TCP connections that the rules have let through go past most of them.
//!
//! It only spares work. A packet goes past the rules if its link, addresses and ports are those of a connection in the
//! table, so it has the source that `check-sources` has seen; FIN, RST, fragments and all others take the way through.

use std::borrow::Cow;

use super::change::{Change, Name};
use super::expression::{Connection, ESTABLISHED, Expression, FIRST, PROTOCOL, TCP, is, is_not};

const FLOWS: Name = Cow::Borrowed("flows");

/// The table without links, and the rule that fills it. The rules that decide stay as they are behind it: a new
/// connection is none of its business, and for one that is known it decides nothing.
pub(crate) const BEGIN: &[Change] = &[
    Change::AddFlows { name: FLOWS, link: None },
    Change::AddFirstRule {
        chain: Cow::Borrowed("forward"),
        expressions: Cow::Borrowed(&[
            PROTOCOL,
            is(&[TCP]),
            Expression::Connection(Connection::State, FIRST),
            Expression::Mask(ESTABLISHED),
            is_not(&[0; 4]),
            Expression::KeepFlow(FLOWS),
        ]),
    },
];

/// Lets the table see what comes in by a link.
pub(crate) fn add(link: Name) -> Change {
    Change::AddFlows { name: FLOWS, link: Some(link) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ruleset::text::golden;

    #[test]
    fn table_of_flows_is_the_golden_one() {
        golden("flows", &[BEGIN, &[add("eth0".into()), add("app3".into())]].concat());
    }
}
