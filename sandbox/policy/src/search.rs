//! From the call's number to what is decided about it: a balanced search tree over ranges of numbers.

use std::collections::BTreeMap;

use crate::graph::{Comparison, Graph, Node, NodeId};

/// Numbers from `first` to the next range's first have the same decision.
#[derive(Debug, Clone, Copy)]
struct Range {
    first: u32,
    decision: NodeId,
}

/// Adds the tree; `decisions` has every number that is not decided like the rest.
pub(crate) fn tree(graph: &mut Graph, decisions: &BTreeMap<u32, NodeId>, rest: NodeId) -> NodeId {
    let mut ranges = vec![Range { first: 0, decision: rest }];
    let mut begin = |first: u32, decision: NodeId| {
        // A range of no numbers gives way to what begins where it does.
        if ranges.last().is_some_and(|last| last.first == first) {
            ranges.pop();
        }
        if ranges.last().is_none_or(|last| last.decision != decision) {
            ranges.push(Range { first, decision });
        }
    };
    for (number, decision) in decisions {
        begin(*number, *decision);
        if let Some(after) = number.checked_add(1) {
            begin(after, rest);
        }
    }
    split(graph, &ranges, rest)
}

fn split(graph: &mut Graph, ranges: &[Range], rest: NodeId) -> NodeId {
    match ranges {
        [] => rest,
        [only] => only.decision,
        // One number among others: one comparison instead of two.
        [low, one, high] if low.decision == high.decision && high.first == one.first + 1 => {
            graph.add(Node::Branch {
                test: Comparison::Equal,
                value: one.first,
                if_true: one.decision,
                if_false: low.decision,
            })
        }
        ranges => {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            let Some(value) = high.first().map(|range| range.first) else { return rest };
            let if_false = split(graph, low, rest);
            let if_true = split(graph, high, rest);
            graph.add(Node::Branch { test: Comparison::GreaterOrEqual, value, if_true, if_false })
        }
    }
}
