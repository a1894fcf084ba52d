//! App manifests: fields, units, programs, paths.

use std::fs;
use std::os::unix::fs::symlink;

use crate::project::{APP, ARM, Project, X86_64, elf};

/// What stands in `apps/tool/nacre.yaml` instead, how it ends, what must be said.
type Case<'a> = (&'a str, &'a str, i32, &'a [&'a str]);

fn check(cases: &[Case<'_>]) {
    let project = Project::new();
    for (from, to, exit, texts) in cases {
        project.write("apps/tool/nacre.yaml", APP).change("apps/tool/nacre.yaml", from, to);
        project.build_refused(*exit, texts);
    }
}

#[test]
fn manifest_with_a_wrong_field_names_place_and_remedy() {
    check(&[
        (
            "limits:",
            "limts:",
            65,
            &["unknown field `limts`", "tool/nacre.yaml:6:1", "did you mean `limits`?"],
        ),
        ("memory:", "memroy:", 65, &["tool/nacre.yaml:6:11", "did you mean `memory`?"]),
        ("open-files", "open_files", 65, &["tool/nacre.yaml:6:", "did you mean `open-files`?"]),
        ("build: none", "build: nnoe", 65, &["tool/nacre.yaml:4:8", "none"]),
        ("app: org.example.tool", "app: Tool!", 65, &["tool/nacre.yaml:1:6"]),
        ("version: 1.0.0", "", 65, &["missing field `version`", "tool/nacre.yaml:1:1", "version: 1.0.0"]),
        ("build: none", "build: none\nsystem: [stat]", 65, &["tool/nacre.yaml:5:10", "stats"]),
        ("build: none", "build: none\ncritical: maybe", 65, &["tool/nacre.yaml:5:11"]),
        ("build: none", "build: none\nrestart: { backoff: 30s..1s }", 65, &["tool/nacre.yaml:5:"]),
        (
            "build: none",
            "build: none\napps: [org.example.none]",
            65,
            &["tool/nacre.yaml:5:8", "org.example.none", "hint:"],
        ),
    ]);
}

#[test]
fn manifest_with_a_wrong_unit_names_place_and_remedy() {
    check(&[
        ("memory: 1MiB", "memory: 1MB", 65, &["tool/nacre.yaml:6:19", "MiB"]),
        ("memory: 1MiB", "memory: 1", 65, &["tool/nacre.yaml:6:19", "hint:"]),
        ("memory: 1MiB", "memory: -1MiB", 65, &["tool/nacre.yaml:6:19"]),
        ("memory: 1MiB", "memory: 99999999999GiB", 65, &["tool/nacre.yaml:6:19"]),
        ("tasks: 2", "tasks: two", 65, &["tool/nacre.yaml:6:32"]),
        ("tasks: 2", "tasks: 0", 65, &["tool/nacre.yaml:6:32"]),
        ("cpu: 10%", "cpu: 10", 65, &["tool/nacre.yaml:6:40", "%"]),
        ("cpu: 10%", "cpu: [10%]", 65, &["tool/nacre.yaml:6:40"]),
        ("build: none", "build: none\nstorage: { data: 1potato }", 65, &["tool/nacre.yaml:5:18", "hint:"]),
        ("build: none", "build: none\nrestart: { backoff: soon }", 65, &["tool/nacre.yaml:5:21", "hint:"]),
    ]);
}

#[test]
fn manifest_that_asks_for_what_is_not_enforced_is_refused_with_the_reason() {
    let network = "build: none\nnetwork: { connect: [\"tcp:example.org:443\"] }";
    check(&[
        ("build: none", network, 64, &["`network`", "tool/nacre.yaml:5:1", "hint:"]),
        ("build: none", "build: none\ndevices: [/dev/ttyS0]", 64, &["`devices`", "tool/nacre.yaml:5:1"]),
        ("build: none", "build: none\nhealth: { check: x }", 64, &["`health`", "tool/nacre.yaml:5:1"]),
        ("build: none", "build: none\nmemory: { writable-executable: true }", 64, &["tool/nacre.yaml:5:"]),
        ("build: none", "build: c", 64, &["tool/nacre.yaml:4:8"]),
        // Both: what is mistyped must be put right before what is forbidden can be judged.
        ("build: none", "bulid: none\nnetwork: {}", 65, &["`bulid`", "`network`"]),
    ]);
}

#[test]
fn manifest_with_a_path_that_climbs_out_is_refused() {
    check(&[
        (
            ": tool }",
            ": ../../boards/qemu-armv7.yaml }",
            65,
            &["climbs out", "tool/nacre.yaml:7:25", "hint:"],
        ),
        (": tool }", ": a/../../x }", 65, &["climbs out", "tool/nacre.yaml:7:25"]),
        (": tool }", ": /etc/passwd }", 65, &["absolute path", "tool/nacre.yaml:7:25"]),
        ("tool }", "tool, /etc/passwd: tool }", 65, &["is not below /app", "tool/nacre.yaml:7:31", "hint:"]),
        ("tool }", "tool, /app/../etc/x: tool }", 65, &["climbs out", "tool/nacre.yaml:7:31"]),
        ("[/app/bin/tool]", "[../tool]", 65, &["tool/nacre.yaml:5:7", "hint:"]),
        ("[/app/bin/tool]", "[/bin/sh]", 65, &["tool/nacre.yaml:5:7", "hint:"]),
    ]);
    let project = Project::new();
    project.change("apps/tool/nacre.yaml", "tool }", "tool, /app/key: link }");
    symlink("../../keys", project.path("apps/tool/link")).expect("the name is free");
    project.build_refused(65, &["leads out of the app's folder", "tool/nacre.yaml:7:41", "hint:"]);
    fs::remove_file(project.path("apps/tool/link")).expect("it is there");
    symlink("/etc/passwd", project.path("apps/tool/link")).expect("the name is free");
    project.build_refused(65, &["leads out of the app's folder", "tool/nacre.yaml:7:41"]);
}

#[test]
fn app_whose_program_is_missing_is_refused_at_its_line() {
    check(&[
        (": tool }", ": missing }", 66, &["missing", "tool/nacre.yaml:7:25", "hint:"]),
        ("[/app/bin/tool]", "[/app/bin/other]", 65, &["/app/bin/other", "tool/nacre.yaml:5:7", "hint:"]),
        ("build: none", "build: cargo", 66, &["Cargo.toml", "tool/nacre.yaml:4:8", "hint:"]),
    ]);
}

#[test]
fn app_whose_program_cannot_run_is_refused_with_the_reason() {
    let cases: [(Vec<u8>, &str, &str); 6] = [
        (elf(X86_64, None), "it is for x86_64, the board is armv7", "build it for the board"),
        (elf(3, None), "it is for 32-bit x86", "build it for the board"),
        (
            elf(ARM, Some("/lib/ld-linux-armhf.so.3")),
            "linked dynamically (it asks for `/lib/ld-linux-armhf.so.3`)",
            "musl",
        ),
        (b"#!/bin/sh\nexit 0\n".to_vec(), "not a complete ELF", "ELF programs only"),
        (Vec::new(), "not a complete ELF", "ELF programs only"),
        (elf(ARM, None)[..100].to_vec(), "ELF", "ELF programs only"),
    ];
    let project = Project::new();
    for (program, reason, remedy) in cases {
        project.write("apps/tool/tool", program);
        project.build_refused(65, &["`/app/bin/tool`", "tool/nacre.yaml:5:7", reason, remedy]);
    }
    // The real thing: a program of this machine.
    project.write("apps/tool/tool", fs::read("/bin/true").expect("coreutils"));
    project.build_refused(65, &["the board is armv7"]);
}

#[test]
fn app_from_sources_without_its_program_is_refused_with_those_that_are_there() {
    let project = Project::new();
    project.change("apps/tool/nacre.yaml", "build: none", "build: cargo");
    project.change("apps/tool/nacre.yaml", "files: { /app/bin/tool: tool }\n", "");
    let manifest = "[package]\nname = \"tool\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[workspace]\n";
    let lock = "# This file is automatically @generated by Cargo.\n# It is not intended for manual editing.\nversion = 4\n\n[[package]]\nname = \"tool\"\nversion = \"1.0.0\"\n";
    project.write("apps/tool/Cargo.toml", manifest).write("apps/tool/Cargo.lock", lock);
    fs::create_dir(project.path("apps/tool/src")).expect("the folder is new");
    project.write("apps/tool/src/main.rs", "fn main() { let x: u8 = \"text\"; }\n");
    project.build_refused(65, &["tool", "mismatched types", "src/main.rs:1:25"]);
    project.write("apps/tool/src/main.rs", "fn main() {}\n");
    project.change("apps/tool/nacre.yaml", "[/app/bin/tool]", "[/app/bin/toool]");
    project.build_refused(
        66,
        &["`/app/bin/toool`", "tool/nacre.yaml:5:7", "programs in this app: /app/bin/tool"],
    );
}
