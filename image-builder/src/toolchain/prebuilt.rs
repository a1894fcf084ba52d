//! The compiler in `PATH` with a standard library for the target already installed (rustup's way).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Architecture, Toolchain, cargo_home, common_rustflags, compiler_version, target_folder};
use crate::cache::Cache;
use crate::failure::Failure;
use crate::programs::find_executable;

/// Finds it, or nothing.
pub(super) fn find(
    architecture: &'static Architecture,
    cache: &Cache,
    checkout: &Path,
) -> Result<Option<Toolchain>, Failure> {
    let (Some(cargo), Some(rustc)) = (find_executable("cargo"), find_executable("rustc")) else {
        return Ok(None);
    };
    let Some(libraries) = print(&rustc, &["--print", "target-libdir", "--target", architecture.target])
    else {
        return Ok(None);
    };
    if !has_standard_library(Path::new(&libraries)) {
        return Ok(None);
    }
    let Some(version) = compiler_version(&rustc) else { return Ok(None) };
    let home = cargo_home();
    // Cargo tells by time what is fresh, so checkouts must not share a folder; the standard library is
    // there already, so nothing long is built twice.
    let folder = target_folder(
        architecture,
        cache,
        &[&version, &checkout.to_string_lossy(), &architecture.code.join(" ")],
    )?;
    let mut rustflags = common_rustflags(architecture, &[(&home, "/cargo"), (&folder, "/target")]);
    // Rust brings musl's start files and libc itself; its own linker needs nothing else of the host.
    match own_linker(&rustc) {
        Some(_) => rustflags.push("-Clinker=rust-lld".to_owned()),
        None => rustflags.push(format!("-Clinker={}", architecture.linker)),
    }
    let first = version.lines().next().unwrap_or_default();
    Ok(Some(Toolchain {
        architecture,
        description: format!("{first}, target {}", architecture.target),
        cargo,
        environment: Vec::new(),
        arguments: Vec::new(),
        rustflags,
        target_folder: folder,
        // Which compiler rustup takes depends on more than can be looked at here; cargo is quick without a standard
        // library to look after.
        library: None,
    }))
}

fn print(rustc: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(rustc).args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn has_standard_library(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|e| {
            let name = e.file_name().to_string_lossy().into_owned();
            name.starts_with("libstd-") && name.ends_with(".rlib")
        })
    })
}

fn own_linker(rustc: &Path) -> Option<PathBuf> {
    let root = PathBuf::from(print(rustc, &["--print", "sysroot"])?);
    let host = compiler_version(rustc)?.lines().find_map(|l| l.strip_prefix("host: ").map(str::to_owned))?;
    let linker = root.join("lib/rustlib").join(host).join("bin/rust-lld");
    linker.is_file().then_some(linker)
}
