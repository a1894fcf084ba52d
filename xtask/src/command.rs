//! Runs a program and says which one failed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A step that failed, for people.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    /// What the process ends with.
    pub(crate) exit_code: u8,
}

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit_code: 1 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The checkout.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    // Cargo sets it for `cargo run`; without cargo, the folder is where one stands.
    manifest.as_deref().and_then(Path::parent).map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The cargo that runs this.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs it with the terminal of this process; an error if it can't be started or ends other than with 0,
/// whose exit code is passed on.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status =
        command.status().map_err(|error| Failure::new(format!("start `{}`: {error}", line(command))))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(Failure {
            text: format!("`{}` ended with code {code}", line(command)),
            exit_code: u8::try_from(code).unwrap_or(1),
        }),
        None => Err(Failure::new(format!("`{}` was ended by a signal", line(command)))),
    }
}

/// What it prints on standard output, whatever its exit code; `None` if it can't be started.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Says on standard error what is done next.
pub(crate) fn say(text: &str) {
    eprintln!("==> {text}");
}
