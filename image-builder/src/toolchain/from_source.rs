//! Debian's compiler, which makes the standard library from its sources.
//!
//! `rustc-web`, `cargo-web` and `rust-web-src` of bookworm-security, musl of the target's architecture and
//! a cross C compiler that links.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Architecture, Toolchain, cargo_home, common_rustflags, compiler_version, inputs, target_folder};
use crate::cache::Cache;
use crate::failure::{Exit, Failure, OrFail};
use crate::programs::find_executable;

const CARGO: &str = "/usr/bin/cargo";
const RUSTC: &str = "/usr/bin/rustc";

/// What the compiler says of itself; nothing where it isn't installed.
#[derive(Debug, Default)]
pub(super) struct Compiler {
    version: Option<String>,
    sources: Option<PathBuf>,
    library: Option<String>,
}

impl Compiler {
    pub(super) fn ask() -> Self {
        let rustc = Path::new(RUSTC);
        std::thread::scope(|scope| {
            let library = scope.spawn(|| {
                let sources = library_sources(rustc);
                let library =
                    sources.as_deref().and_then(|sources| inputs::summary(&sources.join("library")));
                (sources, library)
            });
            let version = compiler_version(rustc);
            let (sources, library) = library.join().unwrap_or_default();
            Self { version, sources, library }
        })
    }
}

/// Finds it, or says what is missing.
pub(super) fn find(
    architecture: &'static Architecture,
    cache: &Cache,
    compiler: Compiler,
) -> Result<Toolchain, Failure> {
    let Compiler { version, sources, library } = compiler;
    let mut missing = Vec::new();
    if version.is_none() {
        missing.push("rustc-web");
    }
    if !Path::new(CARGO).is_file() {
        missing.push("cargo-web");
    }
    if sources.is_none() {
        missing.push("rust-web-src");
    }
    if find_executable(architecture.linker).is_none() {
        missing.push(architecture.linker_package);
    }
    if !Path::new(architecture.musl_folder).join("libc.a").is_file() {
        missing.push(architecture.musl_package);
    }
    let (Some(version), Some(sources), true) = (version, sources, missing.is_empty()) else {
        return Err(Failure::new(
            Exit::NotFound,
            format!("there is no toolchain for {} (target {})", architecture.arch, architecture.target),
        )
        .hint(format!(
            "`rustup target add {}`, or on Debian 12: apt-get install {}; `cargo xtask run` sets it up",
            architecture.target,
            missing.join(" ")
        )));
    };

    let libraries = library_folder(architecture, cache)?;
    let home = cargo_home();
    let flags = link_flags(&libraries);
    let folder =
        target_folder(architecture, cache, &[&version, &flags.join(" "), &architecture.code.join(" ")])?;
    let mut rustflags =
        common_rustflags(architecture, &[(&home, "/cargo"), (&sources, "/rust"), (&folder, "/target")]);
    rustflags.push(format!("-Clinker={}", architecture.linker));
    rustflags.extend(flags);
    let first = version.lines().next().unwrap_or_default();
    Ok(Toolchain {
        architecture,
        description: format!(
            "{first} of Debian, standard library from source, target {}",
            architecture.target
        ),
        cargo: CARGO.into(),
        // RUSTC_BOOTSTRAP opens the options that make the standard library, and only those are used.
        environment: vec![("RUSTC", RUSTC.into()), ("RUSTC_BOOTSTRAP", "1".into())],
        arguments: [
            "-Zbuild-std=std,panic_abort",
            "-Zbuild-std-features=optimize_for_size",
            // Checkouts share the build folder: what is fresh must be told by content, not by time.
            "-Zchecksum-freshness",
        ]
        .map(str::to_owned)
        .to_vec(),
        rustflags,
        target_folder: folder,
        library,
    })
}

fn link_flags(libraries: &Path) -> Vec<String> {
    let folder = libraries.display();
    vec![
        "-Clink-self-contained=no".to_owned(),
        format!("-Clink-arg=-B{folder}"),
        format!("-Clink-arg=-L{folder}"),
    ]
}

/// Where the standard library's sources are, with links resolved as the compiler will see them.
fn library_sources(rustc: &Path) -> Option<PathBuf> {
    let output = std::process::Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
    let root = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let sources = root.join("lib/rustlib/src/rust/library").canonicalize().ok()?;
    sources.join("Cargo.lock").is_file().then(|| sources.parent().map(Path::to_owned))?
}

/// `libunwind.a` as a linker script (ld(1), "Implicit Linker Scripts"): GCC's unwinder. On x86_64 it asks glibc
/// where code lies; musl has no such function, and a program that aborts on panic never unwinds.
const UNWINDER: &str = "INPUT(-lgcc_eh -lgcc)\nPROVIDE(_dl_find_object = abort);\n";

/// musl's static libraries and start files, without its `libc.so`, which the linker would prefer, and with
/// the `libunwind.a` that Rust asks for and GCC has under another name.
pub(super) fn library_folder(architecture: &Architecture, cache: &Cache) -> Result<PathBuf, Failure> {
    let folder = cache.folder(Path::new("toolchain").join(format!("musl-{}", architecture.arch)))?;
    let step = || format!("can't prepare `{}`", folder.display());
    let entries = fs::read_dir(architecture.musl_folder).or_fail(Exit::NotFound, step)?;
    for entry in entries {
        let from = entry.or_fail(Exit::Internal, step)?.path();
        let wanted = from.extension().is_some_and(|e| e == "a" || e == "o");
        let (true, Some(name)) = (wanted, from.file_name()) else { continue };
        match std::os::unix::fs::symlink(&from, folder.join(name)) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => {
                return Err(e).or_fail(Exit::Internal, step);
            }
            _ => {}
        }
    }
    let script = folder.join("libunwind.a");
    if fs::read(&script).ok().as_deref() != Some(UNWINDER.as_bytes()) {
        fs::write(&script, UNWINDER).or_fail(Exit::Internal, step)?;
    }
    Ok(folder)
}
