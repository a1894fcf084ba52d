//! C for the device: the architecture's GCC with musl's headers and libraries in the place of glibc's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Architecture, from_source};
use crate::cache::Cache;
use crate::failure::{Exit, Failure, OrFail};
use crate::programs::find_executable;

/// Warnings are worth most to who begins; what is not called costs nothing; the same sources make the same bytes
/// wherever they lie.
const FLAGS: [&str; 12] = [
    "-std=c17",
    "-D_GNU_SOURCE",
    "-Os",
    "-Wall",
    "-Wextra",
    "-fstack-protector-strong",
    "-D_FORTIFY_SOURCE=2",
    "-ffunction-sections",
    "-fdata-sections",
    "-static",
    "-s",
    "-Wl,--gc-sections,--build-id=none,-z,noexecstack,-z,separate-code",
];

/// Compiles and links all `.c` files of a folder to one static program.
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
    let headers = compiler_headers(&compiler)?;
    let libraries = from_source::library_folder(architecture, &Cache::open()?)?;
    let mut command = Command::new(compiler);
    command.args(FLAGS).args(architecture.c_flags).arg("-nostdinc");
    command.arg("-isystem").arg(architecture.musl_headers).arg("-isystem").arg(headers);
    command.arg(format!("-B{}", libraries.display())).arg(format!("-L{}", libraries.display()));
    command.arg(format!("-ffile-prefix-map={}=.", sources.display()));
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

fn compiler(architecture: &Architecture) -> Result<PathBuf, Failure> {
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
