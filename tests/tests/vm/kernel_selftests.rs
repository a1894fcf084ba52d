//! The kernel's own tests of Landlock and seccomp, from its pinned source, on the kernel that ships: as root without
//! the sandbox they pass, but for a closed list; inside of the sandbox they are refused.

mod known;
mod programs;

use std::collections::{BTreeMap, BTreeSet};
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

/// How each test ended, by `PROGRAM NAME`, and with what reason.
type Ended = BTreeMap<String, (How, String)>;

/// Runs all of them in an app.
fn run_all(board: Board, testing: &str) -> Ended {
    let image = image(board, testing);
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
            vm.has_printed(&format!(r": {program} ended with exit status")),
            "{program} did not end by itself"
        );
    }
    ended
}

/// An image whose one app has the tests and the program that runs them.
fn image(board: Board, testing: &str) -> Image {
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
    let manifest =
        manifest.replace("build: cargo\n", "build: none\n") + &format!("files: {{ {} }}\n", files.join(", "));
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
    let ended = run_all(board, "testing: { layers-off: [all] }\n");
    let passed = ended.values().filter(|(how, _)| *how == How::Passed).count();
    println!("{}: {passed} of {} passed", board.name, ended.len());
    let mut stale: BTreeSet<&str> =
        KNOWN.iter().filter(|entry| entry.is_on(board)).map(|entry| entry.tests).collect();
    let mut wrong = Vec::new();
    for (test, (how, reason)) in ended.iter().filter(|(_, (how, _))| *how != How::Passed) {
        match KNOWN.iter().find(|entry| entry.is_on(board) && entry.matches(test)) {
            Some(entry) if entry.how == *how => {
                stale.remove(entry.tests);
            }
            _ => wrong.push(format!("{test}: {how:?} {reason}")),
        }
    }
    assert!(wrong.is_empty(), "not in the list:\n{}", wrong.join("\n"));
    assert!(stale.is_empty(), "in the list, and passed: {stale:?}");
    assert!(ended.len() >= 475, "only {} tests ran", ended.len());
}

fn kernel_tests_inside_of_the_sandbox_are_refused(board: Board) {
    let ended = run_all(board, "");
    let passed: Vec<&String> =
        ended.iter().filter(|(_, (how, _))| *how == How::Passed).map(|(test, _)| test).collect();
    panic!("{}: {} of {} passed: {passed:#?}", board.name, passed.len(), ended.len());
}

on_each_board!(
    kernel_tests_of_landlock_and_seccomp_pass_but_for_a_closed_list,
    kernel_tests_inside_of_the_sandbox_are_refused,
);
