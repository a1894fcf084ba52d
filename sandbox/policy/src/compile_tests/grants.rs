//! What a field of the manifest allows beside the rest, and what netd may do.

use super::*;

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
            include_str!("../tables/armv7.txt")
        } else {
            include_str!("../tables/x86_64.txt")
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
