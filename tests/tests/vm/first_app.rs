//! The page for who writes a first app, executed line by line.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use nacre_tests::image::Board;
use nacre_tests::nacre::{nacre, root, text};

const PAGE: &str = "docs/first-app.md";
/// What the page has, and a test has of its own.
const LANGUAGE: &str = "--lang rust";
const PAGE_BOARD: &str = "qemu-armv7";

/// The page's blocks of commands as one script. What runs in a second terminal there runs beside the rest here, and is
/// ended with it.
fn script(page: &str) -> String {
    let mut script = String::from("set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n");
    let mut block: Option<(String, bool)> = None;
    for line in page.lines() {
        match (&mut block, line) {
            (None, "```sh") => block = Some((String::new(), false)),
            (None, "```sh background") => block = Some((String::new(), true)),
            (Some((commands, background)), "```") => {
                script +=
                    &if *background { format!("{} &\n", commands.trim_end()) } else { commands.clone() };
                block = None;
            }
            (Some((commands, _)), line) => {
                commands.push_str(line);
                commands.push('\n');
            }
            _ => {}
        }
    }
    script + "wait\n"
}

/// A port that nobody has at this moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn execute(script: &str, folder: &Path) -> String {
    let program = nacre().get_program().to_owned();
    let programs = Path::new(&program).parent().expect("the program is in a folder").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path =
        std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&path))).expect("a path");
    let mut bash = Command::new("bash");
    bash.args(["-c", script]).current_dir(folder).env("PATH", path).env("NO_COLOR", "1").stdin(Stdio::null());
    let output = bash.output().expect("bash starts");
    let text = text(&output);
    assert!(output.status.success(), "{}\nof\n{script}\n{text}", output.status);
    text
}

fn follow(board: Board, language: &str) {
    let page = fs::read_to_string(root().join(PAGE)).expect("the page");
    let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
    // Each of them must be on the page: else what is tested here is something else.
    let replaced = [
        (LANGUAGE, format!("--lang {language}")),
        (PAGE_BOARD, board.name.to_owned()),
        ("--forward 8080:", format!("--forward {port}:")),
        ("127.0.0.1:8080", format!("127.0.0.1:{port}")),
    ];
    let page = replaced.iter().fold(page, |page, (from, to)| {
        assert!(page.contains(from), "`{from}` is not on the page");
        page.replace(from, to)
    });
    let said = execute(&script(&page), folder.path());
    for expected in [
        "error: unknown field `limts`",
        "hint: did you mean `limits`?",
        "accepts connections on TCP port 8080 of the device",
        "hello from greeter",
        "greeter: listening port=8080",
        "may not use the network",
    ] {
        assert!(said.contains(expected), "`{expected}` is not in\n{said}");
    }
}

fn page_is_followed_in_rust(board: Board) {
    follow(board, "rust");
}

fn page_is_followed_in_c(board: Board) {
    follow(board, "c");
}

crate::on_each_board! {
    page_is_followed_in_rust,
    page_is_followed_in_c,
}

#[test]
fn test_of_each_template_is_run_as_it_says_and_passes() {
    for (language, passed) in [("rust", "2 passed"), ("c", "all right")] {
        let folder = tempfile::tempdir().expect("a folder");
        let said = execute(&format!("nacre app new greeter --lang {language}"), folder.path());
        let line = said.lines().find_map(|line| line.strip_prefix("Its test:")).expect("how it is tested");
        let said = execute(line, folder.path());
        assert!(said.contains(passed), "{said}");
    }
}
