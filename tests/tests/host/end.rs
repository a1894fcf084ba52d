//! How a run ends, and what it leaves.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nacre_tests::nacre::text;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// An app whose program is a C source.
fn app(folder: &Path, source: &str, more: &str) {
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("src/main.c"), source).unwrap();
    let text = format!("app: org.example.end\nversion: 1.0.0\nbuild: c\nrun: [/app/bin/end]\n{more}");
    fs::write(folder.join("nacre.yaml"), text).unwrap();
}

fn run(folder: &Path, more: &[&str]) -> Output {
    let state = folder.join("state");
    crate::app_run(&state).arg(folder).args(more).output().expect("nacre starts")
}

#[test]
fn exit_code_output_and_arguments_go_through() {
    let folder = tempfile::tempdir().unwrap();
    let source = "#include <stdio.h>\nint main(int c, char **v) { fputs(v[c - 1], stdout); fputs(\"e\", stderr); \
                  return getchar() == EOF ? 7 : 8; }\n";
    app(folder.path(), source, "");
    let output = run(folder.path(), &["--", "\u{1b}[1m\u{e9}"]);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output));
    assert_eq!(output.stdout, "\u{1b}[1m\u{e9}".as_bytes(), "byte for byte");
    assert!(output.stderr.ends_with(b"e"));
}

#[test]
fn signal_that_ends_it_is_in_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    app(folder.path(), "int main(void) { return *(volatile int *)1; }\n", "");
    let output = run(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(128 + 11), "{}", text(&output));
}

#[test]
fn strict_refuses_before_anything_of_the_app_runs() {
    let folder = tempfile::tempdir().unwrap();
    app(
        folder.path(),
        "#include <stdio.h>\nint main(void) { puts(\"ran\"); return 0; }\n",
        "storage: { data: 64KiB }\n",
    );
    let output = run(folder.path(), &["--strict"]);
    assert_eq!(output.status.code(), Some(64), "{}", text(&output));
    assert!(output.stdout.is_empty());
    assert!(text(&output).contains("Caused by: storage.data: a folder without a quota"), "{}", text(&output));
    assert_eq!(run(folder.path(), &[]).stdout, b"ran\n", "the control");
}

#[test]
fn interrupt_ends_the_app_and_leaves_nothing_but_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let source = "#include <stdio.h>\n#include <unistd.h>\nint main(void) { if (!fork()) sleep(600); \
                  fclose(fopen(\"/data/kept\", \"w\")); puts(\"begun\"); fflush(stdout); sleep(600); }\n";
    app(folder.path(), source, "storage: { data: 64KiB }\n");
    let state = folder.path().join("state");
    let mut child = crate::app_run(&state).arg(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "begun\n");
    assert!(crate::goes_on("/app/bin/end"), "the control");
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!crate::goes_on("/app/bin/end"));
    let app = state.join("apps/org.example.end");
    assert_eq!(fs::read_dir(app.join("root")).unwrap().count(), 0);
    assert!(app.join("data/kept").is_file());
}

#[test]
fn app_does_not_outlive_who_answers_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = "#include <stdio.h>\n#include <unistd.h>\nint main(void) { puts(\"begun\"); fflush(stdout); sleep(600); }\n";
    app(folder.path(), source, "");
    let manifest = folder.path().join("nacre.yaml");
    // A program of its own name, apart from the other tests'.
    let text = fs::read_to_string(&manifest).unwrap().replace("/app/bin/end", "/app/bin/orphan");
    fs::write(&manifest, text).unwrap();
    let state = folder.path().join("state");
    let mut child = crate::app_run(&state).arg(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(crate::goes_on("/app/bin/orphan"), "the control");
    child.kill().unwrap();
    child.wait().unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while crate::goes_on("/app/bin/orphan") {
        assert!(std::time::Instant::now() < until, "it goes on");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn learn_proposes_what_an_app_asked_for_and_the_manifest_then_covers_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = "#include <stdio.h>\nint main(void) { FILE *f = fopen(\"/data/x\", \"w\"); \
                  if (!f) { perror(\"open\"); return 3; } puts(\"stored\"); return 0; }\n";
    app(folder.path(), source, "# Mine.\nsystem: [stats] # asked of nobody\n");
    assert_eq!(run(folder.path(), &[]).status.code(), Some(3), "the control");
    let learn = || {
        let mut command: Command = nacre_tests::nacre::nacre();
        command.env("NACRE_STATE", folder.path().join("state")).args(["app", "learn", "--write"]);
        command.arg(folder.path()).output().expect("nacre starts")
    };
    let said = text(&learn());
    for line in [
        "+# Learned: storage.data 64KiB: it tried to open /data/x for writing",
        "+storage: { data: 64KiB }",
        "-system: [stats] # asked of nobody",
        "+# asked of nobody",
        "+# Learned: no system stats: not used in 2 runs",
        "Incomplete evidence",
    ] {
        assert!(said.contains(line), "no `{line}` in:\n{said}");
    }
    let manifest = fs::read_to_string(folder.path().join("nacre.yaml")).unwrap();
    assert!(manifest.contains("# Mine.\n"), "{manifest}");
    assert_eq!(run(folder.path(), &[]).stdout, b"stored\n");
    assert!(text(&learn()).contains("and nothing else"), "nothing new");
}
