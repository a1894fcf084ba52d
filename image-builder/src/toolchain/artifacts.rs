//! Runs cargo and collects the programs that it made.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::interrupt::Children;
use crate::progress::Step;

/// Lines of cargo's output that are shown when it fails.
const MAX_LINES: usize = 80;

/// Why there are no programs.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunCargoError {
    /// Cargo doesn't start, or its output ends in the middle.
    #[error("can't run cargo")]
    Start(#[from] std::io::Error),
    /// The compiler refused the sources.
    #[error("{0}")]
    Failed(String),
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Runs the command; what is being compiled becomes the step's detail.
pub(super) fn run(command: &mut Command, step: &Step) -> Result<BTreeMap<String, PathBuf>, RunCargoError> {
    // A group of its own, so that an interrupt can end cargo and all its compilers together.
    let mut child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let children = Children::of(&child);
    let stdout = child.stdout.take().map(BufReader::new);
    let stderr = child.stderr.take().map(BufReader::new);
    let (built, said) = std::thread::scope(|scope| {
        let listener = scope.spawn(|| listen(stderr, step));
        (collect(stdout), listener.join().unwrap_or_default())
    });
    drop(children);
    let status = child.wait()?;
    if status.success() { Ok(built?) } else { Err(RunCargoError::Failed(said)) }
}

fn collect(stdout: Option<impl BufRead>) -> std::io::Result<BTreeMap<String, PathBuf>> {
    let mut built = BTreeMap::new();
    for line in stdout.into_iter().flat_map(BufRead::lines) {
        let Ok(message) = serde_json::from_str::<Message>(&line?) else { continue };
        if message.reason != "compiler-artifact" {
            continue;
        }
        if let (Some(executable), Some(target)) = (message.executable, message.target) {
            built.insert(target.name, executable);
        }
    }
    Ok(built)
}

fn listen(stderr: Option<impl BufRead>, step: &Step) -> String {
    let mut kept = VecDeque::new();
    for line in stderr.into_iter().flat_map(BufRead::lines).map_while(Result::ok) {
        let word = line.split_whitespace().next().unwrap_or_default();
        if line.starts_with(' ') && matches!(word, "Compiling" | "Downloading" | "Downloaded" | "Checking") {
            step.detail(line.trim());
            continue;
        }
        if matches!(word, "Finished" | "Updating" | "Locking" | "Blocking") {
            continue;
        }
        kept.push_back(line);
        if kept.len() > MAX_LINES {
            kept.pop_front();
        }
    }
    Vec::from(kept).join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::{ColorChoice, Terminal};

    #[test]
    fn artifacts_of_json_lines_are_executables_by_name() {
        let lines = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"lib"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"init"},"executable":"/t/init"}"#,
            "\nnot json\n",
            r#"{"reason":"build-finished","success":true}"#,
            "\n"
        );
        let built = collect(Some(lines.as_bytes())).unwrap();
        assert_eq!(built, BTreeMap::from([("init".to_owned(), PathBuf::from("/t/init"))]));
    }

    #[test]
    fn artifacts_of_a_failed_build_are_what_the_compiler_said() {
        let terminal = Terminal::new(ColorChoice::Never);
        let step = Step::begin(&terminal, "building");
        let mut command = Command::new("sh");
        command.args(["-c", "echo '   Compiling x v1' >&2; echo 'error[E0425]: no such' >&2; exit 101"]);
        let error = run(&mut command, &step).unwrap_err();
        assert_eq!(error.to_string(), "error[E0425]: no such");
    }
}
