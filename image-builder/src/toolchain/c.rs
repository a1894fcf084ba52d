//! C for the device: the architecture's GCC with musl's headers and libraries in the place of glibc's.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Architecture, from_source};
use crate::cache::Cache;
use crate::failure::{Exit, Failure, OrFail};
use crate::programs::find_executable;

/// For sources of our own way of building: warnings are worth most to who begins.
const SOURCE_FLAGS: [&str; 4] = ["-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra"];

/// What every program has: what is not called costs nothing.
const FLAGS: [&str; 8] = [
    "-Os",
    "-fstack-protector-strong",
    "-D_FORTIFY_SOURCE=2",
    "-ffunction-sections",
    "-fdata-sections",
    "-static",
    "-s",
    "-Wl,--gc-sections,--build-id=none,-z,noexecstack,-z,separate-code",
];

/// The C form of lib/app, which travels with `nacre` as the templates do.
const HEADER: &str = include_str!("../../../lib/app/include/nacre/app.h");
const LIBRARY: &str = include_str!("../../../lib/app/c/nacre.c");

/// Compiles and links all `.c` files of a folder to one static program, with what it uses of lib/app: `nacre/app.h` is
/// found without further ado.
///
/// # Errors
/// 66 if the compiler, musl or a source is missing; 65 with what the compiler said if it refuses them.
pub fn build(architecture: &Architecture, sources: &Path, program: &Path) -> Result<(), Failure> {
    let compiler = compiler(architecture)?;
    let mut files = Vec::new();
    for entry in
        fs::read_dir(sources).or_fail(Exit::NotFound, || format!("can't read `{}`", sources.display()))?
    {
        let path = entry.or_fail(Exit::Internal, || format!("can't read `{}`", sources.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            files.push(path);
        }
    }
    // The order in which they are linked decides where they lie.
    files.sort();
    if files.is_empty() {
        return Err(Failure::new(Exit::NotFound, format!("there is no C source in `{}`", sources.display()))
            .hint("every `.c` file in there becomes part of the app's one program"));
    }
    let system = tempfile::tempdir()
        .or_fail(Exit::Internal, || "can't make a folder for the header of lib/app".to_owned())?;
    files.push(write_library(system.path())?);
    let mut command = Command::new(&compiler);
    command.args(SOURCE_FLAGS).args(arguments(architecture, &compiler, sources)?);
    command.args(library_arguments(system.path()));
    command.args(&files).arg("-o").arg(program);
    command.env("LC_ALL", "C").env("SOURCE_DATE_EPOCH", "0").stdin(Stdio::null());
    let output = command.output().or_fail(Exit::Internal, || "can't start the C compiler".to_owned())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(Failure::new(Exit::BadInput, format!("can't build `{}`", sources.display()))
            .because(said.trim_end().to_owned()));
    }
    // Warnings are for whoever writes the app.
    if !said.trim().is_empty() {
        eprintln!("{}", said.trim_end());
    }
    Ok(())
}

/// Writes header and source of lib/app's C form into a folder, and gives the source's path.
fn write_library(folder: &Path) -> Result<PathBuf, Failure> {
    let write = |path: &str, content: &str| {
        let path = folder.join(path);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, content));
        made.or_fail(Exit::Internal, || format!("can't write `{}`", path.display())).map(|()| path)
    };
    write("include/nacre/app.h", HEADER)?;
    write("nacre.c", LIBRARY)
}

/// How the compiler finds them, with no trace of where they lay.
fn library_arguments(folder: &Path) -> [OsString; 3] {
    let map = format!("-ffile-prefix-map={}=nacre", folder.display());
    ["-isystem".into(), folder.join("include").into(), map.into()]
}

/// What makes the compiler one for the device. The same sources make the same bytes wherever they lie.
fn arguments(architecture: &Architecture, compiler: &Path, sources: &Path) -> Result<Vec<OsString>, Failure> {
    let headers = compiler_headers(compiler)?;
    let libraries = from_source::library_folder(architecture, &Cache::open()?)?;
    let mut arguments: Vec<OsString> =
        FLAGS.iter().chain(architecture.c_flags).map(|flag| OsString::from(*flag)).collect();
    arguments.push("-nostdinc".into());
    for folder in [Path::new(architecture.musl_headers), &headers] {
        arguments.extend(["-isystem".into(), folder.into()]);
    }
    let libraries = libraries.display();
    for text in [
        format!("-B{libraries}"),
        format!("-L{libraries}"),
        format!("-ffile-prefix-map={}=.", sources.display()),
    ] {
        arguments.push(text.into());
    }
    Ok(arguments)
}

/// Writes a program that is the compiler for the device, for a build of somebody else's making which takes it as `CC`.
/// What it links may use lib/app, which is compiled into a folder beside it.
///
/// # Errors
/// 66 if the compiler or musl is missing.
pub fn write_wrapper(architecture: &Architecture, sources: &Path, program: &Path) -> Result<(), Failure> {
    let compiler = compiler(architecture)?;
    let mut of_device = arguments(architecture, &compiler, sources)?;
    let system = program.with_extension("lib");
    let source = write_library(&system)?;
    of_device.extend(library_arguments(&system));
    let object = system.join("nacre.o");
    let step = || "can't compile the C form of lib/app".to_owned();
    let mut compile = Command::new(&compiler);
    compile.args(SOURCE_FLAGS).args(&of_device).arg("-c").arg(source).arg("-o").arg(&object);
    compile.env("LC_ALL", "C").env("SOURCE_DATE_EPOCH", "0").stdin(Stdio::null());
    let output = compile.output().or_fail(Exit::Internal, step)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        return Err(Failure::new(Exit::Internal, step()).because(said));
    }
    let mut script = format!("#!/bin/sh\nexec {}", quoted(compiler.as_os_str()));
    for argument in of_device {
        script += &format!(" {}", quoted(&argument));
    }
    // Of concern only where something is linked, and left out of it when nothing uses it.
    let mut link = OsString::from("-Wl,");
    link.push(&object);
    script += &format!(" \"$@\" {}\n", quoted(&link));
    let step = || format!("can't write `{}`", program.display());
    fs::write(program, script).or_fail(Exit::Internal, step)?;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).or_fail(Exit::Internal, step)
}

/// A word as a shell reads it back.
fn quoted(word: &OsStr) -> String {
    format!("'{}'", word.to_string_lossy().replace('\'', "'\\''"))
}

pub(super) fn compiler(architecture: &Architecture) -> Result<PathBuf, Failure> {
    let found = find_executable(architecture.linker);
    let musl = Path::new(architecture.musl_folder).join("libc.a").is_file()
        && Path::new(architecture.musl_headers).join("stdio.h").is_file();
    let mut missing = Vec::new();
    if found.is_none() {
        missing.push(architecture.linker_package);
    }
    if !musl {
        missing.push(architecture.musl_package);
    }
    match found {
        Some(compiler) if musl => Ok(compiler),
        _ => Err(Failure::new(Exit::NotFound, format!("there is no C compiler for {}", architecture.arch))
            .hint(format!(
                "on Debian 12: apt-get install {}; `cargo xtask run` sets it up",
                missing.join(" ")
            ))),
    }
}

/// Headers that belong to the compiler and not to the C library, like `stdarg.h`.
fn compiler_headers(compiler: &Path) -> Result<PathBuf, Failure> {
    let step = || format!("can't ask `{}` for its headers", compiler.display());
    let output = Command::new(compiler)
        .arg("-print-file-name=include")
        .stdin(Stdio::null())
        .output()
        .or_fail(Exit::Internal, step)?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if path.is_absolute() { Ok(path) } else { Err(Failure::new(Exit::NotFound, step())) }
}

#[cfg(test)]
mod tests {
    use nacre_manifest::arch::Arch;

    use super::*;
    use crate::elf::{self, CodeMemory};

    const HELLO: &str = "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n";

    #[test]
    fn sources_become_one_small_static_program_that_is_the_same_from_any_folder() {
        for arch in Arch::ALL {
            let architecture = Architecture::of(arch);
            let programs = [(); 2].map(|()| {
                let folder = tempfile::tempdir().unwrap();
                fs::write(folder.path().join("main.c"), HELLO).unwrap();
                fs::write(folder.path().join("notes.txt"), "no source").unwrap();
                let program = folder.path().join("hello");
                build(architecture, folder.path(), &program).unwrap();
                fs::read(program).unwrap()
            });
            assert_eq!(programs[0], programs[1], "{arch}");
            elf::check(&programs[0], architecture.elf, CodeMemory::of(false)).unwrap();
            assert!(programs[0].len() < 40_000, "{arch}: {} bytes", programs[0].len());
        }
    }

    #[test]
    fn sources_find_the_header_of_lib_app_and_get_what_they_use_of_it() {
        const USES: &str = "#include <nacre/app.h>\nstatic struct nacre os;\nint main(void) {\n\
            if (nacre_open(&os) < 0 || nacre_events(&os) < 0) return 1;\n\
            return nacre_wait(&os, NULL, 0, -1) == NACRE_SHUTDOWN ? 0 : 1; }\n";
        for arch in Arch::ALL {
            let folder = tempfile::tempdir().unwrap();
            let size = |text: &str| {
                fs::write(folder.path().join("main.c"), text).unwrap();
                let program = folder.path().join("program");
                build(Architecture::of(arch), folder.path(), &program).unwrap();
                fs::read(program).unwrap().len()
            };
            let (without, with) = (size("int main(void) { return 0; }\n"), size(USES));
            assert!(without < with && with < 30_000, "{arch}: {without} and {with} bytes");
        }
    }

    #[test]
    fn sources_that_the_compiler_refuses_are_bad_input_in_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("hello");
        let refused = |exit| {
            let failure = build(Architecture::of(Arch::X86_64), folder.path(), &program).unwrap_err();
            assert_eq!(failure.exit(), exit);
            assert!(!program.exists());
            format!("{:?}", failure.into_report())
        };
        assert!(refused(Exit::NotFound).contains("no C source"));
        fs::write(folder.path().join("main.c"), "int main(void) { return x; }\n").unwrap();
        assert!(refused(Exit::BadInput).contains("undeclared"));
    }
}
