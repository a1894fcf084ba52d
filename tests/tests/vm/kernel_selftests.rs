//! The kernel's own tests of Landlock and seccomp, from its pinned source, on the kernel that ships: as root without
//! the sandbox they pass, but for a closed list; inside of the sandbox they are refused.

mod known;
mod programs;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nacre_tests::image::{Board, Image, build, build_in};
use nacre_tests::nacre::root;
use nacre_tests::vm::Vm;
use regex::Regex;
use tempfile::TempDir;

use known::{How, KNOWN};

/// What the tests take while they run: their programs are linked statically, each with the whole of the C library.
const MEMORY: [&str; 2] = ["--memory", "96M"];

/// In the sandbox these would wait 30 seconds each for a tracer that can't attach. That it can't is what the others see.
const WITHOUT_TRACERS: &str = ", ptrace_test=-Vallow_without_domain, ptrace_test=-Vallow_with_one_domain, \
    seccomp_bpf=-Tsyscall_restart, seccomp_bpf=-FTRACE_poke, seccomp_bpf=-FTRACE_syscall";

/// It asks only whether the system call -1 is missing, which it is for an app as well. 32-bit ARM skips it.
const HARMLESS: &str = "seccomp_bpf global.negative_ENOSYS";

/// How each test ended, by `PROGRAM NAME`, and with what reason.
type Ended = BTreeMap<String, (How, String)>;

/// Runs all of them in an app; how they ended, and all that the device said.
fn run_all(board: Board, testing: &str, arguments: &str) -> (Ended, Vec<String>) {
    let image = image(board, testing, arguments);
    let mut vm = Vm::start(&image, &MEMORY);
    vm.wait_for(r"\] kernel-selftests: all ran$");
    let line = Regex::new(r"\] kernel-selftests: (\w+) (passed|failed|skipped) ([\w.]+)(?:: (.*))?$")
        .expect("valid");
    let mut ended = Ended::new();
    for found in vm.transcript.iter().filter_map(|text| line.captures(text)) {
        let how = match &found[2] {
            "passed" => How::Passed,
            "failed" => How::Failed,
            _ => How::Skipped,
        };
        let reason = found.get(4).map_or("", |reason| reason.as_str()).to_owned();
        ended.insert(format!("{} {}", &found[1], &found[3]), (how, reason));
    }
    for program in ["base_test", "fs_test", "net_test", "ptrace_test", "seccomp_bpf"] {
        assert!(
            vm.has_printed(&format!(": {program} ended with exit status")),
            "{program} did not end by itself"
        );
    }
    (ended, vm.transcript.clone())
}

/// An image whose one app has the tests and the program that runs them.
fn image(board: Board, testing: &str, arguments: &str) -> Image {
    let runner = build("tests/images/kernel-selftests.yaml", board)
        .program("org.nacre.kernel-selftests", "kernel-selftests");
    let folder = TempDir::new_in(root().join("target/vm")).expect("target is writable");
    let app = folder.path().join("app");
    fs::create_dir(&app).expect("the folder is new");
    let mut names = vec!["kernel-selftests".to_owned()];
    fs::write(app.join("kernel-selftests"), runner).expect("the folder is new");
    for program in fs::read_dir(programs::programs(board)).expect("they are made").flatten() {
        let name = program.file_name().to_string_lossy().into_owned();
        fs::copy(program.path(), app.join(&name)).expect("the folder is new");
        names.push(name);
    }
    let files: Vec<String> = names.iter().map(|name| format!("/app/bin/{name}: \"{name}\"")).collect();
    let manifest = fs::read_to_string(root().join("tests/kernel-selftests/nacre.yaml")).expect("it is there");
    let manifest = manifest
        .replace("build: cargo\n", "build: none\n")
        .replace("bin/kernel-selftests]", &format!("bin/kernel-selftests{arguments}]"))
        + &format!("files: {{ {} }}\n", files.join(", "));
    fs::write(app.join("nacre.yaml"), manifest).expect("the folder is new");
    let recipe = fs::read_to_string(root().join("tests/images/kernel-selftests.yaml")).expect("it is there");
    let recipe = recipe
        .replace("[../kernel-selftests]", "[app]")
        .replace("board: qemu-armv7", &format!("board: {}", board.name));
    write_recipe(folder.path(), &(recipe + testing));
    build_in(folder, "selftests.yaml", board)
}

fn write_recipe(folder: &Path, recipe: &str) {
    fs::write(folder.join("selftests.yaml"), recipe).expect("the folder is new");
}

fn kernel_tests_of_landlock_and_seccomp_pass_but_for_a_closed_list(board: Board) {
    let (ended, _) = run_all(board, "testing: { layers-off: [all] }\n", "");
    let passed = ended.values().filter(|(how, _)| *how == How::Passed).count();
    println!("{}: {passed} of {} tests of the kernel passed", board.name, ended.len());
    let mut listed: BTreeMap<&str, usize> =
        KNOWN.iter().filter(|entry| entry.is_on(board)).map(|entry| (entry.tests, 0)).collect();
    let mut wrong = Vec::new();
    for (test, (how, reason)) in ended.iter().filter(|(_, (how, _))| *how != How::Passed) {
        let entry = KNOWN.iter().find(|entry| entry.is_on(board) && entry.matches(test) && entry.how == *how);
        match entry.and_then(|entry| listed.get_mut(entry.tests)) {
            Some(count) => *count += 1,
            None => wrong.push(format!("{test}: {how:?} {reason}")),
        }
    }
    for entry in KNOWN.iter().filter(|entry| entry.is_on(board)) {
        println!("{} {:?}, {}: {}", listed[entry.tests], entry.how, entry.tests, entry.reason);
    }
    assert!(wrong.is_empty(), "not in the list:\n{}", wrong.join("\n"));
    assert!(listed.values().all(|count| *count > 0), "in the list, and passed: {listed:?}");
    assert!(ended.len() >= 475, "only {} tests ran", ended.len());
}

fn kernel_tests_inside_of_the_sandbox_are_refused(board: Board) {
    let (ended, transcript) = run_all(board, "", WITHOUT_TRACERS);
    let passed = ended.iter().filter(|(_, (how, _))| *how == How::Passed).map(|(test, _)| test);
    let not_refused: Vec<&String> = passed.filter(|test| *test != HARMLESS).collect();
    assert!(not_refused.is_empty(), "{not_refused:?}");
    assert!(ended.len() >= 455, "only {} tests ran", ended.len());
    // Not for another reason: a program that can't run fails too.
    for call in ["mount", "capset", "landlock_create_ruleset", "unshare", "ptrace"] {
        let denied = format!("] kernel-selftests: denied: {call}");
        assert!(transcript.iter().any(|line| line.contains(&denied)), "nobody was denied {call}");
    }
}

on_each_board!(
    kernel_tests_of_landlock_and_seccomp_pass_but_for_a_closed_list,
    kernel_tests_inside_of_the_sandbox_are_refused,
);
