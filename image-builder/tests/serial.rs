//! `nacre device --serial`: the protocol of the device channel over a terminal line.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command as Process, Output};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use nacre_wire::channel::{Answer, Command, Info, LogLine, Request, Response};
use nacre_wire::frame::{self, FrameReader};
use nacre_wire::message;
use nacre_wire::status::Stats;
use nix::pty::openpty;
use nix::unistd::ttyname;

/// A device at the other end of a line; what it was asked comes out of the receiver.
struct Device {
    path: PathBuf,
    asked: Receiver<Command>,
    _line: OwnedFd,
}

fn info() -> Info {
    let stats = Stats {
        uptime_ms: 9_000,
        cpu_busy_ms: 1,
        cpu_total_ms: 2,
        memory_total_kib: 20_000,
        memory_available_kib: 9_000,
    };
    Info {
        image: "field".into(),
        version: "1.2.3".into(),
        board: "b".into(),
        kernel: "6.12".into(),
        slot: "a".into(),
        development: false,
        development_keys: false,
        stats,
        device: Some([1; 32]),
        nonce: Some([2; 16]),
        capability: None,
    }
}

fn line(number: u64, uptime_ms: u64, text: &str) -> Answer {
    Answer::Log(LogLine { number, uptime_ms, source: "org.nacre.a".into(), text: text.into(), detail: None })
}

/// Every byte there is passes as it is, and noise between the frames is passed over.
fn device() -> Device {
    let pair = openpty(None, None).unwrap();
    let path = ttyname(&pair.slave).unwrap();
    let (sender, asked) = channel();
    let mut master = File::from(pair.master);
    thread::spawn(move || {
        let mut frames = FrameReader::new();
        let mut piece = [0; 64];
        while let Ok(count @ 1..) = master.read(&mut piece) {
            for payload in frames.push(&piece[..count]).flatten() {
                let Request { session, id, command, .. } = message::decode(&payload).unwrap();
                let answers = match &command {
                    Command::Info => vec![Answer::Info(info())],
                    Command::Logs { .. } => {
                        vec![line(1, 1_000, "early"), line(2, 8_000, "late\u{3}\u{11}\n\r"), Answer::Done]
                    }
                    Command::Remove { .. } => vec![Answer::Refused("no capability".into())],
                    Command::Close => vec![],
                    _ => vec![Answer::Done],
                };
                let last = answers.len();
                for (at, answer) in answers.into_iter().enumerate() {
                    let response = Response { session, id, more: at + 1 < last, answer };
                    let frame = frame::encode(&message::encode(&response).unwrap()).unwrap();
                    master.write_all(b"noise\xff\x00").unwrap();
                    master.write_all(&frame).unwrap();
                }
                // The test may have ended.
                let _ = sender.send(command);
            }
        }
    });
    Device { path, asked, _line: pair.slave }
}

fn nacre(device: &Device, arguments: &[&str]) -> Output {
    let mut command = Process::new(env!("CARGO_BIN_EXE_nacre"));
    command.env("NO_COLOR", "1").args(["device", "--serial"]).arg(&device.path).args(arguments);
    command.output().unwrap()
}

#[test]
fn serial_line_carries_the_protocol_and_every_byte_of_it() {
    let device = device();
    let output = nacre(&device, &["--json", "info"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\"image\":\"field\"") && text.contains(&"01".repeat(32)), "{text}");
    // Whatever another client left on the line ends first.
    assert_eq!(device.asked.iter().take(2).collect::<Vec<_>>(), [Command::Alone, Command::Info]);

    let output = nacre(&device, &["--json", "logs", "--since", "5s"]);
    let found: Vec<serde_json::Value> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["text"], "late\u{3}\u{11}\n\r");
    let refused = nacre(&device, &["remove", "a"]);
    assert_eq!(refused.status.code(), Some(64), "{}", String::from_utf8_lossy(&refused.stderr));
}

#[test]
fn serial_line_in_use_that_is_none_or_is_not_there_is_said() {
    let device = device();
    let file = tempfile::NamedTempFile::new().unwrap();
    let held = File::open(&device.path).unwrap();
    let lock = nix::fcntl::Flock::lock(held, nix::fcntl::FlockArg::LockExclusive).unwrap();
    let busy = nacre(&device, &["info"]);
    assert_eq!(busy.status.code(), Some(75));
    assert!(String::from_utf8_lossy(&busy.stderr).contains("in use"));
    drop(lock);
    assert_eq!(nacre(&device, &["info"]).status.code(), Some(0));
    assert_eq!(nacre(&device, &["--baud", "12345", "info"]).status.code(), Some(2));
    for (path, code) in [(file.path().to_owned(), 65), ("/no/such/tty".into(), 66)] {
        let output = Process::new(env!("CARGO_BIN_EXE_nacre"))
            .args(["device", "--serial"])
            .arg(&path)
            .arg("info")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", path.display());
    }
}
