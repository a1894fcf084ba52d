//! Findings that others published about sandboxes, and what keeps each from being true here: attacks of the
//! catalogue, and tests by file and name.

use std::path::Path;

use crate::catalogue;

/// A finding, the attacks that try it, and the tests that hold it.
type Finding = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

const FINDINGS: &[Finding] = &[
    (
        "chroot without pivot_root",
        &["chroot-escape", "proc-1-root", "symlink-out"],
        &[("sandbox/src/plan_tests.rs", "plan_with_every_layer_has_these_steps_in_this_order")],
    ),
    (
        "the host's binary reachable as /proc/1/exe",
        &["os-program-by-exe"],
        &[("sandbox/src/plan_tests.rs", "plan_with_every_layer_has_these_steps_in_this_order")],
    ),
    (
        "network or IPC namespace left out by default",
        &["loopback-service", "abstract-socket", "message-queue", "shared-memory", "undeclared-listener"],
        &[("sandbox/src/plan_tests.rs", "plan_with_every_layer_has_these_steps_in_this_order")],
    ),
    ("inherited stdio", &["inherited-descriptor", "terminal-input", "console-forged"], &[]),
    (
        "a launcher that panics on a length or on a rogue child's message",
        &[],
        &[
            ("sandbox/src/plan_tests.rs", "description_that_makes_no_sense_is_refused"),
            ("sandbox/tests/launcher.rs", "text_that_is_too_long_is_cut_within_no_character"),
            ("sandbox/tests/launcher.rs", "control_characters_of_an_app_do_not_reach_the_report"),
            ("appmgr/session/src/app_socket.rs", "receive_tells_requests_from_anything_else"),
        ],
    ),
    (
        "arguments injected through a start request",
        &["call-as-victim"],
        &[("sandbox/src/plan_tests.rs", "description_that_makes_no_sense_is_refused")],
    ),
    (
        "one capability that widens another's syscalls",
        &["message-queue", "raw-frame"],
        &[
            ("sandbox/policy/src/compile_tests/grants.rs", "socket_of_the_network_is_for_apps_that_have_one"),
            (
                "sandbox/policy/src/compile_tests/grants.rs",
                "device_commands_are_for_apps_that_have_the_device",
            ),
        ],
    ),
    (
        "READ_IMPLIES_EXEC, ptrace, /proc/self/mem, packet-socket mmap",
        &["personality", "ptrace-read", "proc-self-mem", "proc-mem-write", "sniffing"],
        &[],
    ),
    (
        "device nodes inside app images",
        &["node-in-own-folder", "disk-node"],
        &[("sandbox/src/plan_tests.rs", "plan_with_every_layer_has_these_steps_in_this_order")],
    ),
    (
        "two apps with one uid",
        &["uid-of-victim", "uid-table"],
        &[
            ("appmgr/daemon/src/uids.rs", "uid_of_a_kept_app_is_never_given_again"),
            ("appmgr/daemon/src/uids.rs", "folders_of_one_owner_and_of_no_app_give_their_uid_to_nobody"),
        ],
    ),
    ("kernel log readable by an app", &["kernel-log-call", "kernel-log-node"], &[]),
    (
        "section counts without a bound",
        &[],
        &[
            ("image-builder/src/elf.rs", "elf_with_any_byte_changed_never_panics"),
            ("lib/wire/src/message.rs", "decode_parts_over_their_bounds_are_refused"),
        ],
    ),
];

#[test]
fn each_finding_has_its_attacks_and_tests() {
    for (finding, attacks, tests) in FINDINGS {
        assert!(!attacks.is_empty() || !tests.is_empty(), "{finding}");
        for name in *attacks {
            assert!(catalogue::find(name).is_some(), "{finding}: no attack `{name}`");
        }
        for (file, name) in *tests {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(text.contains(&format!("fn {name}(")), "{finding}: no test `{name}` in {file}");
        }
    }
}
