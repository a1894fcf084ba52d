//! Builds that are interrupted: what was there stays whole, what was begun goes.

use std::fs;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nacre_tests::image::demo;
use nacre_tests::nacre::judge;
use nacre_tests::vm::Vm;

use crate::project::{Project, expect, names};

/// How far a build gets before it is interrupted.
const STAGES: [&str; 3] = ["", "work/programs", "slot.img"];

/// Whether an unfinished build has this file.
fn unfinished(out: &Path, name: &str) -> bool {
    names(out).iter().any(|folder| folder.starts_with(".tiny.new-") && out.join(folder).join(name).exists())
}

/// A build that leads a process group of its own, as it would in a terminal.
fn start(command: &mut Command) -> Child {
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("nacre starts")
}

/// A build that has come to a stage: the next one, if one was through before anybody looked.
fn build_at(project: &Project, stage: &str) -> Child {
    for _ in 0..20 {
        let mut child = start(&mut project.build());
        if wait_until(&mut child, || unfinished(&project.path("out"), stage)) {
            return child;
        }
    }
    panic!("twenty builds ended before `{stage}` was seen");
}

/// Waits for something that a running process does. Whether it came before the process ended.
fn wait_until(child: &mut Child, happened: impl Fn() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(60);
    while !happened() {
        if child.try_wait().expect("the child is ours").is_some() {
            return false;
        }
        assert!(Instant::now() < until, "it does not come");
        sleep(Duration::from_millis(1));
    }
    true
}

fn kill(signal: &str, target: &str) {
    judge("kill", &[signal, "--", target]);
}

fn expect_whole(project: &Project) {
    let verified = project.nacre(&["image", "verify", "out/tiny"]).output().expect("nacre starts");
    expect(&verified, 0, &[]);
}

#[test]
fn build_interrupted_anywhere_leaves_only_the_old_image() {
    let project = Project::new();
    project.built();
    let before = project.tree();
    for stage in STAGES {
        // From a terminal every process of the group gets it; from another process only this one.
        for whole_group in [true, false] {
            let child = build_at(&project, stage);
            let id = child.id().to_string();
            kill("-INT", &if whole_group { format!("-{id}") } else { id });
            let output = child.wait_with_output().expect("the child is ours");
            // The last step may just have been done.
            let code = output.status.code();
            assert!(code == Some(130) || code == Some(0) && stage == "slot.img", "{stage}: {code:?}");
            project.expect_tree(&before, &format!("interrupted at `{stage}`"));
        }
    }
    expect_whole(&project);
}

#[test]
fn first_build_interrupted_leaves_nothing() {
    let project = Project::new();
    let mut child = start(&mut project.build());
    wait_until(&mut child, || unfinished(&project.path("out"), "work"));
    kill("-TERM", &child.id().to_string());
    assert_eq!(child.wait().expect("the child is ours").code(), Some(130));
    assert!(names(&project.path("out")).is_empty());
    assert!(names(&project.path("tmp")).is_empty());
    project.built();
}

#[test]
fn build_killed_anywhere_leaves_the_old_image_and_the_next_removes_the_rest() {
    let project = Project::new();
    project.built();
    let before = project.tree();
    for stage in STAGES {
        let mut child = build_at(&project, stage);
        kill("-KILL", &child.id().to_string());
        let status = child.wait().expect("the child is ours");
        assert!(status.signal() == Some(9) || status.success(), "{status}");
        // Old or new: whole, and as it was, for nothing has changed.
        let whole = project.tree().into_iter().filter(|(path, _)| path.starts_with(project.path("out/tiny")));
        let old = before.iter().filter(|(path, _)| path.starts_with(project.path("out/tiny")));
        assert!(whole.eq(old.map(|(path, content)| (path.clone(), content.clone()))), "{stage}");
        expect_whole(&project);
        project.built();
        project.expect_tree(&before, &format!("killed at `{stage}`"));
    }
}

#[test]
fn kernel_source_interrupted_while_it_is_unpacked_leaves_nothing_half() {
    let project = Project::new();
    let cache = project.path("cache");
    fs::create_dir(&cache).expect("the folder is new");
    let mut check = project.nacre(&["kernel", "check"]);
    let mut child = start(check.env("NACRE_CACHE", &cache));
    let work = cache.join("kernel/work");
    let unpacking = || names(&work).iter().any(|name| !names(&work.join(name).join("tree")).is_empty());
    assert!(wait_until(&mut child, unpacking), "it ended early");
    kill("-INT", &child.id().to_string());
    // 130, and not 0: it did not go on to the end.
    let output = child.wait_with_output().expect("the child is ours");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(names(&work).is_empty());
    assert!(names(&cache.join("kernel/source")).is_empty());
}

#[test]
fn run_that_was_killed_takes_its_vm_along_and_can_be_repeated() {
    let image = demo().copy();
    let mut vm = Vm::start(&image, &["--timeout", "120s"]);
    vm.wait_for("verified demo");
    vm.wait_for("reporter|appmgr|init");
    vm.kill();
    let mut vm = Vm::start(&image, &["--timeout", "120s"]);
    vm.wait_for("verified demo");
    vm.wait_for("reporter|appmgr|init");
}
