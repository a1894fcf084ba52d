//! From the graph to instructions in a row, all of whose jumps lead forward and as far as they can reach.

use std::collections::BTreeMap;

use seccompiler::sock_filter;

use crate::compile::CompileFilterError;
use crate::graph::{Graph, Node, NodeId};
use crate::instruction::{AND, JUMP, LOAD_WORD, RETURN, instruction};

/// The instructions behind the one that is laid next, the last one first: what is jumped to is there before
/// the jump.
#[derive(Debug, Default)]
struct Layout {
    reversed: Vec<sock_filter>,
    /// The nearest instruction that does the same as the step.
    places: BTreeMap<NodeId, usize>,
}

/// Lays everything out that `root` leads to, `root` first.
///
/// # Errors
/// [`CompileFilterError::Distance`] if it is longer than any jump.
pub(crate) fn lay(graph: &Graph, root: NodeId) -> Result<Vec<sock_filter>, CompileFilterError> {
    let mut layout = Layout::default();
    layout.place(graph, root)?;
    layout.follow_with(graph, root)?;
    layout.reversed.reverse();
    Ok(layout.reversed)
}

impl Layout {
    /// Lays a step and what it leads to, unless it is there.
    fn place(&mut self, graph: &Graph, id: NodeId) -> Result<(), CompileFilterError> {
        if self.places.contains_key(&id) {
            return Ok(());
        }
        let node = graph.node(id).ok_or(CompileFilterError::Distance)?;
        let laid = match node {
            Node::Return(verdict) => instruction(RETURN, 0, 0, verdict),
            Node::Load { offset, next } => {
                self.place(graph, next)?;
                self.follow_with(graph, next)?;
                instruction(LOAD_WORD, 0, 0, offset)
            }
            Node::And { mask, next } => {
                self.place(graph, next)?;
                self.follow_with(graph, next)?;
                instruction(AND, 0, 0, mask)
            }
            Node::Branch { test, value, if_true, if_false } => {
                self.place(graph, if_true)?;
                self.place(graph, if_false)?;
                // What makes one of them near moves the other one away by an instruction.
                self.bring_near(graph, if_true, 1)?;
                self.bring_near(graph, if_false, 0)?;
                let near = |offset: Option<usize>| offset.and_then(|o| u8::try_from(o).ok());
                let jt = near(self.distance(if_true)).ok_or(CompileFilterError::Distance)?;
                let jf = near(self.distance(if_false)).ok_or(CompileFilterError::Distance)?;
                instruction(test.code(), jt, jf, value)
            }
        };
        self.push(id, laid);
        Ok(())
    }

    fn push(&mut self, id: NodeId, laid: sock_filter) {
        self.places.insert(id, self.reversed.len());
        self.reversed.push(laid);
    }

    /// Instructions between the one that is laid next and the step.
    fn distance(&self, id: NodeId) -> Option<usize> {
        self.places.get(&id).map(|place| self.reversed.len() - place - 1)
    }

    /// Sees to it that the step comes next.
    fn follow_with(&mut self, graph: &Graph, id: NodeId) -> Result<(), CompileFilterError> {
        if self.distance(id) == Some(0) { Ok(()) } else { self.stand_in(graph, id) }
    }

    /// Sees to it that a conditional jump, whose offset has 8 bits, reaches the step even after `more`
    /// instructions.
    fn bring_near(&mut self, graph: &Graph, id: NodeId, more: usize) -> Result<(), CompileFilterError> {
        match self.distance(id) {
            Some(distance) if distance + more <= usize::from(u8::MAX) => Ok(()),
            _ => self.stand_in(graph, id),
        }
    }

    /// Lays what does the same as the step: a verdict again, or a jump to it.
    fn stand_in(&mut self, graph: &Graph, id: NodeId) -> Result<(), CompileFilterError> {
        let laid = match graph.node(id) {
            Some(Node::Return(verdict)) => instruction(RETURN, 0, 0, verdict),
            _ => {
                let distance = self.distance(id).and_then(|distance| u32::try_from(distance).ok());
                instruction(JUMP, 0, 0, distance.ok_or(CompileFilterError::Distance)?)
            }
        };
        self.push(id, laid);
        Ok(())
    }
}
