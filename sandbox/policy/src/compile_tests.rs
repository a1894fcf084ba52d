use super::*;
use crate::evaluator::{Data, Verdict, evaluate, evaluate_counting};
use crate::explain::{FAMILIES, OTHER};
use crate::{Experience, Network, REST};

#[path = "compile_tests/grants.rs"]
mod grants;
#[path = "compile_tests/tree.rs"]
mod tree;

const BOTH: [Arch; 2] = [Arch::Armv7, Arch::X86_64];
const DENIED: Verdict = Verdict::Error(1);

/// Everything that a manifest can grant.
const GRANTED: Options<'_> = Options {
    without: &[],
    network: Network::Present,
    gpio: true,
    uart: true,
    writable_executable: true,
    denials: Denials::Error,
};

const NETWORK: Options<'_> = Options { gpio: false, uart: false, writable_executable: false, ..GRANTED };

/// With a network.
fn filter(arch: Arch) -> Vec<u8> {
    compile(arch, &NETWORK).unwrap()
}

fn without_network(arch: Arch) -> Vec<u8> {
    compile(arch, &Options::default()).unwrap()
}

/// Everything that is compiled.
fn all_rules(arch: Arch) -> [Rules; 6] {
    let group_left_out = Options { without: &["sockets"], ..Options::default() };
    [
        Rules::of_app(arch, &Options::default()).unwrap(),
        Rules::of_app(arch, &NETWORK).unwrap(),
        Rules::of_app(arch, &group_left_out).unwrap(),
        Rules::of_netd(arch).unwrap(),
        Rules::of_app(arch, &GRANTED).unwrap(),
        Rules::of_app(arch, &Options { denials: Denials::Notify, ..GRANTED }).unwrap(),
    ]
}

/// Numbers of calls, of ARM's private ones, of x32's, and those around.
fn numbers() -> impl Iterator<Item = u32> {
    (0..1024).chain(0x0e_fff0..0x0f_0010).chain(0x3fff_fff0..0x4000_0400).chain([
        0x7fff_ffff,
        0x8000_0000,
        u32::MAX,
    ])
}

fn verdict(filter: &[u8], arch: Arch, number: u32, arguments: &[u64]) -> Verdict {
    evaluate(filter, &Data::new(number, arch.audit_value(), arguments))
}

fn number(name: &str, arch: Arch) -> u32 {
    let call = GROUPS.iter().flat_map(|group| group.calls).find(|call| call.name == name);
    call.and_then(|call| call.number(arch)).unwrap_or_else(|| panic!("{name} on {arch}"))
}

/// Every set of arguments with which a call is allowed, whatever the manifest must say for it.
fn sets_of(call: &Call) -> impl Iterator<Item = &'static [Condition]> {
    call.if_any.iter().chain(call.or_with.iter().flat_map(|(_, sets)| *sets)).copied()
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
        let filter = compile(arch, &GRANTED).unwrap();
        for call in GROUPS.iter().flat_map(|group| group.calls) {
            let Some(number) = call.number(arch) else { continue };
            if call.if_any.is_empty() {
                let verdict = verdict(&filter, arch, number, &[u64::MAX; 6]);
                assert_eq!(verdict, Verdict::Allow, "{} on {arch}", call.name);
            }
            for set in sets_of(call) {
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
        for number in numbers() {
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
        ("futex", &[0x1000, 6 | 128], DENIED),  // priority inheritance
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
        ("setsockopt", &[3, 1, 13], DENIED), // linger: whoever closes it last would wait
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
fn group_says_how_a_denial_is_experienced_as_its_filter_has_it() {
    for group in GROUPS {
        let conditional = group.calls.iter().any(|call| !call.if_any.is_empty());
        assert_eq!(matches!(group.denied, Experience::Error(_)), conditional, "{}", group.name);
        assert_eq!(group.denied == Experience::Never, !conditional, "{}", group.name);
    }
    // The table for people has the same words.
    let document = include_str!("../../../docs/DENIALS.md");
    let groups = GROUPS.iter().map(|group| (group.name, group.purpose, group.denied));
    for (name, what, denied) in groups.chain(REST.iter().copied()) {
        let row = format!("| {name} | {what} | {} | {} |", denied.sees(), denied.why());
        assert!(document.contains(&row), "docs/DENIALS.md lacks the row\n{row}");
    }
    for family in FAMILIES.iter().chain([&OTHER]) {
        let row = format!("| {} | {} |", family.name, family.reason);
        assert!(document.contains(&row), "docs/DENIALS.md lacks the row\n{row}");
    }
}

#[test]
fn group_left_out_is_denied_and_an_unknown_one_is_an_error() {
    let filter = compile(Arch::Armv7, &Options { without: &["sockets"], ..Options::default() }).unwrap();
    assert_eq!(verdict(&filter, Arch::Armv7, number("socket", Arch::Armv7), &[1, 1, 0]), DENIED);
    let error = compile(Arch::Armv7, &Options { without: &["socket"], ..Options::default() }).unwrap_err();
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
    let tables = [include_str!("tables/armv7.txt"), include_str!("tables/x86_64.txt")];
    for (arch, table) in BOTH.into_iter().zip(tables) {
        let kernel: BTreeMap<&str, u32> = table
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(name, number)| Some((name, number.parse().ok()?)))
            .collect();
        assert!(kernel.len() > 350);
        for call in GROUPS.iter().flat_map(|group| group.calls).chain(ABSENT).chain(netd::CALLS) {
            if let Some(number) = call.number(arch) {
                assert_eq!(kernel.get(call.name), Some(&number), "{} on {arch}", call.name);
            }
        }
    }
}

#[test]
fn list_has_no_number_and_no_name_twice() {
    for arch in BOTH {
        let of_apps: Vec<&Call> = GROUPS.iter().flat_map(|group| group.calls).chain(ABSENT).collect();
        for calls in [of_apps, netd::CALLS.iter().collect()] {
            let mut seen = BTreeMap::new();
            for call in calls {
                assert!(!call.reason.is_empty(), "{} has no reason", call.name);
                // Sets for the network would narrow a call that is allowed with any argument.
                assert!(!call.if_any.is_empty() || call.or_with.is_empty(), "{}", call.name);
                if let Some(number) = call.number(arch) {
                    assert_eq!(seen.insert(number, call.name), None, "{} on {arch}", call.name);
                }
            }
        }
    }
}
