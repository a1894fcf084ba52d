use std::collections::BTreeSet;

use super::*;
use crate::call::Test;
use crate::compile::ABSENT;
use crate::groups::GROUPS;

const BOTH: [Arch; 2] = [Arch::Armv7, Arch::X86_64];

/// Numbers of calls, and of ARM's private ones.
fn numbers() -> impl Iterator<Item = u32> {
    (0..500).chain(0x0f_0000..0x0f_0010)
}

fn number(arch: Arch, wanted: &str) -> u32 {
    numbers().find(|number| name(arch, *number) == Some(wanted)).unwrap_or_else(|| panic!("{wanted}"))
}

fn names() -> BTreeSet<&'static str> {
    BOTH.iter().flat_map(|arch| numbers().filter_map(|number| name(*arch, number))).collect()
}

fn explained(arch: Arch, call: &str, arguments: &[u64]) -> Explanation {
    let mut six = [0xdead_0000_dead_0000; 6];
    six[..arguments.len()].copy_from_slice(arguments);
    let attempt = Attempt { arch, number: number(arch, call), arguments: six };
    explain(&attempt, &mut |address| (address == 0x1000).then(|| "/etc/x".to_owned()))
}

#[test]
fn denied_calls_are_told_with_their_arguments_by_name() {
    for arch in BOTH {
        let map = if arch == Arch::Armv7 { "mmap2" } else { "mmap" };
        let cases: &[(&str, &[u64], &str)] = &[
            ("ptrace", &[16, 1], "ptrace(PTRACE_ATTACH, 1)"),
            ("ptrace", &[0x4206, u64::MAX], "ptrace(PTRACE_SEIZE, -1)"),
            ("mount", &[0, 0x1000, 7, 4096 | 1 << 40], "mount(NULL, \"/etc/x\", ?, MS_BIND)"),
            ("unshare", &[0x1002_0000], "unshare(CLONE_NEWNS|CLONE_NEWUSER)"),
            ("unshare", &[0], "unshare(0)"),
            ("sethostname", &[0x1000, 4], "sethostname(\"/etc\")"),
            ("sethostname", &[0x1000, u64::MAX], "sethostname(\"/etc/x\")"),
            ("clone", &[0x1000_0011], "clone(CLONE_NEWUSER)"),
            ("socket", &[2, 3 | 0o2_000_000, 1], "socket(AF_INET, SOCK_RAW, 1)"),
            ("socket", &[99, 1, 0], "socket(0x63, SOCK_STREAM, 0)"),
            ("mprotect", &[0x7000, 8192, 5], "mprotect(8192 bytes, PROT_READ|PROT_EXEC)"),
            (
                map,
                &[0, 4096, 7, 0x22],
                &format!("{map}(4096 bytes, PROT_READ|PROT_WRITE|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS)"),
            ),
            ("personality", &[0x40_0000], "personality(READ_IMPLIES_EXEC)"),
            ("ioctl", &[1, 0x5412], "ioctl(1, TIOCSTI)"),
            ("prctl", &[22, 2], "prctl(PR_SET_SECCOMP)"),
            ("kexec_load", &[], "kexec_load"),
        ];
        for (call, arguments, tried) in cases {
            assert_eq!(explained(arch, call, arguments).tried, *tried, "{arch}");
        }
        let unknown = Attempt { arch, number: 999, arguments: [0; 6] };
        let explained = explain(&unknown, &mut |_| None);
        assert_eq!((explained.tried.as_str(), explained.why), ("system call 999", Why::Unknown));
        assert_eq!(explained.why.errno(), UNKNOWN);
    }
}

#[test]
fn grant_that_a_call_lacks_is_found_for_every_set_that_a_grant_adds() {
    for arch in BOTH {
        for call in GROUPS.iter().flat_map(|group| group.calls) {
            if call.number(arch).is_none() {
                continue;
            }
            for (grant, sets) in call.or_with {
                for set in *sets {
                    let mut arguments = [0; 6];
                    for condition in *set {
                        arguments[usize::from(condition.argument)] = match condition.test {
                            // Any protection: the one that is denied without.
                            Test::Masked { mask: 0, .. } => 7,
                            Test::Is(value) | Test::Masked { value, .. } => u64::from(value),
                            Test::Null => 0,
                        };
                    }
                    let why = explained(arch, call.name, &arguments).why;
                    assert_eq!(why, Why::Lacks(*grant), "{} {arguments:x?} on {arch}", call.name);
                }
            }
        }
    }
    for (call, arguments) in
        [("socket", [10, 1, 0]), ("socket", [2, 3, 1]), ("socket", [2, 1, 262]), ("ioctl", [1, 0x5412, 0])]
    {
        assert!(
            matches!(explained(Arch::Armv7, call, &arguments).why, Why::Never(_)),
            "{call} {arguments:?}"
        );
    }
}

#[test]
fn calls_with_conditions_and_denied_families_name_calls_of_the_kernel_and_none_twice() {
    let mut seen: Vec<&str> = GROUPS.iter().flat_map(|group| group.calls).map(|call| call.name).collect();
    seen.sort_unstable();
    seen.dedup();
    let allowed = seen.clone();
    let of_kernel = names();
    for family in FAMILIES {
        assert!(!family.reason.is_empty() && !family.reason.ends_with('.'));
        for call in family.calls.split_ascii_whitespace() {
            assert!(of_kernel.contains(call), "the kernel has no {call}");
            assert!(!seen.contains(&call), "{call} twice, or allowed");
            seen.push(call);
        }
    }
    let conditional: Vec<&str> = GROUPS
        .iter()
        .flat_map(|group| group.calls)
        .filter(|call| !call.if_any.is_empty())
        .map(|call| call.name)
        .collect();
    for call in &conditional {
        assert!(
            CONDITIONAL.iter().any(|(name, _)| name == call),
            "no reason for {call} with other arguments"
        );
    }
    assert!(CONDITIONAL.iter().all(|(name, _)| allowed.contains(name)));
    for (call, signature) in SIGNATURES {
        assert!(of_kernel.contains(call), "{call}");
        for part in signature.split(' ') {
            let of = part.split_once(':').map(|(_, of)| of);
            assert!(of.is_none_or(|of| LISTS.iter().any(|(known, _)| *known == of)), "{call}: {part}");
        }
    }
    assert!(ABSENT.iter().all(|call| !allowed.contains(&call.name)));
}

#[test]
fn any_number_and_arguments_are_explained_without_a_panic_and_within_a_bound() {
    let long = "x".repeat(100);
    for arch in BOTH {
        for number in (0..1024).chain(0x0e_fff0..0x0f_0010).chain([0x4000_0000, u32::MAX]) {
            for word in [0, 1, 7, 16, 0x7fff_ffff, 0xffff_ffff, u64::MAX] {
                let attempt = Attempt { arch, number, arguments: [word; 6] };
                let explained = explain(&attempt, &mut |_| Some(long.clone()));
                assert!(explained.tried.len() < 512, "{}", explained.tried);
            }
        }
    }
}
