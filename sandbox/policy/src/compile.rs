//! From the allow-list to the instructions that the kernel loads.
//!
//! The rules are compiled by seccompiler. What it makes is right, but long and searched from the first call
//! to the last one; so its decision for each number is read off ([`crate::graph`]) and put into a search
//! tree ([`crate::search`]). The tests hold both against each other.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::arch::Arch;
use crate::call::{Call, Condition, Test, on_both};
use crate::graph::{Comparison, Graph, Node, NodeId};
use crate::groups::GROUPS;
use crate::instruction::{
    ALLOW, FAIL, JUMP_IF_EQUAL, KILL_PROCESS, LOAD_WORD, NOTIFY, OFFSET_OF_ARCH, OFFSET_OF_NUMBER, RETURN,
    bytes_of, instruction, offset_of_argument,
};
use crate::layout::lay;
use crate::netd;
use crate::options::{Denials, Options};
use crate::search::tree;
use crate::watched::{WATCHED, mark};

/// Calls that answer `ENOSYS`, as an older kernel would.
pub const ABSENT: &[Call] = &[
    on_both(
        "clone3",
        435,
        435,
        "its flags are in memory, out of the filter's sight; C libraries fall back to clone",
    ),
    on_both("rseq", 398, 334, "an optimisation that C libraries do without"),
];

/// Why no filter was made.
#[derive(Debug, thiserror::Error)]
pub enum CompileFilterError {
    /// A name in [`Options::without`] is no group's.
    #[error("compile the seccomp filter: there is no group `{0}`")]
    UnknownGroup(String),
    /// The compiler refused a rule or the filter is too long for the kernel.
    #[error("compile the seccomp filter")]
    Compiler(#[from] BackendError),
    /// The compiler's output is not of the expected shape: it is another version than this was made for.
    #[error("compile the seccomp filter: instruction {0} is not the expected one")]
    Shape(usize),
    /// A call is to be watched that is not simply allowed.
    #[error("compile the seccomp filter: `{0}` is not allowed with any argument, so it can't be watched")]
    Watched(&'static str),
    /// The filter is longer than any jump.
    #[error("compile the seccomp filter: a jump is too far")]
    Distance,
}

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Instructions before the first rule: [`for_arch`].
const PREFIX: usize = 4;

/// The filter of an app for `arch`: an array of `struct sock_filter`, 8 bytes each, little-endian, the same
/// bytes for the same options on every host.
///
/// # Errors
///
/// [`CompileFilterError`] if `options` name a group that does not exist; the rest would be a mistake in
/// the allow-list or a new version of the compiler, and the tests find it.
pub fn compile(arch: Arch, options: &Options<'_>) -> Result<Vec<u8>, CompileFilterError> {
    Ok(bytes(&searched(&Rules::of_app(arch, options)?)?))
}

/// The filter of netd for `arch`, in the same form.
///
/// # Errors
///
/// As [`compile`].
pub fn compile_netd(arch: Arch) -> Result<Vec<u8>, CompileFilterError> {
    Ok(bytes(&searched(&Rules::of_netd(arch)?)?))
}

fn bytes(program: &BpfProgram) -> Vec<u8> {
    program.iter().flat_map(bytes_of).collect()
}

/// What is allowed: by a call's number, the sets of its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    arch: Arch,
    allowed: BTreeMap<u32, Vec<SeccompRule>>,
    denials: Denials,
}

impl Rules {
    pub(crate) fn of_app(arch: Arch, options: &Options<'_>) -> Result<Self, CompileFilterError> {
        let unknown = |name: &&&str| GROUPS.iter().all(|group| group.name != **name);
        if let Some(unknown) = options.without.iter().find(unknown) {
            return Err(CompileFilterError::UnknownGroup((*unknown).to_owned()));
        }
        let groups = GROUPS.iter().filter(|group| !options.without.contains(&group.name));
        Self::of(arch, groups.flat_map(|group| group.calls), options)
    }

    pub(crate) fn of_netd(arch: Arch) -> Result<Self, CompileFilterError> {
        Self::of(arch, netd::CALLS.iter(), &Options::default())
    }

    fn of<'c>(
        arch: Arch,
        calls: impl Iterator<Item = &'c Call>,
        options: &Options<'_>,
    ) -> Result<Self, CompileFilterError> {
        let mut allowed = BTreeMap::new();
        for call in calls {
            if let Some(number) = call.number(arch) {
                allowed.insert(number, rules_of(call, options)?);
            }
        }
        Ok(Self { arch, allowed, denials: options.denials })
    }
}

fn rules_of(call: &Call, options: &Options<'_>) -> Result<Vec<SeccompRule>, BackendError> {
    let granted = call.or_with.iter().filter(|(grant, _)| options.grants(*grant));
    call.if_any
        .iter()
        .chain(granted.flat_map(|(_, sets)| *sets))
        .map(|set| SeccompRule::new(set.iter().map(condition_of).collect::<Result<_, _>>()?))
        .collect()
}

fn condition_of(condition: &Condition) -> Result<SeccompCondition, BackendError> {
    let (length, operation, value) = match condition.test {
        Test::Is(value) => (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value),
        Test::Masked { mask, value } => {
            (SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(u64::from(mask)), value)
        }
        Test::Null => (SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0),
    };
    SeccompCondition::new(condition.argument, length, operation, u64::from(value))
}

/// The program as the compiler makes it: one call after the other.
pub(crate) fn linear(rules: &Rules) -> Result<BpfProgram, CompileFilterError> {
    let allowed = rules.allowed.iter().map(|(number, rules)| (i64::from(*number), rules.clone())).collect();
    // The compiler does not know 32-bit ARM. Its output depends on the target in one constant only,
    // which `for_arch` checks and sets.
    let program: BpfProgram =
        SeccompFilter::new(allowed, SeccompAction::Errno(EPERM), SeccompAction::Allow, TargetArch::x86_64)?
            .try_into()?;
    Ok(with_absent(with_answer(for_arch(program, rules.arch)?, rules.denials)?, rules.arch))
}

/// Puts the notification in place of the error: the compiler knows none. The error is in one kind of instruction
/// only, the return behind the rules of each call and behind them all.
fn with_answer(mut program: BpfProgram, denials: Denials) -> Result<BpfProgram, CompileFilterError> {
    let length = program.len();
    let error = instruction(RETURN, 0, 0, FAIL | EPERM);
    if program.last() != Some(&error) {
        return Err(CompileFilterError::Shape(length));
    }
    if denials != Denials::Error {
        for place in program.iter_mut().filter(|place| **place == error) {
            place.k = NOTIFY;
        }
    }
    Ok(program)
}

/// The same program as a search tree.
fn searched(rules: &Rules) -> Result<BpfProgram, CompileFilterError> {
    let linear = linear(rules)?;
    let mut graph = Graph::default();
    let absent = ABSENT.iter().filter_map(|call| call.number(rules.arch));
    let mut decisions = rules
        .allowed
        .keys()
        .copied()
        .chain(absent)
        .map(|number| Ok((number, graph.decision(&linear, PREFIX, number)?)))
        .collect::<Result<BTreeMap<_, _>, CompileFilterError>>()?;
    if rules.denials == Denials::NotifyAndWatch {
        watch(&mut graph, &mut decisions, rules.arch)?;
    }
    // No call has this number.
    let rest = graph.decision(&linear, PREFIX, u32::MAX)?;
    let tree = tree(&mut graph, &decisions, rest);
    let number = graph.add(Node::Load { offset: OFFSET_OF_NUMBER, next: tree });
    let kill = graph.add(Node::Return(KILL_PROCESS));
    let check = graph.add(Node::Branch {
        test: Comparison::Equal,
        value: rules.arch.audit_value(),
        if_true: number,
        if_false: kill,
    });
    let root = graph.add(Node::Load { offset: OFFSET_OF_ARCH, next: check });
    lay(&graph, root)
}

/// Notifies of [`WATCHED`] calls where they were allowed.
fn watch(
    graph: &mut Graph,
    decisions: &mut BTreeMap<u32, NodeId>,
    arch: Arch,
) -> Result<(), CompileFilterError> {
    let allow = graph.add(Node::Return(ALLOW));
    let notify = graph.add(Node::Return(NOTIFY | u32::from(mark(arch))));
    for watched in WATCHED {
        let Some(number) = watched.call.number(arch) else { continue };
        // One that is denied would be let through by whoever is told; one that is allowed with some arguments only
        // would need a place in each of its branches.
        let decision = decisions.get_mut(&number).filter(|decision| **decision == allow);
        let decision = decision.ok_or(CompileFilterError::Watched(watched.call.name))?;
        *decision = match watched.if_flags {
            None => notify,
            Some((argument, mask)) => {
                let none_set =
                    Node::Branch { test: Comparison::Equal, value: 0, if_true: allow, if_false: notify };
                let next = graph.add(none_set);
                let next = graph.add(Node::And { mask, next });
                graph.add(Node::Load { offset: offset_of_argument(argument), next })
            }
        };
    }
    Ok(())
}

/// Sets the architecture that the program lets through, after looking that it begins with: load the
/// architecture; if it is the expected one skip the next; kill; load the number.
fn for_arch(mut program: BpfProgram, arch: Arch) -> Result<BpfProgram, CompileFilterError> {
    let expected = [
        instruction(LOAD_WORD, 0, 0, OFFSET_OF_ARCH),
        instruction(JUMP_IF_EQUAL, 1, 0, Arch::X86_64.audit_value()),
        instruction(RETURN, 0, 0, KILL_PROCESS),
        instruction(LOAD_WORD, 0, 0, OFFSET_OF_NUMBER),
    ];
    for (index, expected) in expected.iter().enumerate() {
        if program.get(index) != Some(expected) {
            return Err(CompileFilterError::Shape(index));
        }
    }
    if let Some(check) = program.get_mut(1) {
        check.k = arch.audit_value();
    }
    Ok(program)
}

/// Puts the answers of [`ABSENT`] behind the four instructions that [`for_arch`] has looked at. Jumps
/// are relative and only forward, so nothing behind them changes.
fn with_absent(mut program: BpfProgram, arch: Arch) -> BpfProgram {
    let answers = ABSENT.iter().filter_map(|call| call.number(arch)).flat_map(|number| {
        [instruction(JUMP_IF_EQUAL, 0, 1, number), instruction(RETURN, 0, 0, FAIL | ENOSYS)]
    });
    program.splice(PREFIX..PREFIX, answers.collect::<Vec<_>>());
    program
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
