//! `nacre app run --vm` and `nacre app dev`: an app in the VM, without an image of its own.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use nacre_tests::image::{Board, build};
use nacre_tests::nacre::{nacre, text};
use nacre_tests::vm::Vm;
use tempfile::TempDir;

/// A board has one such VM at a time: who comes second would join it.
static ONE: Mutex<()> = Mutex::new(());

fn nacre_app(folder: &Path, board: Board, arguments: &[&str]) -> Command {
    let mut command = nacre();
    command.arg("app").args(arguments).arg(folder).args(["--board", board.name]);
    command
}

fn app_saved_runs_again_and_one_that_does_not_build_leaves_the_old_one(board: Board) {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = TempDir::new().expect("a temporary folder");
    let app = folder.path().join("greeter");
    let made = nacre().args(["app", "new", "--lang", "c"]).arg(&app).output().expect("nacre starts");
    assert!(made.status.success(), "{}", text(&made));
    let source = app.join("src/answer.c");
    let original = fs::read_to_string(&source).expect("the template has it");
    let mut vm = Vm::of(nacre_app(&app, board, &["dev"]));
    vm.wait_for(r"^notice: com\.example\.greeter 0\.1\.0 runs: built in \d+\.\d s, running \d+\.\d s later$");
    // The command's own words and the log come in either order.
    vm.wait_for(r"\] greeter: listening port=8080$");

    fs::write(&source, original.replace("hello", "good day")).expect("the folder is ours");
    vm.wait_for(r"^notice: `src/answer\.c` was saved$");
    vm.wait_for(r"\] greeter: stopped");
    vm.wait_for(r"\] greeter: listening port=8080$");
    for (broken, words) in [(source.clone(), "error: can't build"), (app.join("nacre.yaml"), "error: ")] {
        let good = fs::read_to_string(&broken).expect("it is there");
        fs::write(&broken, format!("{good}\nint broken(: [\n")).expect("the folder is ours");
        vm.wait_for(words);
        vm.wait_for(r"^notice: the version before goes on$");
        fs::write(&broken, good).expect("the folder is ours");
        vm.wait_for(r"\] greeter: stopped");
        vm.wait_for(r"\] greeter: listening port=8080$");
    }
}

fn app_run_in_the_vm_ends_with_the_apps_end(board: Board) {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let program = build("tests/images/steps.yaml", board).program("org.nacre.steps", "steps");
    for code in [0, 1] {
        let folder = TempDir::new().expect("a temporary folder");
        let manifest = "app: org.nacre.once\nversion: 0.1.0\nbuild: none\nrun: [/app/bin/steps, \"read /none\"]\n\
             files: { /app/bin/steps: steps }\nrestart: { policy: never }\n\
             limits: { memory: 512KiB, tasks: 1 }\n";
        fs::write(folder.path().join("nacre.yaml"), manifest).expect("the folder is ours");
        let content = if code == 0 { program.clone() } else { crashing(&program) };
        fs::write(folder.path().join("steps"), content).expect("the folder is ours");
        let output = nacre_app(folder.path(), board, &["run", "--vm"]).output().expect("nacre starts");
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        let log = String::from_utf8_lossy(&output.stdout);
        assert!(
            log.contains("] once: started (pid ") && log.contains("] once: exited") == (code == 0),
            "{log}"
        );
    }
}

/// The same program, which ends by a signal: nothing is left of its code.
fn crashing(program: &[u8]) -> Vec<u8> {
    let mut program = program.to_vec();
    let code = program.len().min(4096)..program.len() * 3 / 4;
    program[code].fill(0xff);
    program
}

crate::on_each_board! {
    app_saved_runs_again_and_one_that_does_not_build_leaves_the_old_one,
    app_run_in_the_vm_ends_with_the_apps_end,
}
