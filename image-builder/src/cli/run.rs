//! `nacre run`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nacre_verify::slot::SlotError;
use regex::Regex;

use super::image::{BOARD_CHANGED, NAME_OWNER, signed_by_another};
use crate::board_file::{self, BoardFile};
use crate::failure::{Exit, Failure, OrFail};
use crate::inspect::partitions::ReadPartitionsError;
use crate::inspect::trust;
use crate::programs::find_executable;
use crate::run::{
    self, DiskState, Ended, Events, FolderLock, Notice, PrepareDiskError, Run, RunError, StartVmError,
    VerifyDiskError,
};
use crate::terminal::Terminal;

const EXAMPLES: &str = "Examples:
  nacre run out/demo-qemu-armv7
  nacre run out/demo-qemu-armv7 --expect 'reporter: ' --timeout 2m
  nacre run out/demo-qemu-armv7 --fresh --memory 16M

The console goes to standard output, everything else to standard error. Ctrl-C
ends the VM. The disk is kept in DIR/run between runs; it is made again when the
built disk is another one. `nacre device` talks to the VM while it runs.

Exit codes beside those of every command: 0 when a line matched, when the device
switched itself off, or when Ctrl-C ended a run without --expect; 69 when the
image is refused; 75 at the timeout, when no line matched, or when the image is
in use.";

/// Arguments of `nacre run`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Output folder of `nacre build`.
    dir: PathBuf,
    /// Memory of the VM in MiB; without it, the board's.
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    memory: Option<u64>,
    /// End the run after this time, with exit code 75.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    timeout: Option<Duration>,
    /// End the run, with exit code 0, when a line matches.
    #[arg(long, value_name = "REGEX")]
    expect: Option<Regex>,
    /// Begin with the disk as built; what was stored is lost.
    #[arg(long)]
    fresh: bool,
    /// Root public key (PEM); without it, any of the key store.
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
}

/// Does it.
pub fn execute(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let begin = Instant::now();
    let events = Events::default();
    ctrlc::set_handler(events.interrupter()).or_fail(Exit::Internal, || "catching interrupts".to_owned())?;
    let board_path = find_board(&args.dir)?;
    let trust = trust::load(args.root_key.as_deref())?;
    let _lock = FolderLock::take(&args.dir).map_err(disk_failure)?;
    let (disk, state) = run::prepare(&args.dir, args.fresh).map_err(disk_failure)?;
    if let Some(text) = disk_notice(state) {
        terminal.notice(text);
    }
    // The board says what is started on this host: it is not parsed before it is known to be signed.
    let board_file = BoardFile::read(&board_path)
        .or_fail(Exit::TryAgain, || format!("can't read `{}`", board_path.display()))?;
    let board_digest = board_file.digest();
    run::check_board(&disk, board_digest, &trust.roots)
        .map_err(|error| run_failure(error.into(), &args.dir))?;
    let board = board_file.parse()?;
    let program = find_executable(&board.qemu.program).ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("`{}` is not installed", board.qemu.program))
            .hint(format!("install it: apt-get install {}", board.qemu.package))
    })?;
    let settings = Run {
        dir: &args.dir,
        disk: &disk,
        program: &program,
        board: &board,
        board_digest,
        roots: &trust.roots,
        memory_mib: args.memory.unwrap_or(board.memory_bytes >> 20),
        expect: args.expect.as_ref(),
        deadline: args.timeout.map(|limit| begin + limit),
    };
    let mut said = false;
    let ended = run::run(&settings, &events, &mut std::io::stdout().lock(), &mut |notice| match notice {
        Notice::Verified { what, development_keys } if !said => {
            said = true;
            terminal.notice(&format!("verified {what}; starting it"));
            if development_keys {
                terminal.warning("signed with development keys, which protect nothing");
            }
        }
        Notice::Verified { .. } => {}
        Notice::Restarts(None) => terminal.notice("the device restarts; verifying slot a again"),
        Notice::Restarts(Some(reason)) => terminal
            .notice(&format!("the device restarts after a kernel panic ({reason}); verifying slot a again")),
    })
    .map_err(|error| run_failure(error, &args.dir))?;
    let expected = |regex: &Regex| format!("no console line matched `{regex}`");
    match (ended, &args.expect) {
        (Ended::Matched, _) | (Ended::PoweredOff | Ended::Interrupted, None) => Ok(()),
        (Ended::TimedOut, Some(regex)) => {
            Err(Failure::new(Exit::TryAgain, format!("{} in time", expected(regex))))
        }
        (Ended::TimedOut, None) => Err(Failure::new(Exit::TryAgain, "the time is over")),
        (Ended::PoweredOff, Some(regex)) => Err(Failure::new(
            Exit::TryAgain,
            format!("{} before the device switched itself off", expected(regex)),
        )),
        (Ended::Interrupted, Some(regex)) => {
            Err(Failure::new(Exit::TryAgain, format!("{} before the run was interrupted", expected(regex))))
        }
    }
}

fn find_board(dir: &Path) -> Result<PathBuf, Failure> {
    if !dir.is_dir() {
        return Err(Failure::new(Exit::NotFound, format!("there is no folder `{}`", dir.display()))
            .hint("build an image first: nacre build recipes/images/demo.yaml"));
    }
    let file = dir.join(board_file::FILE_NAME);
    if !file.is_file() {
        return Err(Failure::new(
            Exit::NotFound,
            format!("`{}` has no {}", dir.display(), board_file::FILE_NAME),
        )
        .hint("name the output folder of `nacre build`"));
    }
    Ok(file)
}

fn disk_notice(state: DiskState) -> Option<&'static str> {
    match state {
        DiskState::Kept | DiskState::Made => None,
        DiskState::Reset => Some("the disk is as it was built again"),
        DiskState::Replaced => {
            Some("the built disk is another one: begins with it, without the data of earlier runs")
        }
    }
}

fn disk_failure(error: PrepareDiskError) -> Failure {
    let (exit, hint) = match &error {
        PrepareDiskError::InUse(_) => {
            (Exit::TryAgain, Some("end the other run first: Ctrl-C there, or nacre device power-off"))
        }
        PrepareDiskError::NoDisk(_) => (Exit::NotFound, Some("name the output folder of `nacre build`")),
        PrepareDiskError::Io { .. } => (Exit::Internal, None),
    };
    let failure = Failure::new(exit, "preparing the VM's disk").because(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn run_failure(error: RunError, dir: &Path) -> Failure {
    let failure = |exit| Failure::new(exit, format!("can't run `{}`", dir.display()));
    match &error {
        RunError::Verify(VerifyDiskError::NoRootKey) => {
            failure(Exit::NotFound).hint("name the root key with --root-key FILE").because(error)
        }
        RunError::Verify(
            VerifyDiskError::Read { .. }
            | VerifyDiskError::Partitions(ReadPartitionsError::Io { .. })
            | VerifyDiskError::Refused(SlotError::Read { .. }),
        ) => failure(Exit::TryAgain).because(error),
        RunError::Verify(VerifyDiskError::Refused(slot)) if signed_by_another(slot) => {
            failure(Exit::VerificationFailed).hint(NAME_OWNER).because(error)
        }
        RunError::Verify(VerifyDiskError::BoardFile(_)) => failure(Exit::VerificationFailed)
            .hint(format!("nothing was started; {BOARD_CHANGED}"))
            .because(error),
        RunError::Verify(_) => failure(Exit::VerificationFailed)
            .hint("nothing was started; `nacre image verify` shows the parts, --fresh takes the disk as it was built")
            .because(error),
        RunError::Start(StartVmError::NoControl) => failure(Exit::TryAgain).because(error),
        RunError::Start(_) | RunError::Io { .. } | RunError::QemuEnded(_) => {
            failure(Exit::Internal).because(error)
        }
    }
}

/// `24M`, `24MiB` or `1G`, in MiB.
fn parse_memory(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..).unwrap_or_default() {
        "M" | "MiB" => 1,
        "G" | "GiB" => 1024,
        _ => return Err("write it like 24M or 1G".to_owned()),
    };
    match digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)) {
        Some(mib @ 1..=65536) => Ok(mib),
        _ => Err("it is from 1M to 64G".to_owned()),
    }
}

/// `60s`, `2m`, `1h` or `500ms`.
fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let ms = match text.get(digits.len()..).unwrap_or_default() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("write it like 60s, 2m or 1h".to_owned()),
    };
    match digits.parse::<u64>().ok().and_then(|number| number.checked_mul(ms)) {
        Some(ms @ 1..=31_536_000_000) => Ok(Duration::from_millis(ms)),
        _ => Err("it is from 1ms to a year".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_with_its_unit() {
        for (text, expected) in [("24M", Some(24)), ("16MiB", Some(16)), ("1G", Some(1024))] {
            assert_eq!(parse_memory(text).ok(), expected, "{text}");
        }
        for text in ["", "24", "M", "0M", "24K", "-1M", "99999999G", "18446744073709551615G"] {
            assert!(parse_memory(text).is_err(), "{text}");
        }
    }

    #[test]
    fn time_is_read_with_its_unit() {
        for (text, ms) in [("60s", 60_000), ("2m", 120_000), ("1h", 3_600_000), ("500ms", 500)] {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "60", "s", "0s", "1d", "1.5s", "99999999999999h"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
