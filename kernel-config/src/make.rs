//! Running the kernel's own makefiles: with a clean environment, watched, and ended when asked to stop.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::progress::{Progress, Task};
use crate::request::Arch;

/// Lines kept of what make said, for the error.
const KEPT_LINES: usize = 400;

/// How often a run looks whether somebody asked to stop.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Part of the key of everything that is built: raise it when what is passed to make changes.
pub(crate) const BUILDER_VERSION: &str = "1";

/// One kernel tree and one folder for what is made of it.
pub(crate) struct Make<'a> {
    pub(crate) source: &'a Path,
    pub(crate) objects: &'a Path,
    pub(crate) arch: Arch,
    pub(crate) cross: &'a str,
    pub(crate) progress: &'a Progress,
}

/// Why make did not make it.
#[derive(Debug, thiserror::Error)]
pub enum RunMakeError {
    /// It did not start.
    #[error("start make")]
    Start(#[source] std::io::Error),
    /// The disk is full.
    #[error("make the kernel: no space left in {}", path.display())]
    NoSpace {
        /// The folder.
        path: PathBuf,
    },
    /// It ended with an error.
    #[error("make {goal}")]
    Failed {
        /// What was to be made.
        goal: String,
        /// What it said last.
        #[source]
        said: MakeOutput,
    },
    /// Somebody asked to stop.
    #[error("make the kernel: interrupted")]
    Cancelled,
}

/// What make said last.
#[derive(Debug)]
pub struct MakeOutput {
    lines: Vec<String>,
}

impl MakeOutput {
    /// The last lines of the output, oldest first.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

/// The lines with an error in them, else the last lines.
impl fmt::Display for MakeOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let telling: Vec<&str> = self
            .lines
            .iter()
            .map(String::as_str)
            .filter(|line| {
                line.contains("error:") || line.contains("***") || line.contains("undefined reference")
            })
            .take(SHOWN)
            .collect();
        if telling.is_empty() {
            let last: Vec<&str> = self.lines.iter().rev().take(SHOWN).rev().map(String::as_str).collect();
            return f.write_str(&last.join("\n"));
        }
        f.write_str(&telling.join("\n"))
    }
}

impl std::error::Error for MakeOutput {}

impl Make<'_> {
    /// Makes the final configuration of a list of options.
    pub(crate) fn configure(&self, options: &Path) -> Result<(), RunMakeError> {
        let mut all_config = OsString::from("KCONFIG_ALLCONFIG=");
        all_config.push(options);
        self.run("allnoconfig", &[all_config], None)
    }

    /// Makes an image, a step of the task per file.
    pub(crate) fn image(&self, target: &str, task: &mut Task) -> Result<(), RunMakeError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.run(target, &[format!("-j{cores}").into()], Some(task))
    }

    /// Makes what is asked for as a module; the image must be there.
    pub(crate) fn modules(&self) -> Result<(), RunMakeError> {
        self.run("modules", &[], None)
    }

    fn command(&self) -> Command {
        let mut make = Command::new("make");
        // Nothing of the caller's environment but the path reaches the build: CFLAGS, MAKEFLAGS, LLVM or
        // ARCH would change the result without changing its key.
        make.env_clear().envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "TMPDIR"));
        make.env("LC_ALL", "C")
            .env("KBUILD_BUILD_USER", "nacre")
            .env("KBUILD_BUILD_HOST", "nacre")
            .env("KBUILD_BUILD_VERSION", "1")
            .env("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970")
            .env("SOURCE_DATE_EPOCH", "0");
        let flags = |name: &str| {
            let mut text = OsString::from(name);
            for dir in [self.objects, self.source] {
                text.push("-ffile-prefix-map=");
                text.push(dir);
                text.push("=. ");
            }
            text
        };
        make.arg("--directory").arg(self.source).arg({
            let mut objects = OsString::from("O=");
            objects.push(self.objects);
            objects
        });
        make.arg(format!("ARCH={}", self.arch.name()))
            .arg(format!("CROSS_COMPILE={}", self.cross))
            .arg(flags("KCFLAGS="))
            .arg(flags("KAFLAGS="))
            // Tools that the kernel asks for their version although nothing here needs them: what is
            // installed of them must not show in the configuration.
            .args(["RUSTC=false", "PAHOLE=false"]);
        make
    }

    fn run(
        &self,
        goal: &str,
        arguments: &[OsString],
        mut task: Option<&mut Task>,
    ) -> Result<(), RunMakeError> {
        let (reader, writer) = std::io::pipe().map_err(RunMakeError::Start)?;
        let errors = writer.try_clone().map_err(RunMakeError::Start)?;
        let mut command = self.command();
        command.args(arguments).arg(goal).stdin(Stdio::null()).stdout(writer).stderr(errors);
        let mut make = command.spawn().map_err(RunMakeError::Start)?;
        // It holds the writing ends, which would keep the pipe open after make's end.
        drop(command);

        let (sender, receiver) = channel();
        let listener = std::thread::spawn(move || {
            for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        let mut said = VecDeque::with_capacity(KEPT_LINES);
        let ended = loop {
            match receiver.recv_timeout(LOOK_EVERY) {
                Ok(line) => {
                    if let Some(task) = task.as_deref()
                        && is_step(&line)
                    {
                        task.step();
                    }
                    if said.len() == KEPT_LINES {
                        said.pop_front();
                    }
                    said.push_back(line);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break make.wait(),
            }
            if self.progress.cancelled() {
                // The listener is left to itself: it ends with the last program that holds the pipe.
                end(&mut make);
                return Err(RunMakeError::Cancelled);
            }
            if let Some(task) = task.as_deref_mut() {
                task.tick();
            }
        };
        let _listened = listener.join();
        match ended {
            Ok(status) if status.success() => Ok(()),
            Err(error) => Err(RunMakeError::Start(error)),
            Ok(_) if said.iter().any(|line| no_space_in(line)) => {
                Err(RunMakeError::NoSpace { path: self.objects.to_owned() })
            }
            Ok(_) => {
                let said = MakeOutput { lines: said.into() };
                Err(RunMakeError::Failed { goal: goal.to_owned(), said })
            }
        }
    }
}

/// Ends make with the signal that it passes on to what it started.
fn end(make: &mut Child) {
    let ended = i32::try_from(make.id()).is_ok_and(|id| kill(Pid::from_raw(id), Signal::SIGTERM).is_ok());
    if !ended {
        let _already_gone = make.kill();
    }
    let _reaped = make.wait();
}

/// Whether a line says that a file was made: two spaces, a word in capitals, the file.
fn is_step(line: &str) -> bool {
    line.strip_prefix("  ").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// Whether a program's message says that the disk is full.
pub(crate) fn no_space_in(message: &str) -> bool {
    message.contains("No space left on device") || message.contains("Disk quota exceeded")
}

/// Writes what make said to a file, for a person to read.
pub(crate) fn save_output(said: &MakeOutput, path: &Path) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let mut file = std::fs::File::create(path)?;
    said.lines.iter().try_for_each(|line| writeln!(file, "{line}"))
}

/// Programs that a build needs and that are not in `PATH`, with the Debian packages that bring them.
pub(crate) fn missing_tools(cross: &str) -> Vec<(String, String)> {
    let compiler_package = match cross.strip_suffix('-') {
        Some(triple) => format!("gcc-{}", triple.replace('_', "-")),
        None => "gcc".to_owned(),
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    [
        ("make", "make"),
        ("flex", "flex"),
        ("bison", "bison"),
        ("bc", "bc"),
        ("tar", "tar"),
        ("xz", "xz-utils"),
        ("gcc", "gcc"),
    ]
    .map(|(tool, package)| (tool.to_owned(), package.to_owned()))
    .into_iter()
    .chain([(format!("{cross}gcc"), compiler_package.clone()), (format!("{cross}ld"), compiler_package)])
    .filter(|(tool, _)| !is_in(&path, tool))
    .collect()
}

fn is_in(path: &OsStr, tool: &str) -> bool {
    std::env::split_paths(path).any(|dir| dir.join(tool).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_lines_are_told_from_others() {
        for (line, step) in [
            ("  CC      fs/file.o", true),
            ("  AR      built-in.a", true),
            ("make[1]: Entering directory", false),
            ("    deeper", false),
            ("", false),
        ] {
            assert_eq!(is_step(line), step, "{line}");
        }
    }

    #[test]
    fn make_output_shows_the_lines_with_errors() {
        let output =
            |lines: &[&str]| MakeOutput { lines: lines.iter().map(|line| (*line).to_owned()).collect() };
        let lines = ["  CC a.o", "a.c:1:2: error: no", "make: *** [a.o] Error 1"];
        assert_eq!(output(&lines).to_string(), "a.c:1:2: error: no\nmake: *** [a.o] Error 1");
        assert_eq!(output(&["one", "two"]).to_string(), "one\ntwo");
    }

    #[test]
    fn missing_compiler_is_named_with_its_package() {
        let missing = missing_tools("mips-none-such-");
        assert!(
            missing.contains(&("mips-none-such-gcc".to_owned(), "gcc-mips-none-such".to_owned())),
            "{missing:?}"
        );
    }
}
