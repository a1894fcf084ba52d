//! `nacre run`.

use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nacre_manifest::board::Board;
use nacre_verify::slot::SlotError;
use regex::Regex;

use super::image::{BOARD_CHANGED, NAME_OWNER, signed_by_another};
use crate::board_file::{self, BoardFile};
use crate::failure::{Exit, Failure, OrFail};
use crate::inspect::partitions::ReadPartitionsError;
use crate::inspect::trust;
use crate::programs::find_executable;
use crate::run::{
    self, ChoosePortsError, DiskState, Ended, Events, FolderLock, Forward, Network, Notice, PlugUartError,
    PrepareDiskError, Run, RunError, StartVmError, UartPlug, VerifyDiskError,
};
use crate::terminal::Terminal;

const EXAMPLES: &str = "Examples:
  nacre run out/demo-qemu-armv7
  nacre run out/demo-qemu-armv7 --expect 'reporter: ' --timeout 2m
  nacre run out/demo-qemu-armv7 --fresh --memory 16M
  nacre run out/demo-qemu-armv7 --forward 8080:8080
  nacre run out/demo-qemu-armv7 --forward 0.0.0.0:8080:80 --forward udp:5353:53
  nacre run out/demo-qemu-armv7 --uart console2=/tmp/console2.sock

The console goes to standard output, everything else to standard error. Ctrl-C
ends the VM. The disk is kept in DIR/run between runs; it is made again when the
built disk is another one. `nacre device` talks to the VM while it runs.

The VM has a network card when an app of the image has `network`, or with
--forward. It is behind QEMU's user network: it reaches what this machine
reaches, and this machine's own services, those on 127.0.0.1 too, at 10.0.2.2.
What an app may reach of it is up to its manifest, and the device's packet
filter sees to it. Nobody reaches the device but through forwarded ports; they
listen on 127.0.0.1 unless another address stands before them, and port 0 is any
that is free. A notice tells when a TCP port begins to answer. --offline leaves
the card out.

A serial port that the board has for apps leads to a unix socket with --uart
NAME=SOCKET, for one program at a time (`socat - UNIX-CONNECT:SOCKET`), or with
--uart NAME=file:FILE into a file; otherwise it leads nowhere.

Exit codes beside those of every command: 0 when a line matched, when the device
switched itself off, or when Ctrl-C ended a run without --expect; 69 when the
image is refused; 75 at the timeout, when no line matched, or when the image or
a port is in use.";

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
    /// Begin with the disk as built; stored data is lost.
    #[arg(long)]
    fresh: bool,
    /// Lead a port of this machine to the device, as 8080:80.
    #[arg(long, value_name = "PORTS")]
    forward: Vec<Forward>,
    /// Run without network, whatever the image wants.
    #[arg(long, conflicts_with = "forward")]
    offline: bool,
    /// Lead a serial port of the device to a socket or a file.
    #[arg(long, value_name = "NAME=PATH")]
    uart: Vec<UartPlug>,
    /// Root public key (PEM); default: any of the key store.
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
    let forwards = open_forwards(&args.forward, &board)?;
    run::check_uarts(&args.uart, &board).map_err(uart_failure)?;
    for (forward, _) in forwards.iter().zip(&args.forward).filter(|(forward, asked)| forward != asked) {
        terminal.notice(&leads_to(forward));
    }
    let settings = Run {
        dir: &args.dir,
        disk: &disk,
        program: &program,
        board: &board,
        board_digest,
        roots: &trust.roots,
        memory_mib: args.memory.unwrap_or(board.memory_bytes >> 20),
        network: if args.offline { Network::Offline } else { Network::Online(&forwards) },
        uarts: &args.uart,
        capture: None,
        expect: args.expect.as_ref(),
        deadline: args.timeout.map(|limit| begin + limit),
        progress: None,
    };
    let mut told = Vec::new();
    let ended = run::run(&settings, &events, &mut std::io::stdout().lock(), &mut |notice| {
        // What is the same at each start is told once.
        if !matches!(notice, Notice::Answers(_) | Notice::Restarts(_)) {
            if told.contains(&notice) {
                return;
            }
            told.push(notice.clone());
        }
        tell(&notice, terminal);
    })
    .map_err(|error| match error {
        // Somebody may have taken a port since it was found free.
        RunError::Start(StartVmError::Ended(_)) => match run::choose_ports(&forwards) {
            Err(taken) => port_failure(taken),
            Ok(_) => run_failure(error, &args.dir),
        },
        error => run_failure(error, &args.dir),
    })?;
    let expected = |regex: &Regex| format!("no console line matched `{regex}`");
    match (ended, &args.expect) {
        (Ended::Matched, _) | (Ended::PoweredOff | Ended::Interrupted, None) => Ok(()),
        (Ended::TimedOut | Ended::Stalled, Some(regex)) => {
            Err(Failure::new(Exit::TryAgain, format!("{} in time", expected(regex))))
        }
        (Ended::TimedOut | Ended::Stalled, None) => Err(Failure::new(Exit::TryAgain, "the time is over")),
        (Ended::PoweredOff, Some(regex)) => Err(Failure::new(
            Exit::TryAgain,
            format!("{} before the device switched itself off", expected(regex)),
        )),
        (Ended::Interrupted, Some(regex)) => {
            Err(Failure::new(Exit::TryAgain, format!("{} before the run was interrupted", expected(regex))))
        }
    }
}

fn tell(notice: &Notice, terminal: &Terminal) {
    match notice {
        Notice::Verified { what, development_keys } => {
            terminal.notice(&format!("verified {what}; starting it"));
            if *development_keys {
                terminal.warning("signed with development keys, which protect nothing");
            }
        }
        Notice::NoCard => terminal.warning("the board has no network card: apps with `network` will wait"),
        Notice::NoListener => {
            terminal.warning("no app of the image has `network`: nothing will answer at forwarded ports");
        }
        Notice::Answers(forward) => terminal.notice(&format!(
            "http://{}/ is open (port {} of the device)",
            forward.address(),
            forward.guest
        )),
        Notice::Restarts(None) => terminal.notice("the device restarts; verifying slot a again"),
        Notice::Restarts(Some(reason)) => terminal
            .notice(&format!("the device restarts after a kernel panic ({reason}); verifying slot a again")),
    }
}

/// Finds the ports free, or says how to choose others.
fn open_forwards(asked: &[Forward], board: &Board) -> Result<Vec<Forward>, Failure> {
    if !asked.is_empty() && board.qemu.network_device.is_none() {
        let what = format!("the board `{}` has no network card to forward ports to", board.board);
        let hint =
            "name one in its description, like `network-device: virtio-net-pci` under `qemu`, and build";
        return Err(Failure::new(Exit::BadInput, what).hint(hint));
    }
    run::choose_ports(asked).map_err(port_failure)
}

fn port_failure(error: ChoosePortsError) -> Failure {
    let other = |forward: Forward, port: u16| {
        let host = SocketAddrV4::new(*forward.host.ip(), port);
        format!("--forward {}", Forward { host, ..forward })
    };
    let (exit, hint) = match &error {
        ChoosePortsError::Twice(_) => (Exit::Usage, "give each a port of its own".to_owned()),
        ChoosePortsError::InUse(forward) => {
            (Exit::TryAgain, format!("choose another, or any that is free: {}", other(*forward, 0)))
        }
        ChoosePortsError::Privileged(forward) => {
            let higher = forward.host.port().saturating_add(8000);
            (Exit::Refused, format!("choose one from 1024 on: {}", other(*forward, higher)))
        }
        ChoosePortsError::NotOurs(_) => {
            (Exit::NotFound, "`ip address` lists those of this machine; 0.0.0.0 is all of them".to_owned())
        }
        ChoosePortsError::Io { .. } => return Failure::from_error(Exit::Internal, error),
    };
    Failure::from_error(exit, error).hint(hint)
}

fn uart_failure(error: PlugUartError) -> Failure {
    let hint = match &error {
        PlugUartError::Unknown { hint, .. } => hint.clone(),
        PlugUartError::Twice(_) => "give it one end".to_owned(),
        PlugUartError::Occupied(_) => "choose another path, or write file: before it".to_owned(),
        PlugUartError::TooLong(_) => "choose a shorter one, like below /tmp".to_owned(),
    };
    Failure::from_error(Exit::BadInput, error).hint(hint)
}

/// What a forward with a port that was chosen here is.
fn leads_to(forward: &Forward) -> String {
    let (address, guest) = (forward.address(), forward.guest);
    format!("{address} leads to port {guest} of the device ({})", forward.protocol)
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
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
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
    fn port_that_is_not_to_be_had_is_told_with_another() {
        let forward = |text: &str| text.parse::<Forward>().unwrap();
        for (error, exit, hint) in [
            (ChoosePortsError::InUse(forward("0.0.0.0:80:1")), Exit::TryAgain, "--forward 0.0.0.0:0:1"),
            (ChoosePortsError::Privileged(forward("udp:53:53")), Exit::Refused, "--forward udp:8053:53"),
            (ChoosePortsError::Privileged(forward("80:8080")), Exit::Refused, "--forward 8080:8080"),
        ] {
            let report = port_failure(error).into_report();
            let found = &report.entries()[0];
            assert!(found.hints[0].ends_with(hint), "{found:?}");
            assert!(found.causes.is_empty(), "{found:?}");
            assert_eq!(report.exit_code(), exit);
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
