//! `nacre` as it is given to others: one static program, which runs on any Linux of its architecture and is there sooner
//! than one that has to be put together first.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::command::{Failure, cargo, run, say};
use crate::run::target;

/// Builds it, and answers with its path: `target/dist/nacre`.
pub(crate) fn dist() -> Result<PathBuf, Failure> {
    say("building nacre as one static program");
    let host = host()?;
    // With a target named, crates that run in the compiler are not linked so: they can't be.
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "--package", "nacre-image-builder", "--target", &host]);
    run(build.env("RUSTFLAGS", "-Ctarget-feature=+crt-static"))?;
    let (from, folder) = (target().join(&host).join("release/nacre"), target().join("dist"));
    let to = folder.join("nacre");
    let fresh = folder.join(".nacre");
    let placed = fs::create_dir_all(&folder)
        .and_then(|()| fs::copy(&from, &fresh).map(drop))
        .and_then(|()| fs::rename(&fresh, &to));
    placed.map_err(|error| Failure::new(format!("write {}: {error}", to.display())))?;
    Ok(to)
}

/// The target that programs of this machine are for.
fn host() -> Result<String, Failure> {
    let mut rustc = Command::new("rustc");
    let output = rustc.arg("-vV").stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| Failure::new(format!("start rustc: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("rustc -vV names no host"))
}
