//! From the allow-list to the instructions that the kernel loads.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use crate::arch::Arch;
use crate::call::{Call, Condition, Test, on_both};
use crate::groups::GROUPS;

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

/// What a filter is made with. The default is every group.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// Names of the groups whose calls are denied as well.
    pub without: &'a [&'a str],
}

/// Why no filter was made.
#[derive(Debug, thiserror::Error)]
pub enum CompileFilterError {
    /// A name in [`Options::without`] is no group's.
    #[error("compile the seccomp filter: there is no group `{0}`")]
    UnknownGroup(String),
    /// The compiler refused a rule or the filter is too long for the kernel.
    #[error("compile the seccomp filter")]
    Compiler(#[from] BackendError),
    /// The compiler's output does not begin as expected: it is another version than this was made for.
    #[error("compile the seccomp filter: instruction {0} is not the expected one")]
    Shape(usize),
}

const LOAD_WORD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
const KILL_PROCESS: u32 = 0x8000_0000;
const FAIL: u32 = 0x0005_0000;
const OFFSET_OF_NUMBER: u32 = 0;
const OFFSET_OF_ARCH: u32 = 4;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// The filter for `arch`: an array of `struct sock_filter`, 8 bytes each, little-endian, the same bytes
/// for the same options on every host.
///
/// # Errors
///
/// [`CompileFilterError`] if `options` name a group that does not exist; the rest would be a mistake in
/// the allow-list or a new version of the compiler, and the tests find it.
pub fn compile(arch: Arch, options: &Options<'_>) -> Result<Vec<u8>, CompileFilterError> {
    if let Some(unknown) = options.without.iter().find(|name| GROUPS.iter().all(|group| group.name != **name))
    {
        return Err(CompileFilterError::UnknownGroup((*unknown).to_owned()));
    }
    let mut rules = BTreeMap::new();
    for group in GROUPS.iter().filter(|group| !options.without.contains(&group.name)) {
        for call in group.calls {
            if let Some(number) = call.number(arch) {
                rules.insert(i64::from(number), rules_of(call)?);
            }
        }
    }
    // The compiler does not know 32-bit ARM. Its output depends on the target in one constant only,
    // which `for_arch` checks and sets.
    let program: BpfProgram =
        SeccompFilter::new(rules, SeccompAction::Errno(EPERM), SeccompAction::Allow, TargetArch::x86_64)?
            .try_into()?;
    let program = with_absent(for_arch(program, arch)?, arch);
    Ok(program.iter().flat_map(bytes_of).collect())
}

fn rules_of(call: &Call) -> Result<Vec<SeccompRule>, BackendError> {
    call.if_any
        .iter()
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
    program.splice(4..4, answers.collect::<Vec<_>>());
    program
}

fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

fn bytes_of(instruction: &sock_filter) -> [u8; 8] {
    let [c0, c1] = instruction.code.to_le_bytes();
    let [k0, k1, k2, k3] = instruction.k.to_le_bytes();
    [c0, c1, instruction.jt, instruction.jf, k0, k1, k2, k3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluator::{Data, Verdict, evaluate};

    const BOTH: [Arch; 2] = [Arch::Armv7, Arch::X86_64];
    const DENIED: Verdict = Verdict::Error(1);

    fn filter(arch: Arch) -> Vec<u8> {
        compile(arch, &Options::default()).unwrap()
    }

    fn verdict(filter: &[u8], arch: Arch, number: u32, arguments: &[u64]) -> Verdict {
        evaluate(filter, &Data::new(number, arch.audit_value(), arguments))
    }

    fn number(name: &str, arch: Arch) -> u32 {
        let call = GROUPS.iter().flat_map(|group| group.calls).find(|call| call.name == name);
        call.and_then(|call| call.number(arch)).unwrap_or_else(|| panic!("{name} on {arch}"))
    }

    /// Arguments that satisfy one set of conditions, and for each condition some that miss only it.
    fn fitting(set: &[Condition]) -> [u64; 6] {
        let mut arguments = [0; 6];
        for condition in set {
            arguments[usize::from(condition.argument)] = match condition.test {
                Test::Is(value) | Test::Masked { value, .. } => u64::from(value),
                Test::Null => 0,
            };
        }
        arguments
    }

    #[test]
    fn every_allowed_call_passes_with_each_set_of_its_arguments() {
        for arch in BOTH {
            let filter = filter(arch);
            for call in GROUPS.iter().flat_map(|group| group.calls) {
                let Some(number) = call.number(arch) else { continue };
                if call.if_any.is_empty() {
                    let verdict = verdict(&filter, arch, number, &[u64::MAX; 6]);
                    assert_eq!(verdict, Verdict::Allow, "{} on {arch}", call.name);
                }
                for set in call.if_any {
                    let arguments = fitting(set);
                    let verdict = verdict(&filter, arch, number, &arguments);
                    assert_eq!(verdict, Verdict::Allow, "{} {arguments:x?} on {arch}", call.name);
                }
            }
        }
    }

    #[test]
    fn every_call_with_conditions_is_denied_when_no_set_holds() {
        for arch in BOTH {
            let filter = filter(arch);
            for call in GROUPS.iter().flat_map(|group| group.calls) {
                let Some(number) = call.number(arch) else { continue };
                if !call.if_any.is_empty() {
                    let verdict = verdict(&filter, arch, number, &[0xffff_fffe; 6]);
                    assert_eq!(verdict, DENIED, "{} on {arch}", call.name);
                }
            }
        }
    }

    #[test]
    fn every_number_outside_the_list_is_denied_or_absent() {
        for arch in BOTH {
            let filter = filter(arch);
            let allowed: Vec<u32> =
                GROUPS.iter().flat_map(|group| group.calls).filter_map(|call| call.number(arch)).collect();
            let absent: Vec<u32> = ABSENT.iter().filter_map(|call| call.number(arch)).collect();
            // The x32 calls of x86_64 have bit 30 set; ARM's private ones begin at 0x0f0000.
            for number in (0..1024).chain(0x0f_0000..0x0f_0010).chain(0x4000_0000..0x4000_0400) {
                let verdict = verdict(&filter, arch, number, &[0; 6]);
                if absent.contains(&number) {
                    assert_eq!(verdict, Verdict::Error(38), "{number} on {arch}");
                } else if !allowed.contains(&number) {
                    assert_eq!(verdict, DENIED, "{number} on {arch}");
                }
            }
        }
    }

    #[test]
    fn call_of_another_architecture_kills() {
        for (arch, other) in [(Arch::Armv7, Arch::X86_64), (Arch::X86_64, Arch::Armv7)] {
            let read = number("read", arch);
            assert_eq!(verdict(&filter(arch), other, read, &[0; 6]), Verdict::Kill);
            // i386 on x86_64.
            assert_eq!(evaluate(&filter(arch), &Data::new(read, 0x4000_0003, &[])), Verdict::Kill);
        }
    }

    #[test]
    fn altered_argument_is_refused() {
        const UNIX: u64 = 1;
        const INET: u64 = 2;
        const CLOEXEC_NONBLOCK: u64 = 0o2_004_000;
        let cases: &[(&str, &[u64], Verdict)] = &[
            ("socket", &[UNIX, 5 | CLOEXEC_NONBLOCK, 0], Verdict::Allow),
            ("socket", &[INET, 1 | CLOEXEC_NONBLOCK, 6], Verdict::Allow),
            ("socket", &[INET, 2, 0], Verdict::Allow),
            ("socket", &[INET, 3, 1], DENIED),   // raw ICMP
            ("socket", &[INET, 2, 1], DENIED),   // ping socket
            ("socket", &[INET, 1, 262], DENIED), // MPTCP, which Landlock does not see
            ("socket", &[INET, 1, 132], DENIED), // SCTP
            ("socket", &[INET, 5, 0], DENIED),   // SCTP by type
            ("socket", &[10, 1, 0], DENIED),     // IPv6
            ("socket", &[16, 3, 0], DENIED),     // netlink
            ("socket", &[17, 3, 768], DENIED),   // packet
            ("socket", &[38, 5, 0], DENIED),     // kernel crypto
            ("socket", &[40, 1, 0], DENIED),     // vsock
            ("socketpair", &[INET, 1, 0], DENIED),
            ("clone", &[0x007d_0f00], Verdict::Allow), // a thread, as musl and std make it
            ("clone", &[17], Verdict::Allow),          // fork
            ("clone", &[17 | 0x1000_0000], DENIED),    // user namespace
            ("clone", &[17 | 0x0002_0000], DENIED),    // mount namespace
            ("clone", &[17 | 0x4000_0000], DENIED),    // network namespace
            ("clone", &[17 | 0x2000], DENIED),         // tracing
            ("mprotect", &[0x1000, 4096, 3], Verdict::Allow),
            ("mprotect", &[0x1000, 4096, 5], DENIED),
            ("prctl", &[15, 0x1000], Verdict::Allow),
            ("prctl", &[4, 1], DENIED),  // dumpable
            ("prctl", &[22, 2], DENIED), // another filter
            ("futex", &[0x1000, 128], Verdict::Allow),
            ("futex", &[0x1000, 9 | 128 | 256], Verdict::Allow),
            ("futex", &[0x1000, 6 | 128], DENIED), // priority inheritance
            ("futex", &[0x1000, 12 | 128], DENIED), // requeue to it
            ("ioctl", &[1, 0x5413], Verdict::Allow),
            ("ioctl", &[1, 0x5412], DENIED), // TIOCSTI: type into the terminal
            ("ioctl", &[1, 0x541c], DENIED), // TIOCLINUX
            ("madvise", &[0x1000, 4096, 4], Verdict::Allow),
            ("madvise", &[0x1000, 4096, 100], DENIED), // poison a page
            ("prlimit64", &[0, 7, 0, 0x1000], Verdict::Allow),
            ("prlimit64", &[0, 7, 0x1000, 0], DENIED),
            ("setsockopt", &[3, 1, 20], Verdict::Allow),
            ("setsockopt", &[3, 1, 26], DENIED), // attach a filter
            ("setsockopt", &[3, 0, 64], DENIED), // netfilter's table of rules
        ];
        for arch in BOTH {
            let filter = filter(arch);
            for (name, arguments, expected) in cases {
                let verdict = verdict(&filter, arch, number(name, arch), arguments);
                assert_eq!(verdict, *expected, "{name} {arguments:x?} on {arch}");
            }
            let map = number(if arch == Arch::Armv7 { "mmap2" } else { "mmap" }, arch);
            for (protection, expected) in
                [(0, Verdict::Allow), (3, Verdict::Allow), (5, Verdict::Allow), (6, DENIED), (7, DENIED)]
            {
                assert_eq!(verdict(&filter, arch, map, &[0, 4096, protection]), expected);
            }
        }
        // A pointer counts in its full width.
        let x86 = filter(Arch::X86_64);
        assert_eq!(verdict(&x86, Arch::X86_64, 302, &[0, 7, 0x1_0000_0000, 0]), DENIED);
    }

    #[test]
    fn group_left_out_is_denied_and_an_unknown_one_is_an_error() {
        let filter = compile(Arch::Armv7, &Options { without: &["sockets"] }).unwrap();
        assert_eq!(verdict(&filter, Arch::Armv7, number("socket", Arch::Armv7), &[1, 1, 0]), DENIED);
        let error = compile(Arch::Armv7, &Options { without: &["socket"] }).unwrap_err();
        assert_eq!(error.to_string(), "compile the seccomp filter: there is no group `socket`");
    }

    #[test]
    fn program_of_another_shape_is_refused() {
        let program = vec![instruction(LOAD_WORD, 0, 0, OFFSET_OF_ARCH), instruction(RETURN, 0, 0, 0)];
        assert!(matches!(for_arch(program, Arch::Armv7), Err(CompileFilterError::Shape(1))));
    }

    #[test]
    fn filter_is_reproducible_and_within_the_kernels_bound() {
        for arch in BOTH {
            let filter = filter(arch);
            assert_eq!(filter, self::filter(arch));
            assert_eq!(filter.len() % 8, 0);
            assert!(filter.len() / 8 <= 2048, "{} instructions on {arch}", filter.len() / 8);
        }
    }

    #[test]
    fn list_agrees_with_the_kernels_table() {
        let tables = [include_str!("../testdata/armv7.txt"), include_str!("../testdata/x86_64.txt")];
        for (arch, table) in BOTH.into_iter().zip(tables) {
            let kernel: BTreeMap<&str, u32> = table
                .lines()
                .filter_map(|line| line.split_once(' '))
                .filter_map(|(name, number)| Some((name, number.parse().ok()?)))
                .collect();
            assert!(kernel.len() > 350);
            for call in GROUPS.iter().flat_map(|group| group.calls).chain(ABSENT) {
                if let Some(number) = call.number(arch) {
                    assert_eq!(kernel.get(call.name), Some(&number), "{} on {arch}", call.name);
                }
            }
        }
    }

    #[test]
    fn list_has_no_number_and_no_name_twice() {
        for arch in BOTH {
            let mut seen = BTreeMap::new();
            for call in GROUPS.iter().flat_map(|group| group.calls).chain(ABSENT) {
                assert!(!call.reason.is_empty(), "{} has no reason", call.name);
                if let Some(number) = call.number(arch) {
                    assert_eq!(seen.insert(number, call.name), None, "{} on {arch}", call.name);
                }
            }
        }
    }
}
