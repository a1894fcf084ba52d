//! The README's first command: from nothing to the demo image on the console.

use std::path::PathBuf;
use std::process::Command;

use crate::command::{Failure, cargo, root, run as run_program, say};
use crate::setup;

/// The demo image and where it is built.
pub(crate) const RECIPE: &str = "recipes/images/demo.yaml";
pub(crate) const OUT: &str = "out/demo-qemu-armv7";

/// Sets up, builds the demo image and boots it; `options` go to `nacre run`.
pub(crate) fn run(options: &[&str]) -> Result<(), Failure> {
    setup::set_up()?;
    build_image()?;
    say(&format!("nacre run {OUT} {}  (Ctrl-C ends the virtual machine)", options.join(" ")));
    run_program(nacre().args(["run", OUT]).args(options))
}

/// Builds `nacre`, and with it the demo image.
pub(crate) fn build_image() -> Result<(), Failure> {
    build_nacre()?;
    say(&format!("nacre build {RECIPE}"));
    run_program(nacre().args(["build", RECIPE, "--out", OUT]))
}

/// Builds `nacre`.
pub(crate) fn build_nacre() -> Result<(), Failure> {
    say("building nacre");
    run_program(cargo().args(["build", "--quiet", "--package", "nacre-image-builder"]))
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into)
}

/// The `nacre` of this checkout.
pub(crate) fn nacre() -> Command {
    let mut command = Command::new(target().join("debug/nacre"));
    command.current_dir(root());
    command
}
