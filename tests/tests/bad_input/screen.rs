//! What stands on the screen: 80 columns, no colour where none was asked for, data apart from the rest.

use std::process::{Command, Stdio};

use nacre_tests::image::demo;
use nacre_tests::nacre::{nacre, run};

use crate::project::Project;

const COMMANDS: [&str; 27] = [
    "",
    "attack",
    "build",
    "run",
    "image",
    "image verify",
    "image inspect",
    "device",
    "device info",
    "device apps",
    "device logs",
    "device events",
    "device start",
    "device stop",
    "device restart",
    "device kill",
    "device reboot",
    "device power-off",
    "key new",
    "key show",
    "policy",
    "policy show",
    "kernel build",
    "kernel check",
    "kernel explain",
    "kernel pin",
    "kernel source",
];

fn expect_narrow(text: &str, of: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{of}: {} columns: {line}", line.chars().count());
        assert_eq!(line.trim_end(), line, "{of}: blanks at the end of a line");
    }
}

#[test]
fn help_of_every_command_fits_80_columns() {
    for command in COMMANDS {
        let words: Vec<&str> = command.split_whitespace().collect();
        for flag in ["--help", "-h"] {
            let output = run(&[words.as_slice(), &[flag]].concat());
            assert_eq!(output.status.code(), Some(0), "{command}");
            assert!(output.stderr.is_empty(), "{command}");
            expect_narrow(&String::from_utf8_lossy(&output.stdout), &format!("nacre {command} {flag}"));
        }
    }
}

#[test]
fn tables_and_reports_fit_80_columns() {
    let image = demo();
    for arguments in [["image", "verify", image.arg()], ["image", "inspect", image.arg()]] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(0));
        expect_narrow(&String::from_utf8_lossy(&output.stdout), &arguments.join(" "));
    }
    let project = Project::new();
    let output = project.build().output().expect("nacre starts");
    expect_narrow(&String::from_utf8_lossy(&output.stdout), "nacre build");
}

/// Text without its colours.
fn plain(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[test]
fn colour_is_only_where_it_was_asked_for_and_says_nothing_alone() {
    let project = Project::new();
    project.change("images/tiny.yaml", "version:", "versoin:");
    let said = |command: &mut Command| {
        String::from_utf8(command.output().expect("nacre starts").stderr).expect("it is UTF-8")
    };
    let without = said(&mut project.build());
    assert!(!without.contains('\u{1b}'), "{without}");
    for choice in ["never", "auto"] {
        assert_eq!(said(project.build().args(["--color", choice])), without, "{choice}");
        assert_eq!(
            said(project.build().args(["--color", choice]).env_remove("NO_COLOR")),
            without,
            "{choice}"
        );
    }
    let with = said(project.build().args(["--color", "always"]));
    assert!(with.contains("\u{1b}[1;31merror:"), "{with}");
    assert_eq!(plain(&with), without);
}

#[test]
fn usage_that_is_wrong_exits_2_and_names_the_right_word() {
    let cases: [(&[&str], &str); 7] = [
        (&["biuld"], "'build'"),
        (&["build", "x.yaml", "--boord", "y"], "'--board'"),
        (&["run", "x", "--memory", "24"], "24M"),
        (&["run", "x", "--timeout", "soon"], "60s"),
        (&["run", "x", "--expect", "("], "unclosed group"),
        (&["image", "verfy", "x"], "'verify'"),
        (&["key", "new"], "<NAME>"),
    ];
    for (arguments, text) in cases {
        let output = nacre().args(arguments).output().expect("nacre starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(said.contains(text), "{arguments:?}: {said}");
    }
}

#[test]
fn output_that_nobody_reads_to_its_end_is_no_failure() {
    let project = Project::new();
    project.built();
    for arguments in
        ["build images/tiny.yaml --out out/tiny", "image inspect out/tiny", "key show", "build --help"]
    {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let mut child = project
            .nacre(&words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nacre starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("the child is ours");
        assert_eq!(output.status.code(), Some(0), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
