//! The two images of a board: without the fields, and with them as the events of the first say. Each boots once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::panic::catch_unwind;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use nacre_tests::image::{ARMV7, Board, Image, build, build_in};
use nacre_tests::nacre::root;
use nacre_tests::vm::Vm;
use regex::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::manifest::paste;
use super::table::{FIELDS, Line, app, apps};

/// What the apps of one boot said.
#[derive(Debug)]
pub(crate) struct Said {
    /// By app and attempt, how it ended.
    pub(crate) ends: BTreeMap<(String, String), String>,
    /// Denials, a line of JSON each.
    pub(crate) events: Vec<Value>,
    transcript: Vec<String>,
}

impl Said {
    /// Whether the log has such a line of an app.
    pub(crate) fn has_line(&self, app: &str, text: &str) -> bool {
        let of_app = format!("] {app}: ");
        self.transcript.iter().any(|line| line.contains(&of_app) && line.contains(text))
    }

    /// The remedy of an app's denial for a field: the line. What was tried is among the attempt's own words.
    pub(crate) fn line(&self, app: &str, layer: &str, field: &str, nth: usize) -> &str {
        let id = format!("org.nacre.{app}");
        let mut found = self.events.iter().filter_map(|event| {
            let remedy = &event["remedy"];
            let is_it = event["app"] == *id && event["layer"] == *layer && remedy["field"] == *field;
            if is_it { remedy["line"].as_str() } else { None }
        });
        found.nth(nth).unwrap_or_else(|| panic!("{app} has no event of {layer} for {field}: {self:#?}"))
    }
}

/// Both boots of a board.
#[derive(Debug)]
pub(crate) struct Boots {
    pub(crate) denied: Said,
    pub(crate) allowed: Said,
}

/// Boots both images, once in all.
pub(crate) fn boots(board: Board) -> &'static Boots {
    static ARM: OnceLock<Option<Boots>> = OnceLock::new();
    static X86: OnceLock<Option<Boots>> = OnceLock::new();
    let cell = if board == ARMV7 { &ARM } else { &X86 };
    // A boot that fails would fail again for each field: the first test says how.
    let booted = cell.get_or_init(|| catch_unwind(|| boot_both(board)).ok());
    booted.as_ref().expect("both boots went well; what did not is in the output of another test")
}

fn boot_both(board: Board) -> Boots {
    let open = echo();
    let listen = 8_080;
    let program = program(board);
    let mut manifests = apps(open, listen);
    let denied = boot(&image(board, &program, &manifests, ""), listen);
    for (app, manifest) in &mut manifests {
        let mut seen = BTreeMap::<_, usize>::new();
        for field in FIELDS.iter().filter(|field| field.app == *app) {
            match field.line {
                // Several lines of one field come in the order of the attempts.
                Line::Event { layer, field } => {
                    let nth = seen.entry((layer, field)).or_default();
                    paste(manifest, field, denied.line(app, layer, field, *nth));
                    *nth += 1;
                }
                Line::Stated { field, value } => paste(manifest, field, value),
            }
        }
        if *app == "peer" {
            // Both sides must say so, or the image is not built.
            paste(manifest, "apps", "org.nacre.asks");
        }
    }
    let allowed = boot(&image(board, &program, &manifests, ""), listen);
    Boots { denied, allowed }
}

/// Runs an image until every app has said all that it has to say; the peer answers for as long as it is asked.
fn boot(image: &Image, listen: u16) -> Said {
    let mut vm = Vm::start_with_ports(image, &[listen], &[]);
    let mut waiting: BTreeSet<String> = apps(0, 0).iter().map(|(name, _)| (*name).to_owned()).collect();
    waiting.remove("peer");
    let pattern = format!(
        r"\] ({}): (all attempts made|killed: .*|listens on tcp \d+)",
        waiting.iter().cloned().collect::<Vec<_>>().join("|")
    );
    while !waiting.is_empty() {
        let found = vm.wait_for(&pattern);
        if found[2].starts_with("listens") {
            knock(&vm, listen);
        } else {
            waiting.remove(&found[1]);
        }
    }
    let events = events(&vm, image);
    let line = Regex::new(r"\] (\w+): attempt ([\w-]+): (.*)$").expect("valid");
    let ends = vm.transcript.iter().filter_map(|text| {
        let found = line.captures(text)?;
        Some(((found[1].to_owned(), found[2].to_owned()), found[3].to_owned()))
    });
    Said { ends: ends.collect(), events, transcript: std::mem::take(&mut vm.transcript) }
}

fn events(vm: &Vm, image: &Image) -> Vec<Value> {
    let events = vm.device(image, &["events", "--json"]);
    events.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// An app that waits on a port without the manifest's line, and somebody outside who knocks there: the packet filter's event.
/// Landlock, which would not let it wait there, is off.
pub(crate) fn knocked_on(board: Board, port: u16) -> Value {
    let manifest =
        app("open", &[&format!("listen-tcp={port}")], json!({ "network": { "listen": ["udp:9"] } }));
    let image = image(board, &program(board), &[manifest], "testing: { layers-off: [landlock] }\n");
    let mut vm = Vm::start_with_ports(&image, &[port], &[]);
    vm.wait_for(r"\] open: listens on tcp \d+");
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        // QEMU takes every connection, whether or not it leads anywhere.
        let stream = TcpStream::connect(vm.address(port)).expect("QEMU listens");
        thread::sleep(Duration::from_secs(1));
        drop(stream);
        let mut told = events(&vm, &image).into_iter();
        if let Some(event) = told.find(|event| event["layer"] == "packet-filter") {
            return event;
        }
        assert!(Instant::now() < until, "nobody is told: {:?}", vm.transcript);
    }
}

/// Somebody from outside, who says a word and waits for it to come back.
fn knock(vm: &Vm, port: u16) {
    let mut stream = TcpStream::connect(vm.address(port)).expect("QEMU listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("not zero");
    stream.write_all(b"word").expect("QEMU takes it");
    let mut word = [0; 4];
    stream.read_exact(&mut word).expect("the app answers");
    assert_eq!(&word, b"word");
}

/// A port of this machine, TCP and UDP, that sends everything back until the test process ends.
fn echo() -> u16 {
    let pair = || {
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        let port = tcp.local_addr()?.port();
        UdpSocket::bind(("127.0.0.1", port)).map(|udp| (tcp, udp, port))
    };
    let (tcp, udp, port) = (0..100).find_map(|_| pair().ok()).expect("a port is free, TCP and UDP");
    thread::spawn(move || {
        let mut packet = [0; 2048];
        while let Ok((length, from)) = udp.recv_from(&mut packet) {
            let _ = udp.send_to(&packet[..length], from);
        }
    });
    thread::spawn(move || {
        for mut stream in tcp.incoming().flatten() {
            let mut words = [0; 64];
            let length = stream.read(&mut words).unwrap_or(0);
            let _ = stream.write_all(&words[..length]);
        }
    });
    port
}

fn image(board: Board, program: &[u8], manifests: &[(&'static str, Value)], testing: &str) -> Image {
    let folder = TempDir::new_in(root().join("target/vm")).expect("target is writable");
    let names: Vec<_> = manifests.iter().map(|(name, _)| *name).collect();
    let recipe = format!(
        "image: fields\nversion: 0.1.0\nrollback-index: 1\nprofile: development\nboard: {}\napps: [{}]\n{testing}",
        board.name,
        names.join(", ")
    );
    fs::write(folder.path().join("fields.yaml"), recipe).expect("the folder is new");
    for (app, manifest) in manifests {
        let app_folder = folder.path().join(app);
        fs::create_dir(&app_folder).expect("the folder is new");
        fs::write(app_folder.join("fieldprobe"), program).expect("the folder is new");
        // YAML takes JSON as it is.
        fs::write(app_folder.join("nacre.yaml"), format!("{manifest:#}\n")).expect("the folder is new");
    }
    build_in(folder, "fields.yaml", board)
}

fn program(board: Board) -> Vec<u8> {
    build("tests/images/fields.yaml", board).program("org.nacre.fieldprobe", "fieldprobe")
}
