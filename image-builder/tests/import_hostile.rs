//! Whatever the bytes, the import answers: a manifest that is accepted, or problems with their places. No panic.

use std::io;
use std::path::Path;
use std::time::Instant;

use nacre_diag::{ExitCode, Printer, Report};
use nacre_image_builder::import::{Hardware, MAX_MANIFEST, Peer, Text, import, list};
use nacre_manifest::app;
use proptest::prelude::*;

const SAMPLES: &[&str] = &[
    include_str!("import/everything.json"),
    include_str!("import/thermostat.json"),
    include_str!("import/pump.json"),
    include_str!("import/handwritten.json"),
    include_str!("import/hosts.json"),
    include_str!("import/hostile-text.json"),
    include_str!("import/gateway.json"),
    include_str!("import/slips.json"),
    include_str!("import/hardware/board.json"),
];

fn check_report(report: &Report) {
    assert!(matches!(report.exit_code(), ExitCode::BadInput | ExitCode::NotFound), "{report:?}");
    for found in report.entries() {
        assert!(found.place.is_some(), "{found:?}");
    }
    let printed = Printer::default().print_report(report);
    assert!(printed.chars().all(|c| c == '\n' || !c.is_control()));
}

/// The bytes as a manifest, as a peer's, and as a hardware definition that imports itself.
fn check(bytes: &[u8]) {
    let read = |path: &Path| match path.to_str() {
        Some("hw/board.json") => Ok(bytes.to_vec()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let hardware =
        Hardware::load(Path::new("hw/board.json"), &read).map_err(|report| check_report(&report)).ok();
    let peer = Peer::read("peer.json", bytes).map_err(|report| check_report(&report)).ok();
    let text = match Text::decode("app_manifest.json", bytes, MAX_MANIFEST) {
        Ok(text) => text,
        Err(report) => return check_report(&report),
    };
    match import(&text, hardware.as_ref(), peer.as_slice()) {
        Ok(imported) => {
            assert!(app::parse(&imported.yaml, "nacre.yaml").is_ok(), "{}", imported.yaml);
            assert!(list(&imported.left_out).chars().all(|c| c == '\n' || !c.is_control()));
        }
        Err(report) => check_report(&report),
    }
}

/// Pieces that mean something to JSON, to YAML or to us.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u",
    "\\u0000",
    "\\ud800",
    "\\\"",
    "'",
    "//",
    "/*",
    "*/",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "\0",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\u{202e}",
    "\u{fffe}",
    "#",
    "# x",
    ": ",
    "- ",
    "&a",
    "*a",
    "!t",
    "%",
    "|",
    ">",
    "~",
    "null",
    "true",
    "-",
    "-0",
    "1e999",
    "0x1F",
    "007",
    "65536",
    "99999999999999999999",
    "$",
    "$LED",
    "*.example.com",
    "..",
    "/",
    "é",
    "💥",
    "\"Gpio\"",
    "\"Name\"",
    "\"CmdArgs\":[\"x\"],",
    "SizeKB",
    "tcp:",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn import_of_any_bytes_is_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        check(&bytes);
    }

    #[test]
    fn import_of_any_row_of_pieces_is_answered(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        check(pieces.concat().as_bytes());
    }

    #[test]
    fn import_of_any_change_of_a_sample_is_answered(
        sample in prop::sample::select(SAMPLES),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..20, prop::sample::select(PIECES)), 1..6),
    ) {
        let mut chars: Vec<char> = sample.chars().collect();
        for (at, gone, piece) in edits {
            let at = at.index(chars.len() + 1);
            let end = (at + gone).min(chars.len());
            chars.splice(at..end, piece.chars());
        }
        check(chars.into_iter().collect::<String>().as_bytes());
    }

    #[test]
    fn import_of_any_changed_bytes_of_a_sample_is_answered(
        sample in prop::sample::select(SAMPLES),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = sample.as_bytes().to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check(&bytes);
    }

    #[test]
    fn import_of_any_texts_is_accepted_or_told(
        name in any::<String>(),
        entry in any::<String>(),
        words in prop::collection::vec(any::<String>(), 0..5),
        device in any::<String>(),
        host in any::<String>(),
        key in any::<String>(),
    ) {
        let manifest = serde_json::json!({
            "SchemaVersion": 1,
            "Name": name,
            "ComponentId": "3f1d6c52-8a40-4b8e-9d57-0c6f2b7e1a01",
            "EntryPoint": format!("/bin/{entry}"),
            "CmdArgs": words,
            "Capabilities": { "Gpio": [format!("${device}")], "AllowedConnections": [host], &key: key },
        });
        check(manifest.to_string().as_bytes());
    }
}

#[test]
fn import_of_every_cut_of_a_sample_is_answered() {
    for sample in SAMPLES {
        for end in (0..sample.len()).step_by(7) {
            check(&sample.as_bytes()[..end]);
        }
    }
}

#[test]
fn import_of_bombs_is_answered_quickly() {
    let manifest = |capabilities: &str| {
        format!(
            "{{\"SchemaVersion\": 1, \"Name\": \"a\", \"ComponentId\": \"3f1d6c52-8a40-4b8e-9d57-0c6f2b7e1a01\", \
             \"EntryPoint\": \"/bin/a\", \"Capabilities\": {capabilities}}}"
        )
    };
    let keys: String = (0..5_000).map(|n| format!("\"k{n}\":1,")).collect();
    let table = [
        "[".repeat(60_000),
        "{\"a\":".repeat(12_000),
        "[1,".repeat(20_000),
        "\"a\":1,".repeat(10_000),
        format!("{{{}}}", "\"a\":1,".repeat(10_000)),
        "\\".repeat(60_000),
        "\"\\".repeat(30_000),
        "/*".repeat(30_000),
        "\n".repeat(60_000),
        manifest(&format!("{{{keys}}}")),
        manifest(&format!("{{\"AllowedConnections\": [{}]}}", "\"*\",".repeat(10_000))),
        manifest(&format!("{{\"Gpio\": [{}]}}", "true,".repeat(10_000))),
        manifest(&format!("{{\"I2cMaster\": [{}]}}", "1,".repeat(20_000))),
        manifest(&format!("{{\"x\": \"{}\"}}", "y".repeat(60_000))),
    ];
    let start = Instant::now();
    for text in &table {
        check(text.as_bytes());
    }
    // A debug build on a busy machine needs seconds; a bomb would need minutes.
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
