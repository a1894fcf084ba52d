//! The README's first command: from nothing to the demo image on the console.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use crate::command::{Failure, cargo, root, run as run_program, say};
use crate::setup;

/// The demo image and where it is built.
pub(crate) const RECIPE: &str = "recipes/images/demo.yaml";
pub(crate) const OUT: &str = "out/demo-qemu-armv7";

/// Where the panel of the demo image listens, on the device and, if it is free there, on this machine.
const PANEL: u16 = 8080;

/// Sets up, builds the demo image and boots it; `options` go to `nacre run`, which says where the panel is as
/// soon as it answers, and goes on until Ctrl-C.
pub(crate) fn run(options: &[&str]) -> Result<(), Failure> {
    setup::set_up()?;
    build_image()?;
    let is_free = TcpListener::bind(("127.0.0.1", PANEL)).is_ok();
    let forward = forward(options, is_free);
    let forward = forward.iter().flatten().map(String::as_str);
    let words: Vec<&str> = ["run", OUT].into_iter().chain(forward).chain(options.iter().copied()).collect();
    say(&format!("nacre {}  (Ctrl-C ends the virtual machine)", words.join(" ")));
    run_program(nacre().args(words))
}

/// The panel's port, unless `options` say what to forward or that there is no network.
fn forward(options: &[&str], is_free: bool) -> Option<[String; 2]> {
    let of_network =
        |option: &&str| *option == "--offline" || *option == "--forward" || option.starts_with("--forward=");
    let host = if is_free { PANEL } else { 0 };
    (!options.iter().any(of_network)).then(|| ["--forward".to_owned(), format!("{host}:{PANEL}")])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_is_the_panels_port_unless_the_options_say_otherwise() {
        let words = |options: &[&str], is_free| forward(options, is_free).map(|words| words.join(" "));
        assert_eq!(words(&["--fresh"], true).as_deref(), Some("--forward 8080:8080"));
        assert_eq!(words(&[], false).as_deref(), Some("--forward 0:8080"));
        for options in [&["--offline"] as &[&str], &["--forward", "81:80"], &["--fresh", "--forward=81:80"]] {
            assert_eq!(words(options, true), None, "{options:?}");
        }
    }
}
