//! The `nacre` of this checkout, as a user would call it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The checkout.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}

/// `nacre`, built from what is in the checkout now.
pub fn nacre() -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let program = BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root()).args(["build", "--quiet", "--package", "nacre-image-builder"]);
        assert!(cargo.status().expect("cargo starts").success(), "nacre does not build");
        // This test is target/debug/deps/vm-…: the program lies one folder up.
        let test = std::env::current_exe().expect("a running test has a path");
        let debug = test.parent().and_then(Path::parent).expect("target/debug");
        debug.join("nacre")
    });
    let mut command = Command::new(program);
    command.current_dir(root()).env("NO_COLOR", "1");
    command
}

/// Runs `nacre` to its end.
pub fn run(arguments: &[&str]) -> Output {
    nacre().args(arguments).output().expect("nacre starts")
}

/// Runs any program to its end and returns what it printed; panics when it fails.
pub fn judge(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; `cargo xtask setup` installs it"));
    let text = text(&output);
    assert!(output.status.success(), "{program} {arguments:?} ended with {}:\n{text}", output.status);
    text
}

/// Both outputs as text.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
