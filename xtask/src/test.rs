//! The README's second command: every check, every test, on a real kernel.

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
    run(cargo().args(["test", "--quiet", "--workspace", "--exclude", "nacre-tests"]))?;
    // Last, and not quiet: each boots a machine and takes a while.
    say("tests of the whole, in the virtual machine");
    let mut whole = cargo();
    whole.args(["test", "--package", "nacre-tests"]).env("RUST_TEST_THREADS", machines().to_string());
    if extent == Extent::Full {
        whole.env("NACRE_TEST_FULL", "1").args(["--", "--include-ignored"]);
    }
    run(&mut whole)
}

/// Tests of the whole at a time. A virtual machine waits for most of its life: for a backoff, a timeout, a heartbeat.
fn machines() -> usize {
    3 * std::thread::available_parallelism().map_or(1, usize::from)
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
