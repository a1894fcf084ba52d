//! What a program decides, as a graph without detours: the compiler's jumps to jumps and repeated loads are
//! not in it, and equal parts are there once.

use std::collections::BTreeMap;

use seccompiler::sock_filter;

use crate::compile::CompileFilterError;
use crate::instruction::{
    AND, JUMP, JUMP_IF_EQUAL, JUMP_IF_GREATER, JUMP_IF_GREATER_OR_EQUAL, LOAD_WORD, OFFSET_OF_NUMBER, RETURN,
};

/// A step of a decision; its number in the [`Graph`].
pub(crate) type NodeId = usize;

/// A step of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    /// The verdict.
    Return(u32),
    /// Loads a word of `struct seccomp_data`.
    Load { offset: u32, next: NodeId },
    /// Keeps the bits of a mask.
    And { mask: u32, next: NodeId },
    /// Goes one way or the other.
    Branch { test: Comparison, value: u32, if_true: NodeId, if_false: NodeId },
}

/// How a branch compares the loaded word with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Equal => JUMP_IF_EQUAL,
            Self::Greater => JUMP_IF_GREATER,
            Self::GreaterOrEqual => JUMP_IF_GREATER_OR_EQUAL,
        }
    }

    const fn holds(self, word: u32, value: u32) -> bool {
        match self {
            Self::Equal => word == value,
            Self::Greater => word > value,
            Self::GreaterOrEqual => word >= value,
        }
    }
}

/// What is known of the accumulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Accumulator {
    /// It is the call's number, and that is known.
    Number(u32),
    /// It is a word of `struct seccomp_data`, with these bits.
    Word { offset: u32, mask: u32 },
}

/// Steps of decisions, each one once.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    ids: BTreeMap<Node, NodeId>,
    read: BTreeMap<(usize, Accumulator), NodeId>,
}

impl Graph {
    /// The step of that number.
    pub(crate) fn node(&self, id: NodeId) -> Option<Node> {
        self.nodes.get(id).copied()
    }

    /// The number of a step. A branch both of whose ways are the same is none.
    pub(crate) fn add(&mut self, node: Node) -> NodeId {
        if let Node::Branch { if_true, if_false, .. } = node
            && if_true == if_false
        {
            return if_true;
        }
        *self.ids.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }

    /// What `program` decides about the call of that number, from the instruction at `start` on, where the
    /// number is loaded.
    ///
    /// # Errors
    /// [`CompileFilterError::Shape`] at an instruction that no such program has.
    pub(crate) fn decision(
        &mut self,
        program: &[sock_filter],
        start: usize,
        number: u32,
    ) -> Result<NodeId, CompileFilterError> {
        self.follow(program, start, Accumulator::Number(number))
    }

    fn follow(
        &mut self,
        program: &[sock_filter],
        mut at: usize,
        accumulator: Accumulator,
    ) -> Result<NodeId, CompileFilterError> {
        // Until the first step whose outcome the call's number does not decide. Jumps lead forward only.
        loop {
            let shape = CompileFilterError::Shape(at);
            let Some(instruction) = program.get(at) else { return Err(shape) };
            match (instruction.code, accumulator) {
                (JUMP, _) => at = target(at, instruction.k).ok_or(shape)?,
                (code, Accumulator::Number(number)) => {
                    let Some(test) = comparison(code) else { break };
                    let offset =
                        if test.holds(number, instruction.k) { instruction.jt } else { instruction.jf };
                    at = target(at, u32::from(offset)).ok_or(shape)?;
                }
                _ => break,
            }
        }
        if let Some(id) = self.read.get(&(at, accumulator)) {
            return Ok(*id);
        }
        let id = self.step(program, at, accumulator)?;
        // What follows a known number is another graph for every number, and read only once.
        if matches!(accumulator, Accumulator::Word { .. }) {
            self.read.insert((at, accumulator), id);
        }
        Ok(id)
    }

    fn step(
        &mut self,
        program: &[sock_filter],
        at: usize,
        accumulator: Accumulator,
    ) -> Result<NodeId, CompileFilterError> {
        let shape = || CompileFilterError::Shape(at);
        let instruction = program.get(at).ok_or_else(shape)?;
        match (instruction.code, accumulator) {
            (RETURN, _) => Ok(self.add(Node::Return(instruction.k))),
            (LOAD_WORD, _) if instruction.k != OFFSET_OF_NUMBER => self.load(program, at, accumulator),
            (AND, Accumulator::Word { offset, mask }) => {
                let known = Accumulator::Word { offset, mask: mask & instruction.k };
                let next = self.follow(program, at + 1, known)?;
                Ok(self.add(Node::And { mask: instruction.k, next }))
            }
            (code, Accumulator::Word { .. }) => {
                let test = comparison(code).ok_or_else(shape)?;
                let way = |offset: u8| target(at, u32::from(offset)).ok_or_else(shape);
                let if_true = self.follow(program, way(instruction.jt)?, accumulator)?;
                let if_false = self.follow(program, way(instruction.jf)?, accumulator)?;
                Ok(self.add(Node::Branch { test, value: instruction.k, if_true, if_false }))
            }
            _ => Err(shape()),
        }
    }

    /// A load, with the mask behind it if there is one: left out as far as the accumulator holds it already.
    fn load(
        &mut self,
        program: &[sock_filter],
        at: usize,
        accumulator: Accumulator,
    ) -> Result<NodeId, CompileFilterError> {
        let offset = program.get(at).ok_or(CompileFilterError::Shape(at))?.k;
        let mask = program.get(at + 1).filter(|next| next.code == AND).map(|next| next.k);
        let (whole, behind) = (Accumulator::Word { offset, mask: u32::MAX }, at + 1);
        if let Some(mask) = mask
            && accumulator == (Accumulator::Word { offset, mask })
        {
            return self.follow(program, behind + 1, accumulator);
        }
        let next = self.follow(program, behind, whole)?;
        Ok(if accumulator == whole { next } else { self.add(Node::Load { offset, next }) })
    }
}

fn comparison(code: u16) -> Option<Comparison> {
    [Comparison::Equal, Comparison::Greater, Comparison::GreaterOrEqual]
        .into_iter()
        .find(|test| test.code() == code)
}

/// Jumps count from the instruction behind them.
fn target(at: usize, offset: u32) -> Option<usize> {
    usize::try_from(offset).ok()?.checked_add(at)?.checked_add(1)
}
