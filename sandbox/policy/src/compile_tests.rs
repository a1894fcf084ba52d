use super::*;
use crate::evaluator::{Data, Verdict, evaluate, evaluate_counting};
use crate::explain::{FAMILIES, OTHER};
use crate::{Experience, Network, REST};

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
fn socket_of_the_network_is_for_apps_that_have_one() {
    const CLOEXEC_NONBLOCK: u64 = 0o2_004_000;
    for arch in BOTH {
        let (with, without) = (filter(arch), without_network(arch));
        let of = |filter: &[u8], name: &str, arguments: &[u64]| {
            verdict(filter, arch, number(name, arch), arguments)
        };
        for family in 0..64 {
            for kind in 0..16 {
                for protocol in [0, 1, 2, 6, 17, 33, 132, 136, 255, 262] {
                    let arguments = [family, kind | CLOEXEC_NONBLOCK, protocol];
                    let unix = family == 1 && [1, 2, 5].contains(&kind) && protocol == 0;
                    let ipv4 = family == 2 && matches!((kind, protocol), (1, 0 | 6) | (2, 0 | 17));
                    let expected = |allowed| if allowed { Verdict::Allow } else { DENIED };
                    assert_eq!(of(&without, "socket", &arguments), expected(unix), "{arguments:?} on {arch}");
                    assert_eq!(
                        of(&with, "socket", &arguments),
                        expected(unix || ipv4),
                        "{arguments:?} on {arch}"
                    );
                    assert_eq!(
                        of(&with, "socketpair", &arguments),
                        expected(unix),
                        "{arguments:?} on {arch}"
                    );
                }
            }
        }
        for (name, expected) in
            [("setsockopt", DENIED), ("connect", Verdict::Allow), ("bind", Verdict::Allow)]
        {
            assert_eq!(of(&with, name, &[3, 6, 1]), Verdict::Allow, "{name} on {arch}");
            assert_eq!(of(&without, name, &[3, 6, 1]), expected, "{name} on {arch}");
        }
    }
}

#[test]
fn netd_may_do_its_work_and_nothing_of_files_processes_and_modules() {
    for arch in BOTH {
        let filter = compile_netd(arch).unwrap();
        let table = if arch == Arch::Armv7 {
            include_str!("tables/armv7.txt")
        } else {
            include_str!("tables/x86_64.txt")
        };
        let number = |name: &str| {
            let mut lines = table.lines().filter_map(|line| line.split_once(' '));
            lines.find(|(known, _)| *known == name).and_then(|(_, number)| number.parse().ok()).unwrap()
        };
        let of = |name: &str, arguments: &[u64]| verdict(&filter, arch, number(name), arguments);
        assert_eq!(of("socket", &[2, 2 | 0o2_004_000, 0]), Verdict::Allow);
        assert_eq!(of("setsockopt", &[3, 1, 25]), Verdict::Allow, "SO_BINDTODEVICE");
        for (name, arguments) in [
            ("socket", [2, 1, 0]),  // TCP
            ("socket", [2, 3, 1]),  // raw
            ("socket", [16, 3, 0]), // netlink
            ("socket", [1, 5, 0]),  // unix
            ("setsockopt", [3, 1, 26]),
            ("setsockopt", [3, 0, 64]),
            ("mprotect", [0x1000, 4096, 4]),
            ("clone", [0x007d_0f00, 0, 0]),
        ] {
            assert_eq!(of(name, &arguments), DENIED, "{name} {arguments:?} on {arch}");
        }
        for name in [
            "open",
            "openat",
            "execve",
            "execveat",
            "fork",
            "vfork",
            "ptrace",
            "mount",
            "setns",
            "unshare",
            "bpf",
            "init_module",
            "finit_module",
            "delete_module",
            "reboot",
            "clock_settime",
            "settimeofday",
            "kexec_load",
            "process_vm_writev",
            "setuid",
            "capset",
            "prctl",
            "ioctl",
            "listen",
            "accept4",
            "memfd_create",
            "io_uring_setup",
            "openat2",
            "poll",
            "futex",
        ] {
            assert_eq!(of(name, &[0; 6]), DENIED, "{name} on {arch}");
        }
    }
}

#[test]
fn denied_call_is_notified_of_instead_and_nothing_else_changes() {
    for arch in BOTH {
        for options in [Options::default(), GRANTED] {
            let with_error = compile(arch, &options).unwrap();
            let notifying = compile(arch, &Options { denials: Denials::Notify, ..options }).unwrap();
            assert_eq!(notifying.len(), with_error.len());
            for number in numbers() {
                for arguments in [[0; 6], [u64::MAX; 6], [2, 1, 7, 0, 0, 0]] {
                    let expected = match verdict(&with_error, arch, number, &arguments) {
                        DENIED => Verdict::Notify,
                        other => other,
                    };
                    let found = verdict(&notifying, arch, number, &arguments);
                    assert_eq!(found, expected, "{number} {arguments:x?} on {arch}");
                }
            }
            assert_eq!(evaluate(&notifying, &Data::new(0, 0x4000_0003, &[])), Verdict::Kill);
        }
    }
}

#[test]
fn watched_calls_are_notified_of_when_they_change_something_and_only_in_a_watching_filter() {
    const CREATE_WRITE: u64 = 0o101;
    const READ_CLOEXEC_DIRECTORY: u64 = 0o2_200_000;
    for arch in BOTH {
        let options = Options { denials: Denials::Notify, ..GRANTED };
        let plain = compile(arch, &options).unwrap();
        let watching = compile(arch, &Options { denials: Denials::NotifyAndWatch, ..options }).unwrap();
        for watched in WATCHED {
            let number = watched.call.number(arch).unwrap();
            assert_eq!(number, self::number(watched.call.name, arch));
            assert!(crate::is_watched(arch, number));
            assert_eq!(verdict(&plain, arch, number, &[u64::MAX; 6]), Verdict::Allow);
            assert_eq!(verdict(&watching, arch, number, &[u64::MAX; 6]), Verdict::Notify);
        }
        for (name, flags_at) in [("open", 1), ("openat", 2)] {
            for (flags, expected) in [
                (0, Verdict::Allow),
                (READ_CLOEXEC_DIRECTORY, Verdict::Allow),
                (1, Verdict::Notify),
                (2, Verdict::Notify),
                (CREATE_WRITE, Verdict::Notify),
                (0o1000, Verdict::Notify),
            ] {
                let mut arguments = [0x7fff_0000_1000; 4];
                arguments[flags_at] = flags;
                let found = verdict(&watching, arch, number(name, arch), &arguments);
                assert_eq!(found, expected, "{name} {flags:o} on {arch}");
            }
        }
        for other in numbers().filter(|number| !crate::is_watched(arch, *number)) {
            let arguments = [1, 2, 3, 4, 5, 6];
            let found = verdict(&watching, arch, other, &arguments);
            assert_eq!(found, verdict(&plain, arch, other, &arguments), "{other} on {arch}");
        }
    }
    // Only a filter that was made for it is believed to have allowed them.
    for arch in BOTH {
        for denials in [Denials::Error, Denials::Notify, Denials::NotifyAndWatch] {
            for options in [Options::default(), GRANTED] {
                let filter = compile(arch, &Options { denials, ..options }).unwrap();
                let watching = denials == Denials::NotifyAndWatch;
                assert_eq!(crate::watches(&filter, arch), watching);
                assert!(!crate::watches(
                    &filter,
                    if arch == Arch::Armv7 { Arch::X86_64 } else { Arch::Armv7 }
                ));
                // What it would deny is never among what goes on.
                for watched in WATCHED.iter().filter(|_| !watching) {
                    let number = watched.call.number(arch).unwrap();
                    for argument in [0, 2, 0o101, u64::MAX] {
                        assert_eq!(verdict(&filter, arch, number, &[argument; 6]), Verdict::Allow);
                    }
                }
            }
        }
    }
    // Whoever is told of a watched call lets it go on: it must be one that was allowed.
    let options = Options { without: &["files"], denials: Denials::NotifyAndWatch, ..Options::default() };
    assert!(matches!(compile(Arch::Armv7, &options), Err(CompileFilterError::Watched("open"))));
}

#[test]
fn memory_that_is_writable_and_executable_is_for_a_manifest_that_asks_for_it() {
    for arch in BOTH {
        let without = compile(arch, &Options { writable_executable: false, ..GRANTED }).unwrap();
        let with = compile(arch, &Options { writable_executable: true, ..Options::default() }).unwrap();
        let map = if arch == Arch::Armv7 { "mmap2" } else { "mmap" };
        for protection in 0..8 {
            for (call, denied) in [(map, protection & 6 == 6), ("mprotect", protection & 4 != 0)] {
                let arguments = [0, 4096, protection];
                let expected = if denied { DENIED } else { Verdict::Allow };
                let found = verdict(&without, arch, number(call, arch), &arguments);
                assert_eq!(found, expected, "{call} {protection} on {arch}");
                let found = verdict(&with, arch, number(call, arch), &arguments);
                assert_eq!(found, Verdict::Allow, "{call} {protection} on {arch}");
            }
        }
        // The other ways to such memory stay closed, whatever the manifest says.
        let of_kernel = |name: &str| (0..500).find(|n| crate::explain::name(arch, *n) == Some(name));
        for call in [
            "pkey_mprotect",
            "shmat",
            "remap_file_pages",
            "personality",
            "memfd_create",
            "userfaultfd",
            "execveat",
        ] {
            let Some(number) = of_kernel(call) else { panic!("{call} on {arch}") };
            assert_eq!(verdict(&with, arch, number, &[0x40_0000; 6]), DENIED, "{call} on {arch}");
        }
    }
}

#[test]
fn device_commands_are_for_apps_that_have_the_device() {
    for arch in BOTH {
        for (gpio, uart) in [(false, false), (true, false), (false, true)] {
            let filter = compile(arch, &Options { gpio, uart, ..Options::default() }).unwrap();
            let of = |command: u64| verdict(&filter, arch, number("ioctl", arch), &[3, command]);
            let expected = |allowed| if allowed { Verdict::Allow } else { DENIED };
            for (command, allowed) in [
                (0xc010_b40e, gpio),
                (0xc010_b40f, gpio),
                (0x5409, uart),
                (0x540b, uart),
                (0xc110_b40d, false),
                (0xc250_b407, false),
                (0x5402, false),
                (0x5412, false),
            ] {
                assert_eq!(of(command), expected(allowed), "{command:#x} on {arch}");
            }
        }
    }
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

/// Arguments that are near to what conditions ask for, and far from it.
fn arguments_near(rules: &[&Call]) -> Vec<u64> {
    let mut values = vec![0, 1, u64::MAX, 1 << 32, 0xffff_fffe];
    for condition in rules.iter().flat_map(|call| sets_of(call)).flatten().copied() {
        let near = match condition.test {
            Test::Is(value) => [value, value ^ 1, value.wrapping_add(1), value | 0x8000_0000],
            Test::Masked { mask, value } => {
                [value, value | !mask, value ^ (mask & mask.wrapping_neg()), value ^ mask]
            }
            Test::Null => [0, 1, 2, 3],
        };
        values.extend(near.map(u64::from));
        values.push(u64::from(near[0]) | 1 << 40);
    }
    values.sort_unstable();
    values.dedup();
    values
}

#[test]
fn tree_agrees_with_the_compilers_program_for_every_number_and_argument() {
    let calls: Vec<&Call> = GROUPS.iter().flat_map(|group| group.calls).chain(netd::CALLS).collect();
    let conditional: Vec<&Call> = calls.iter().copied().filter(|call| !call.if_any.is_empty()).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for arch in BOTH {
        for rules in all_rules(arch) {
            let (long, short) = (bytes(&linear(&rules).unwrap()), bytes(&searched(&rules).unwrap()));
            let agree = |number: u32, arguments: &[u64]| {
                for of_arch in [arch.audit_value(), arch.audit_value() ^ 1] {
                    let data = Data::new(number, of_arch, arguments);
                    let expected = evaluate(&long, &data);
                    assert_eq!(evaluate(&short, &data), expected, "{number} {arguments:x?} on {arch}");
                }
            };
            for number in numbers() {
                agree(number, &[0; 6]);
                agree(number, &[u64::MAX; 6]);
                let words = next();
                agree(number, &[0, 8, 16, 24, 32, 40].map(|shift| words >> shift));
            }
            for call in &conditional {
                let Some(number) = call.number(arch) else { continue };
                let own = arguments_near(&[call]);
                let mut pick = || own[usize::try_from(next() % own.len() as u64).unwrap()];
                for _ in 0..500 {
                    agree(number, &[pick(), pick(), pick(), pick(), pick(), pick()]);
                }
                for set in sets_of(call) {
                    agree(number, &fitting(set));
                }
            }
        }
    }
}

#[test]
fn tree_is_short_and_its_paths_are() {
    for arch in BOTH {
        for (name, rules) in
            ["app", "app with network", "no sockets", "netd", "all grants", "all grants, notifying"]
                .iter()
                .zip(all_rules(arch))
        {
            let (long, short) = (bytes(&linear(&rules).unwrap()), bytes(&searched(&rules).unwrap()));
            // As many as the kernel tries when it fills its cache of verdicts (kernel/seccomp.c).
            let table = 0..470;
            let steps = |filter: &[u8]| -> Vec<usize> {
                let run =
                    |number| evaluate_counting(filter, &Data::new(number, arch.audit_value(), &[0; 6])).1;
                table.clone().map(run).collect()
            };
            let (before, after) = (steps(&long), steps(&short));
            let mean = |steps: &[usize]| steps.iter().sum::<usize>() / steps.len();
            println!(
                "{name} on {arch}: {} instructions instead of {}; mean path {} instead of {}, longest {} instead of {}",
                short.len() / 8,
                long.len() / 8,
                mean(&after),
                mean(&before),
                after.iter().max().unwrap(),
                before.iter().max().unwrap()
            );
            assert!(short.len() / 8 <= 400, "{name} on {arch}: {} instructions", short.len() / 8);
            assert!(mean(&after) <= 16, "{name} on {arch}: {}", mean(&after));
        }
    }
}
