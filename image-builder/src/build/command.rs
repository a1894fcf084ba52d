//! `build: [make, …]`: programs by a command of the app's own, the same on every machine as far as it can be seen to.
//!
//! The command runs in a fresh copy of the app's folder, with an environment that is said here in full, and leaves its
//! programs in a folder. It is not in a sandbox: like a build script of cargo it is as trusted as the sources.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use nacre_diag::Diagnostic;
use nacre_manifest::app::{AppSource, BIN_FOLDER};

use super::copy;
use super::package::Programs;
use crate::failure::{Exit, Failure, OrFail};
use crate::interrupt::Children;
use crate::programs::find_executable;
use crate::progress::Step;
use crate::terminal::Terminal;
use crate::toolchain::{Architecture, c};

/// Lines of the command's output that are shown when it fails.
const MAX_LINES: usize = 40;

/// Programs that it may leave.
const MAX_PROGRAMS: usize = 64;

/// Bytes of one program: more than any board's disk has.
const MAX_PROGRAM_BYTES: u64 = 64 << 20;

/// Runs the command and reads what it left, by its name in `/app/bin`.
///
/// # Errors
/// 66 if there is no such program; 65 with its last words if it fails, or leaves what is no program.
pub(super) fn run(
    app: &AppSource,
    words: &[String],
    architecture: &'static Architecture,
    scratch: &Path,
    (step, terminal): (&Step, &Terminal),
) -> Result<Programs, Failure> {
    let [sources, out, home, tools] = ["source", "programs", "home", "tools"].map(|name| scratch.join(name));
    for folder in [&out, &home, &tools] {
        fs::create_dir_all(folder)
            .or_fail(Exit::Internal, || format!("can't make `{}`", folder.display()))?;
    }
    copy::copy(&app.folder, &sources)?;
    let mut command = Command::new(program(words, &sources));
    command.args(words.iter().skip(1)).current_dir(&sources);
    command.env_clear().envs(environment(architecture, &sources, &tools));
    command.env("HOME", &home).env("NACRE_OUT", &out);
    let done = execute(&mut command, step);
    let failed = |exit, what: String| Diagnostic::error(exit, what).at(app.places.build.clone());
    let name = words.first().map_or("", String::as_str);
    match done {
        Err(error) => {
            let found = match error.kind() {
                ErrorKind::NotFound => {
                    failed(Exit::NotFound, format!("`build`: there is no program `{name}`")).with_hint(
                        "install it, or name a file beside the manifest by its path, like ./build.sh",
                    )
                }
                ErrorKind::PermissionDenied => {
                    failed(Exit::BadInput, format!("`build`: `{name}` can't be executed"))
                        .with_cause(error.to_string())
                        .with_hint(format!("make it executable: chmod +x {name}"))
                }
                _ => failed(Exit::Internal, format!("`build`: can't run `{name}`"))
                    .with_cause(error.to_string()),
            };
            Err(found.into())
        }
        Ok((false, status, said)) => {
            let found = failed(Exit::BadInput, format!("`build`: `{}` failed: {status}", words.join(" ")));
            Err(if said.is_empty() { found } else { found.with_cause(said) }
                .with_hint("it runs in a copy of the app's folder, with CC, NACRE_OUT, NACRE_ARCH and NACRE_TARGET; see `nacre app build --help`")
                .into())
        }
        Ok((true, ..)) => {
            let programs = collect(app, &out)?;
            warn_of_paths(app, &programs, scratch, terminal);
            Ok(programs)
        }
    }
}

/// A path is relative to the app's folder; a name is looked up.
fn program(words: &[String], sources: &Path) -> PathBuf {
    let word = words.first().map_or("", String::as_str);
    if word.contains('/') { sources.join(word) } else { find_executable(word).unwrap_or_else(|| word.into()) }
}

/// All that the command learns, but for its folders.
fn environment(
    architecture: &'static Architecture,
    sources: &Path,
    tools: &Path,
) -> Vec<(&'static str, OsString)> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let mut variables = vec![
        ("PATH", path),
        ("LC_ALL", "C".into()),
        ("TZ", "UTC".into()),
        ("SOURCE_DATE_EPOCH", copy::TIME.to_string().into()),
        ("NACRE_ARCH", architecture.arch.as_str().into()),
        ("NACRE_TARGET", architecture.target.into()),
    ];
    let compiler = tools.join("cc");
    // Who builds with something else needs no C compiler.
    if c::write_wrapper(architecture, sources, &compiler).is_ok() {
        let archiver = architecture.linker.trim_end_matches("gcc").to_owned() + "ar";
        variables.extend([("CC", compiler.into()), ("AR", archiver.into())]);
    }
    variables
}

/// Whether it did well, its status in words, and its last lines.
fn execute(command: &mut Command, step: &Step) -> std::io::Result<(bool, String, String)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that an interrupt can end all that it started.
    let mut child = command.process_group(0).spawn()?;
    let children = Children::of(&child);
    let kept = Mutex::new(VecDeque::new());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        scope.spawn(|| listen(stdout, step, &kept));
        listen(stderr, step, &kept);
    });
    drop(children);
    let status = child.wait()?;
    let kept = kept.into_inner().unwrap_or_default();
    Ok((status.success(), status.to_string(), Vec::from(kept).join("\n").trim().to_owned()))
}

fn listen(stream: Option<impl Read>, step: &Step, kept: &Mutex<VecDeque<String>>) {
    for line in
        stream.map(BufReader::new).into_iter().flat_map(|reader| reader.split(b'\n')).map_while(Result::ok)
    {
        let line = String::from_utf8_lossy(&line).into_owned();
        step.detail(line.trim());
        if let Ok(mut kept) = kept.lock() {
            kept.push_back(line);
            if kept.len() > MAX_LINES {
                kept.pop_front();
            }
        }
    }
}

/// What the command left.
fn collect(app: &AppSource, out: &Path) -> Result<Programs, Failure> {
    let step = || format!("can't read `{}`", out.display());
    let refuse = |what: String, hint: String| -> Failure {
        Diagnostic::error(Exit::BadInput, what).at(app.places.build.clone()).with_hint(hint).into()
    };
    let mut programs = Programs::new();
    for entry in fs::read_dir(out).or_fail(Exit::Internal, step)? {
        let entry = entry.or_fail(Exit::Internal, step)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let metadata = entry.metadata().or_fail(Exit::Internal, step)?;
        if !metadata.is_file() {
            return Err(refuse(
                format!("`build`: `{}` in $NACRE_OUT is not a file", name.escape_debug()),
                format!("what is there lands in {BIN_FOLDER}: leave programs, no folders and links"),
            ));
        }
        if entry.file_name().to_str().is_none() || name.chars().any(char::is_control) {
            return Err(refuse(
                format!("`build`: `{}` in $NACRE_OUT is no name for a program", name.escape_debug()),
                "give it a name that can be typed".to_owned(),
            ));
        }
        if metadata.len() > MAX_PROGRAM_BYTES || programs.len() >= MAX_PROGRAMS {
            return Err(refuse(
                "`build`: there is too much in $NACRE_OUT".to_owned(),
                format!("at most {MAX_PROGRAMS} programs of at most {} MiB each", MAX_PROGRAM_BYTES >> 20),
            ));
        }
        programs.insert(name, fs::read(entry.path()).or_fail(Exit::Internal, step)?);
    }
    if programs.is_empty() {
        let name = app.program().rsplit('/').next().unwrap_or_default();
        return Err(refuse(
            "`build`: the command left nothing in the folder $NACRE_OUT".to_owned(),
            format!("let it put its programs there, like: cp {name} \"$NACRE_OUT\"/"),
        ));
    }
    Ok(programs)
}

/// A program that knows in which folder it was made is another one each time.
fn warn_of_paths(app: &AppSource, programs: &Programs, scratch: &Path, terminal: &Terminal) {
    let path = scratch.as_os_str().as_encoded_bytes();
    let found = programs.iter().find(|(_, content)| content.windows(path.len()).any(|part| part == path));
    if let Some((name, _)) = found {
        let what = format!(
            "`{name}` has the path of the folder in it in which it was made: it is another one each time"
        );
        let found = Diagnostic::warning(what).at(app.places.build.clone()).with_hint(
            "compile with $CC, which hides it, or with your compiler's option for that, and strip debug information",
        );
        terminal.print(&found.into());
    }
}
