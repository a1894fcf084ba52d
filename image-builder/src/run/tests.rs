//! Whole runs against a program that speaks as QEMU does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use regex::Regex;

use super::*;
use crate::inspect::tests::{slot, trust, write_disk};

pub(crate) const BOARD: &str = "\
board: qemu-armv7
arch: armv7
kernel: { fragments: [base.config], image: zImage }
cmdline: console=ttyAMA0
disk: { size: 16MiB, slot: 4MiB }
memory: { default: 24MiB }
qemu:
  program: qemu-system-arm
  package: qemu-system-arm
  args: [-machine, \"virt,highmem=off\"]
  disk-device: virtio-blk-device
  serial-device: virtio-serial-device
  network-device: virtio-net-device
";

/// Set for the program that [`Fake`] starts.
const SCRIPTS: &str = "NACRE_TEST_QEMU_SCRIPTS";

/// A folder with an image, and a QEMU that plays one script for each start: `say TEXT`, `reset`,
/// `power-off`, `hang`, `fail TEXT`.
struct Fake {
    dir: tempfile::TempDir,
    program: PathBuf,
    progress: Option<Regex>,
}

impl Fake {
    fn new(scripts: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        fs::create_dir(path.join("run")).unwrap();
        write_disk(&path.join("disk.img"), &slot().1);
        for (n, script) in (1..).zip(scripts) {
            fs::write(path.join(format!("script-{n}")), script).unwrap();
        }
        let program = path.join("qemu-system-fake");
        let text = format!(
            "#!/bin/sh\nexport {SCRIPTS}='{}' ARGUMENTS=\"$*\"\nexec '{}' --exact run::tests::fake_qemu --nocapture --quiet\n",
            path.display(),
            std::env::current_exe().unwrap().display(),
        );
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir, program, progress: None }
    }

    fn run(&self, expect: Option<&str>, limit: Duration) -> (Result<Ended, RunError>, String, Vec<Notice>) {
        self.run_with(expect, limit, &Events::default(), &mut |_| {})
    }

    fn run_with(
        &self,
        expect: Option<&str>,
        limit: Duration,
        events: &Events,
        each: &mut dyn FnMut(&Notice),
    ) -> (Result<Ended, RunError>, String, Vec<Notice>) {
        let board = nacre_manifest::board::parse(BOARD, "board.yaml").unwrap();
        let expect = expect.map(|text| Regex::new(text).unwrap());
        let disk = self.dir.path().join("disk.img");
        let settings = Run {
            dir: self.dir.path(),
            disk: &disk,
            program: &self.program,
            board: &board,
            board_digest: Digest::of(BOARD.as_bytes()),
            roots: &trust().roots,
            memory_mib: 24,
            network: Network::Online(&[]),
            uarts: &[],
            capture: None,
            expect: expect.as_ref(),
            deadline: Some(Instant::now() + limit),
            progress: self.progress.as_ref().map(|lines| Progress { lines, within: Duration::from_secs(1) }),
        };
        let (mut out, mut notices) = (Vec::new(), Vec::new());
        let ended = run(&settings, events, &mut out, &mut |notice| {
            each(&notice);
            notices.push(notice);
        });
        (ended, String::from_utf8(out).unwrap(), notices)
    }

    fn starts(&self) -> usize {
        fs::read_to_string(self.dir.path().join("starts")).map_or(0, |text| text.lines().count())
    }

    fn is_running(&self) -> bool {
        let pids = fs::read_to_string(self.dir.path().join("starts")).unwrap_or_default();
        pids.lines().any(|pid| Path::new("/proc").join(pid).exists())
    }
}

const LONG: Duration = Duration::from_secs(60);

/// Not a test: the program that [`Fake`] starts, when its variable is set.
#[test]
fn fake_qemu() {
    use std::io::{BufRead, BufReader, Read};
    use std::os::unix::net::UnixListener;

    let Ok(folder) = std::env::var(SCRIPTS) else { return };
    let arguments = std::env::var("ARGUMENTS").unwrap();
    let socket = |id: &str| {
        let (_, rest) = arguments.split_once(&format!("id={id},server=on,wait=off,path=")).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    };
    let starts = Path::new(&folder).join("starts");
    let mut log = fs::File::options().append(true).create(true).open(starts).unwrap();
    writeln!(log, "{}", std::process::id()).unwrap();
    let number = fs::read_to_string(Path::new(&folder).join("starts")).unwrap().lines().count();
    let script = fs::read_to_string(Path::new(&folder).join(format!("script-{number}"))).unwrap();
    if let Some(text) = script.strip_prefix("fail ") {
        eprintln!("{text}");
        std::process::exit(1);
    }
    for path in [socket("control"), socket("device")] {
        let _ = fs::remove_file(path);
    }
    let port = UnixListener::bind(socket("device")).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = port.accept().unwrap();
        let mut piece = [0; 64];
        while let Ok(n @ 1..) = stream.read(&mut piece) {
            stream.write_all(&piece[..n]).unwrap();
        }
    });
    let (mut control, _) = UnixListener::bind(socket("control")).unwrap().accept().unwrap();
    let mut commands = BufReader::new(control.try_clone().unwrap()).lines();
    writeln!(control, r#"{{"QMP":{{}}}}"#).unwrap();
    for wanted in ["qmp_capabilities", "cont"] {
        assert!(commands.next().unwrap().unwrap().contains(wanted));
        writeln!(control, r#"{{"return":{{}}}}"#).unwrap();
    }
    for step in script.lines() {
        let mut end = |reason: &str| {
            writeln!(control, r#"{{"event":"SHUTDOWN","data":{{"guest":true,"reason":"{reason}"}}}}"#)
                .unwrap();
            std::process::exit(0);
        };
        match step.split_once(' ').unwrap_or((step, "")) {
            ("say", text) => println!("{text}"),
            ("reset", _) => end("guest-reset"),
            ("power-off", _) => end("guest-shutdown"),
            ("hang", _) => {
                assert!(commands.next().unwrap().unwrap().contains("quit"));
                std::process::exit(0);
            }
            ("ignore-quit", _) => std::thread::sleep(LONG),
            ("chatter", _) => loop {
                println!("still here");
                std::thread::sleep(Duration::from_millis(50));
            },
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn run_ends_with_the_first_line_that_matches() {
    let fake = Fake::new(&["say booting\nsay recorder: ready\nhang"]);
    let (ended, out, notices) = fake.run(Some("recorder: ready"), LONG);
    assert_eq!(ended.unwrap(), Ended::Matched);
    assert!(out.contains("booting\n"), "{out}");
    let verified = Notice::Verified { what: "demo 0.1.0 for qemu-armv7".into(), development_keys: true };
    assert_eq!(notices, [verified]);
    assert!(!fake.is_running());
    assert!(!socket_link(fake.dir.path()).is_symlink());
}

#[test]
fn run_past_its_deadline_is_ended_even_if_qemu_does_not_obey() {
    let fake = Fake::new(&["say booting\nignore-quit"]);
    let (ended, out, _) = fake.run(Some("never"), Duration::from_secs(2));
    assert_eq!(ended.unwrap(), Ended::TimedOut);
    assert!(out.contains("booting\n"), "{out}");
    assert!(!fake.is_running());
}

#[test]
fn run_of_a_guest_that_makes_no_progress_is_ended_whatever_else_it_says() {
    let mut fake = Fake::new(&["say step 1\nchatter"]);
    fake.progress = Some(Regex::new("^step ").unwrap());
    let (ended, out, _) = fake.run(None, LONG);
    assert_eq!(ended.unwrap(), Ended::Stalled);
    assert!(out.contains("step 1\n") && out.contains("still here\n"), "{out}");
    assert!(!fake.is_running());
}

#[test]
fn run_of_a_guest_that_resets_verifies_and_starts_again() {
    let fake = Fake::new(&[
        "say [ 1.0] Kernel panic - not syncing: dm-verity device corrupted\nreset",
        "say second\npower-off",
    ]);
    let (ended, out, notices) = fake.run(None, LONG);
    assert_eq!(ended.unwrap(), Ended::PoweredOff);
    assert!(out.contains("second\n"), "{out}");
    assert_eq!(fake.starts(), 2);
    assert!(notices.contains(&Notice::Restarts(Some("dm-verity device corrupted".into()))), "{notices:?}");
}

#[test]
fn run_of_a_guest_that_damages_its_slot_does_not_start_it_again() {
    let fake = Fake::new(&["reset", "power-off"]);
    let disk = fake.dir.path().join("disk.img");
    let mut verified = 0;
    let (ended, _, _) = fake.run_with(None, LONG, &Events::default(), &mut |notice| {
        verified += usize::from(matches!(notice, Notice::Verified { .. }));
        if matches!(notice, Notice::Restarts(_)) {
            let mut bytes = fs::read(&disk).unwrap();
            // The first byte of slot a.
            bytes[128 * 1024] ^= 1;
            fs::write(&disk, bytes).unwrap();
        }
    });
    assert!(matches!(ended, Err(RunError::Verify(VerifyDiskError::Refused(_)))), "{ended:?}");
    assert_eq!((verified, fake.starts()), (1, 1));
}

#[test]
fn run_that_is_interrupted_ends_the_vm() {
    let fake = Fake::new(&["hang"]);
    let events = Events::default();
    let interrupt = events.interrupter();
    let (ended, _, _) = fake.run_with(None, LONG, &events, &mut |_| interrupt());
    assert_eq!(ended.unwrap(), Ended::Interrupted);
    assert!(!fake.is_running());
}

#[test]
fn run_that_is_interrupted_while_the_guest_restarts_does_not_start_it_again() {
    let fake = Fake::new(&["reset", "hang"]);
    let events = Events::default();
    let interrupt = events.interrupter();
    let (ended, _, _) = fake.run_with(None, LONG, &events, &mut |notice| {
        if matches!(notice, Notice::Restarts(_)) {
            interrupt();
        }
    });
    assert_eq!(ended.unwrap(), Ended::Interrupted);
    assert!(!fake.is_running());
}

#[test]
fn run_gives_qemus_own_words_when_it_does_not_start() {
    let fake = Fake::new(&["fail qemu: unsupported machine"]);
    let (ended, _, _) = fake.run(None, LONG);
    match ended {
        Err(RunError::Start(StartVmError::Ended(words))) => assert_eq!(words, "qemu: unsupported machine"),
        other => panic!("{other:?}"),
    }
}
