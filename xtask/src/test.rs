//! The README's second command: every check, every test, on a real kernel.

use std::process::Command;

use crate::command::{Failure, cargo, run, say};
use crate::run::build_image;
use crate::{directions, setup};

/// How much is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What CI does on every change.
    Usual,
    /// And what takes long.
    Full,
}

/// Sets up, checks, builds the demo image, and runs all tests.
pub(crate) fn test(extent: Extent) -> Result<(), Failure> {
    setup::set_up_with(&setup::BROWSER)?;
    check()?;
    build_image()?;
    if extent == Extent::Full {
        licences()?;
    }
    say("tests of the crates");
    run(waiting(&mut cargo()).args(["test", "--quiet", "--workspace", "--exclude", "nacre-tests"]))?;
    // Last, and not quiet: each boots a machine and takes a while.
    say("tests of the whole, in the virtual machine");
    let mut whole = cargo();
    waiting(&mut whole).args(["test", "--package", "nacre-tests"]);
    if extent == Extent::Full {
        whole.env("NACRE_TEST_FULL", "1").args(["--", "--include-ignored"]);
    }
    run(&mut whole)
}

/// More tests at a time than there are processors: a virtual machine, and a network of namespaces, wait for most of
/// their lives, for a backoff, a timeout or a heartbeat.
fn waiting(tests: &mut Command) -> &mut Command {
    let threads = 3 * std::thread::available_parallelism().map_or(1, usize::from);
    tests.env("RUST_TEST_THREADS", threads.to_string())
}

/// Format, lints and crate directions.
pub(crate) fn check() -> Result<(), Failure> {
    say("format");
    run(cargo().args(["fmt", "--all", "--check"]))?;
    say("crate directions");
    directions::check()?;
    say("lints");
    let lints = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"];
    run(cargo().args(lints))
}

/// Licences, sources and duplicates of the dependencies, as deny.toml has them.
fn licences() -> Result<(), Failure> {
    say("licences and sources of the dependencies");
    if run(cargo().args(["deny", "--version"])).is_err() {
        run(cargo().args(["install", "--locked", "cargo-deny"]))?;
    }
    run(cargo().args(["deny", "check", "bans", "licenses", "sources"]))
}
