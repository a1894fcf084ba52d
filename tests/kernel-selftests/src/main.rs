//! Runs the kernel's own tests of Landlock and seccomp from inside an app, and says how each ended.
//!
//! They are the programs beside this one whose names end in `_test` or `_bpf`, built of the kernel's source; each is
//! given the arguments that begin with its name and `=`, like `seccomp_bpf=-FTRACE_poke`. Lines:
//! `PROGRAM passed|failed|skipped NAME: REASON` for each test, `PROGRAM ended …` for each program, `all ran` at last.
#![forbid(unsafe_code)]

mod tap;

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::Duration;

use nix::mount::{MsFlags, mount};

use tap::Reader;

/// Where they work: a folder of their own, in which they may execute.
const WORK: &str = "/tmp/kernel-selftests";

/// A program that does nothing, which the tests execute from their folder.
const TRUE: &str = "true";

fn main() -> ExitCode {
    // Unconfined, they mount and trace: not on a developer's machine.
    if std::env::var_os("NACRE_APP").is_none() {
        eprintln!("error: this tests the kernel it runs on, as root; it runs as an app on a test image only");
        return ExitCode::from(64);
    }
    match run_all() {
        Ok(()) => {
            println!("all ran");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_all() -> Result<(), Box<dyn Error>> {
    let me = std::env::current_exe()?;
    let folder = me.parent().ok_or("a program lies in a folder")?;
    let mut programs: Vec<PathBuf> = folder.read_dir()?.flatten().map(|entry| entry.path()).collect();
    programs.retain(|path| is_test(path));
    programs.sort();
    std::fs::create_dir(WORK)?;
    // Without the sandbox /tmp is the system's, where nothing may be executed. In the sandbox this is refused.
    let _refused = mount(Some("tmpfs"), WORK, Some("tmpfs"), MsFlags::empty(), Some("size=1m,mode=755"));
    if let Ok(program) = std::fs::read(folder.join(TRUE)) {
        let copy = Path::new(WORK).join(TRUE);
        std::fs::write(&copy, program)?;
        std::fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    programs.iter().try_for_each(|program| run(program))
}

fn is_test(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.ends_with("_test") || name.ends_with("_bpf")
}

/// Says a line, no faster than the OS takes them for good: 4 KiB in a second, and 48 bytes for each line beside its own.
/// What is still in the pipe when the app ends is left out.
fn say(line: &str) {
    println!("{line}");
    let cost = u64::try_from(line.len()).unwrap_or(u64::MAX).saturating_add(48);
    sleep(Duration::from_millis(cost.saturating_mul(1_000) / 4_096));
}

/// Runs one program to its end, test by test.
fn run(program: &Path) -> Result<(), Box<dyn Error>> {
    let name = program.file_name().ok_or("a program has a name")?.to_string_lossy();
    let (output, input) = std::io::pipe()?;
    let own = format!("{name}=");
    let arguments = std::env::args().skip(1).filter_map(|text| text.strip_prefix(&own).map(str::to_owned));
    let started = Command::new(program)
        .args(arguments)
        .current_dir(WORK)
        .stdin(Stdio::null())
        .stdout(input.try_clone()?)
        .stderr(input)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            say(&format!("{name} did not start: {error}"));
            return Ok(());
        }
    };
    let mut reader = Reader::default();
    for line in BufReader::new(output).split(b'\n') {
        for said in reader.line(&String::from_utf8_lossy(&line?)) {
            say(&format!("{name} {said}"));
        }
    }
    say(&format!("{name} ended with {}", child.wait()?));
    Ok(())
}
