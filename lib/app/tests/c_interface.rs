//! The C form of this crate, compiled for this machine, against a server that speaks lib/wire: every message both ways,
//! and replies that no OS sends. Where the compiler has them, address and undefined-behaviour sanitizers watch.

use std::io::{Read, Seek, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use nacre_sys::fd_passing::{self, ReceiveError};
use nacre_wire::app::{Ask, Event, LineMode, MAX_PACKET, MAX_PAYLOAD, Message, Outcome, Parity, Request};
use nacre_wire::log::{Detail, Field, Level};
use nacre_wire::message;
use nacre_wire::status::{AppState, AppStatus, Device, Stats};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use proptest::prelude::*;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The compiled driver, made once.
fn driver() -> &'static Path {
    static MADE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, program) = MADE.get_or_init(|| {
        let made = tempfile::tempdir().expect("a folder");
        let program = made.path().join("driver");
        let compile = |sanitizers: &[&str]| {
            let mut cc = Command::new("cc");
            cc.args(["-std=c17", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Werror"])
                .args(sanitizers);
            cc.arg("-I").arg(folder().join("include")).arg(folder().join("c/nacre.c"));
            cc.arg(folder().join("tests/c/driver.c")).arg("-o").arg(&program);
            cc.output().expect("there is a C compiler: Rust links with it")
        };
        if !compile(&["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]).status.success() {
            let output = compile(&[]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        (made, program)
    });
    program
}

/// What is sent to the app: bytes, and a descriptor with them.
type Packet = (Vec<u8>, Option<OwnedFd>);

fn packet(message: &Message) -> Packet {
    (message::encode(message).expect("within its bounds"), None)
}

fn reply(id: u32, outcome: Outcome) -> Packet {
    packet(&Message::Reply { id, outcome })
}

/// Has the driver make these calls; gives the line that it prints for each. `serve` is the OS: what it sends before
/// the first request, and upon each.
fn run(
    patience_ms: u32,
    calls: &[&str],
    before: Vec<Packet>,
    mut serve: impl FnMut(Request) -> Vec<Packet>,
) -> Vec<String> {
    let (ours, theirs) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).expect("a pair");
    let mut said = tempfile::tempfile().expect("a file");
    let send = |packets: Vec<Packet>| {
        for (bytes, descriptor) in packets {
            let descriptors: Vec<_> = descriptor.iter().map(AsFd::as_fd).collect();
            // It may have ended already.
            let _ = fd_passing::send(&ours, &bytes, &descriptors);
        }
    };
    send(before);
    let mut child = Command::new(driver())
        .arg(patience_ms.to_string())
        .args(calls)
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::from(said.try_clone().expect("a file")))
        .spawn()
        .expect("it was compiled");
    loop {
        let mut descriptors = [PollFd::new(ours.as_fd(), PollFlags::POLLIN)];
        poll(&mut descriptors, PollTimeout::NONE).expect("it is open");
        let mut bytes = [0; MAX_PACKET];
        match fd_passing::receive(&ours, &mut bytes) {
            // It has ended, perhaps without having read all.
            Err(ReceiveError::Kernel(Errno::ECONNRESET)) => break,
            Err(error) => panic!("{error}"),
            Ok(received) if received.length == 0 => break,
            // lib/wire is the judge: what the C side sends has one encoding, within all bounds.
            Ok(received) => {
                let bytes = &bytes[..received.length];
                let request: Request = message::decode(bytes).expect("a request");
                assert_eq!(message::encode(&request).expect("it came so"), bytes, "{request:?}");
                send(serve(request));
            }
        }
    }
    let status = child.wait().expect("it was started");
    let mut text = Vec::new();
    said.rewind().and_then(|()| said.read_to_end(&mut text)).expect("a file");
    let text = String::from_utf8_lossy(&text);
    assert!(status.success(), "{status}: {text}");
    text.lines().map(str::to_owned).collect()
}

/// One call, and what it asked.
fn one(call: &str, outcome: Outcome) -> (Option<Ask>, String) {
    let mut asked = None;
    let said = run(2_000, &[call], vec![], |request| {
        asked = Some(request.ask);
        vec![reply(request.id, outcome.clone())]
    });
    (asked, said.concat())
}

fn stats() -> Stats {
    Stats {
        uptime_ms: u64::MAX,
        cpu_busy_ms: 1 << 32,
        cpu_total_ms: 65_536,
        memory_total_kib: u32::MAX,
        memory_available_kib: 256,
    }
}

fn device(address: Option<[u8; 4]>) -> Device {
    Device { image: "demo".into(), version: "0.1.0".into(), board: "b".into(), development: true, address }
}

fn app(last_end: Option<&str>) -> AppStatus {
    AppStatus {
        app: "org.example.a".into(),
        version: "1.0.0".into(),
        state: AppState::Waiting,
        restarts: 23,
        memory_kib: 24,
        since_ms: 255,
        last_end: last_end.map(str::to_owned),
    }
}

fn detail(level: Level, fields: &[(&str, &str)]) -> Detail {
    let field = |(key, value): &(&str, &str)| Field { key: (*key).into(), value: (*value).into() };
    Detail { level, fields: fields.iter().map(field).collect() }
}

#[test]
fn request_of_each_kind_is_what_the_rust_form_sends_and_its_answer_is_read() {
    let peer = |payload: &[u8]| Ask::Call { to: "org.example.peer".into(), payload: payload.to_vec() };
    let cases = [
        (
            "stats",
            Ask::Stats,
            Outcome::Stats(stats()),
            format!("{} {} 65536 {} 256 0", u64::MAX, 1u64 << 32, u32::MAX),
        ),
        (
            "device",
            Ask::Device,
            Outcome::Device(device(Some([10, 0, 2, 15]))),
            "demo 0.1.0 b 1 1 0a00020f 0".into(),
        ),
        ("device", Ask::Device, Outcome::Device(device(None)), "demo 0.1.0 b 1 0 00000000 0".into()),
        (
            "apps",
            Ask::AppsStatus,
            Outcome::Apps(vec![app(None), app(Some("ended by signal 9"))]),
            "org.example.a 1.0.0 7 23 24 255 [] org.example.a 1.0.0 7 23 24 255 [ended by signal 9] 2".into(),
        ),
        ("apps", Ask::AppsStatus, Outcome::Apps(vec![]), "0".into()),
        (
            "apps-few",
            Ask::AppsStatus,
            Outcome::Apps(vec![app(None), app(None)]),
            "-4 the message is too long".into(),
        ),
        ("call", peer(b"hello"), Outcome::Answer(vec![0, 1, 255]), "0001ff 3".into()),
        ("call", peer(b"hello"), Outcome::Answer(vec![]), " 0".into()),
        ("call-few", peer(b"hello"), Outcome::Answer(vec![1; 3]), "-4 the message is too long".into()),
        (
            "call-longest",
            peer(&[0; MAX_PAYLOAD]),
            Outcome::Answer(vec![1; MAX_PAYLOAD]),
            MAX_PAYLOAD.to_string(),
        ),
        ("events", Ask::Events, Outcome::Done, "0".into()),
        ("heartbeat", Ask::Heartbeat, Outcome::Done, "0".into()),
        (
            "log",
            Ask::Log {
                text: "no answer".into(),
                detail: detail(Level::Warning, &[("peer", "recorder"), ("why", "a \"b\"")]),
            },
            Outcome::Done,
            "0".into(),
        ),
        (
            "log-plain",
            Ask::Log { text: "plain".into(), detail: detail(Level::Debug, &[]) },
            Outcome::Done,
            "0".into(),
        ),
        (
            "log-most",
            Ask::Log {
                text: String::new(),
                detail: detail(Level::Info, &["a", "b", "c", "d", "e", "f", "g", "h"].map(|key| (key, ""))),
            },
            Outcome::Done,
            "0".into(),
        ),
    ];
    for (call, ask, outcome, expected) in cases {
        assert_eq!(one(call, outcome), (Some(ask), expected), "{call}");
    }
}

#[test]
fn request_that_cannot_be_is_refused_before_it_is_sent() {
    for (call, expected) in [
        ("call-too-long", "-4 the message is too long"),
        ("call-nobody", "-4 the message is too long"),
        ("log-too-many", "-3 invalid: a log line has at most 8 fields, each a key and a value"),
        ("save-path", "-3 invalid: it is not the name of a file"),
    ] {
        let (asked, said) = one(call, Outcome::Done);
        assert_eq!((asked, said.trim_start()), (None, expected), "{call}");
    }
}

#[test]
fn refusal_of_each_kind_has_its_number_and_the_words_of_the_os() {
    for call in ["stats", "device", "apps", "events", "heartbeat", "log", "line", "uart"] {
        for (outcome, expected) in [
            (Outcome::Denied("add \"stats\" under system".into()), "-1 denied: add \"stats\" under system"),
            (Outcome::Unavailable("later".into()), "-2 unavailable: later"),
            (Outcome::Invalid(String::new()), "-3 invalid: "),
            (Outcome::Answer(vec![]), "-6 the OS answered something else"),
        ] {
            assert_eq!(one(call, outcome).1, expected, "{call}");
        }
    }
    let long = one("stats", Outcome::Denied("x".repeat(1500))).1;
    assert_eq!(long.len(), "-1 ".len() + 511, "cut to its room");
}

#[test]
fn descriptor_is_the_one_that_came_and_no_other_stays_open() {
    for (call, ask) in [
        ("line", Ask::Line { name: "LED1".into(), mode: LineMode::OutputHigh }),
        ("uart", Ask::Uart { name: "console2".into(), baud: 115_200, parity: Parity::Even }),
    ] {
        let (mut reader, writer) = pipe().unwrap();
        let mut writer = Some(writer);
        let said = run(2_000, &[call, call], vec![], |request| {
            assert_eq!(request.ask, ask);
            vec![(reply(request.id, Outcome::Descriptor).0, writer.take().map(OwnedFd::from))]
        });
        assert_eq!(said, ["0", "-6 the OS answered something else"], "the second time none came");
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hi");
    }
    let (mut reader, writer) = pipe().unwrap();
    let mut writer = Some(writer);
    let said = run(2_000, &["heartbeat", "heartbeat"], vec![], |request| {
        vec![(reply(request.id, Outcome::Done).0, writer.take().map(OwnedFd::from))]
    });
    assert_eq!(said, ["-6 the OS answered something else", "0"], "a descriptor that nobody asked for");
    reader.read_to_string(&mut String::new()).unwrap();
}

#[test]
fn edges_of_a_line_are_read_one_by_one_until_none_comes() {
    let (reader, mut writer) = pipe().unwrap();
    for id in [1_u32, 2] {
        let mut event = [0; 48];
        event[8..12].copy_from_slice(&id.to_ne_bytes());
        writer.write_all(&event).unwrap();
    }
    let mut reader = Some(reader);
    let said = run(2_000, &["edge"], vec![], |request| {
        assert_eq!(request.ask, Ask::Line { name: "BUTTON1".into(), mode: LineMode::Edges });
        vec![(reply(request.id, Outcome::Descriptor).0, reader.take().map(OwnedFd::from))]
    });
    assert_eq!(said, ["1 0 -1 0"]);
}

#[test]
fn wait_gives_calls_and_events_also_those_that_came_before_a_reply() {
    let called =
        |call: u32| packet(&Message::Called { call, from: "org.example.a".into(), payload: vec![7] });
    // Of three calls the first had to make room.
    let calls =
        ["heartbeat", "stop", "wait", "wait", "answer", "stop", "wait", "wait", "wait-pipe", "wait", "stop"];
    let said = run(2_000, &calls, vec![], |request| match request.ask {
        Ask::Heartbeat => vec![
            called(1),
            called(2),
            called(3),
            packet(&Message::Event(Event::Update)),
            reply(request.id.wrapping_sub(1), Outcome::Apps(vec![])),
            reply(request.id, Outcome::Done),
        ],
        Ask::Answer { call: 2, payload } => {
            assert_eq!(payload, [7]);
            vec![packet(&Message::Event(Event::Shutdown)), reply(request.id, Outcome::Done)]
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(
        said,
        ["0", "0", "3", "2 org.example.a 07 1", "0", "1", "2", "3 org.example.a 07 1", "16", "0", "1"]
    );
}

#[test]
fn heartbeats_are_sent_from_within_a_wait() {
    let mut beats = 0;
    let said = run(2_000, &["beat", "wait"], vec![], |request| {
        assert_eq!(request.ask, Ask::Heartbeat);
        beats += 1;
        vec![reply(request.id, Outcome::Done)]
    });
    assert_eq!(said, ["0", "0"]);
    assert!((2..=6).contains(&beats), "{beats}");
}

#[test]
fn os_that_is_silent_or_gone_is_told() {
    let said = run(30, &["stats", "heartbeat"], vec![], |_| vec![]);
    assert_eq!(said, ["-5 the OS does not answer"; 2]);
    let (ours, theirs) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    drop(ours);
    let output =
        Command::new(driver()).args(["1000", "stats", "wait", "stop"]).stdin(Stdio::from(theirs)).output();
    let said = String::from_utf8(output.unwrap().stdout).unwrap();
    assert_eq!(said.lines().filter(|line| line.starts_with("-7 ")).count(), 3, "{said}");
}

#[test]
fn figures_that_a_newer_os_has_more_are_left_out() {
    let said = run(2_000, &["stats"], vec![], |request| {
        let (mut bytes, _) = reply(request.id, Outcome::Stats(stats()));
        let map = bytes.iter().position(|byte| *byte == 0xa5).expect("a map of five");
        bytes[map] = 0xa6;
        // 5: {"a": [1, -1, h'00', null, 1(0), 1.0]}
        bytes.extend([
            0x05, 0xa1, 0x61, 0x61, 0x86, 0x01, 0x20, 0x41, 0x00, 0xf6, 0xc1, 0x00, 0xf9, 0x3c, 0x00,
        ]);
        vec![(bytes, None)]
    });
    assert!(said[0].ends_with(" 256 0"), "{said:?}");
}

/// Numbers that follow from a seed (xorshift64*), so that a failing case is one number.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).expect("31 bits") % most
    }

    /// Up to three changes: a byte in place of another, the rest cut off, a byte put in. Heads of CBOR items that have
    /// no length, or a huge one, come often.
    fn mutate(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        const HEADS: [u8; 8] = [0x9f, 0xbf, 0x5b, 0x7b, 0x9b, 0xbb, 0xff, 0xf6];
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len().max(1));
            let any = u8::try_from(self.below(256)).expect("below 256");
            let byte = if self.below(2) == 0 { HEADS[self.below(HEADS.len())] } else { any };
            match self.below(5) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at.min(bytes.len()), byte),
                _ => bytes.get_mut(at).map(|place| *place = byte).unwrap_or_default(),
            }
        }
        bytes
    }
}

/// Of each reply: bytes of which nobody knows what they are, and then a good one, so that nobody waits in vain.
fn reply_whatever_it_is_harms_nothing(seed: u64) {
    const CALLS: [&str; 9] = ["stats", "device", "apps", "call", "heartbeat", "line", "look", "stop", "look"];
    let mut dice = Dice(seed | 1);
    let mut requests = 0;
    let calls: Vec<&str> = CALLS.iter().copied().cycle().take(900).collect();
    run(10_000, &calls, vec![], |request| {
        requests += 1;
        let id = request.id;
        let (bytes, _) = match dice.below(7) {
            0 => reply(id, Outcome::Stats(stats())),
            1 => reply(id, Outcome::Device(device(Some([1, 2, 3, 4])))),
            2 => reply(id, Outcome::Apps(vec![app(Some("x")), app(None)])),
            3 => reply(id, Outcome::Answer(vec![9; 40])),
            4 => packet(&Message::Called { call: 5, from: "org.example.a".into(), payload: vec![1, 2] }),
            5 => reply(id, Outcome::Denied("no".into())),
            _ => packet(&Message::Event(Event::Update)),
        };
        vec![(dice.mutate(bytes), None), reply(id, Outcome::Done)]
    });
    assert_eq!(requests, 600, "six of nine ask");
}

/// What lib/wire takes for figures, this does as well, and for the same.
fn figures_whatever_they_are_are_those_of_the_rust_form(seed: u64) {
    let mut dice = Dice(seed | 1);
    let mut expected = Vec::new();
    let said = run(10_000, &["stats"; 900], vec![], |request| {
        let figure = |dice: &mut Dice| u32::try_from(dice.below(1 << 30)).expect("30 bits") >> dice.below(30);
        let stats = Stats {
            uptime_ms: u64::from(figure(&mut dice)) << dice.below(32),
            cpu_busy_ms: figure(&mut dice).into(),
            cpu_total_ms: figure(&mut dice).into(),
            memory_total_kib: figure(&mut dice),
            memory_available_kib: figure(&mut dice),
        };
        let (bytes, _) = reply(request.id, Outcome::Stats(stats));
        let bytes = dice.mutate(bytes);
        let understood = message::decode::<Message>(&bytes).ok();
        let one_way = understood.filter(|message| message::encode(message).is_ok_and(|same| same == bytes));
        expected.push(match one_way {
            Some(Message::Reply { id, outcome: Outcome::Stats(s) }) if id == request.id => Some(format!(
                "{} {} {} {} {} 0",
                s.uptime_ms, s.cpu_busy_ms, s.cpu_total_ms, s.memory_total_kib, s.memory_available_kib
            )),
            _ => None,
        });
        vec![(bytes, None), reply(request.id, Outcome::Done)]
    });
    assert_eq!(said.len(), expected.len());
    let understood =
        expected.iter().zip(&said).filter_map(|(expected, said)| Some((expected.as_ref()?, said)));
    let differing: Vec<_> = understood.clone().filter(|(expected, said)| expected != said).collect();
    assert!(understood.count() > 200 && differing.is_empty(), "{differing:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reply_of_any_bytes_harms_nothing(seed in any::<u64>()) {
        reply_whatever_it_is_harms_nothing(seed);
    }

    #[test]
    fn figures_of_any_bytes_are_read_as_lib_wire_does(seed in any::<u64>()) {
        figures_whatever_they_are_are_those_of_the_rust_form(seed);
    }
}
