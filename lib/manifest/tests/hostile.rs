//! Whatever the text, each parser answers: a value, or problems that can be printed. No panic, no bomb.

use nacre_diag::{ExitCode, Printer, Report};
use nacre_manifest::{app, board, device, image};
use proptest::prelude::*;

/// A manifest with every field.
const APP: &str = include_str!("golden/app/full.yaml");
/// A recipe with every field.
const IMAGE: &str = include_str!("golden/image/full.yaml");
/// A board with every field.
const BOARD: &str = include_str!("../../../recipes/boards/qemu-armv7.yaml");

/// What holds for every refusal.
fn check_report(text: &str, report: &Report) {
    assert!(report.errors() > 0);
    assert!(matches!(report.exit_code(), ExitCode::BadInput | ExitCode::Refused), "{report:?}");
    for found in report.entries() {
        let place = found.place.as_ref().expect("each problem is of the file");
        if let Some(spot) = &place.spot {
            let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
            assert!((1..=lines + 1).contains(&spot.line), "{found:?}");
            assert!(spot.column >= 1 && spot.column <= spot.text.chars().count() + 1, "{found:?}");
            assert!(text.contains(&spot.text), "{found:?}");
        }
    }
    let printed = Printer::default().print_report(report);
    assert!(printed.chars().all(|c| c == '\n' || !c.is_control()));
}

fn check(text: &str) {
    match app::parse(text, "nacre.yaml") {
        Ok(app) => {
            let bytes = device::encode(&app.manifest);
            let again: device::Manifest = device::decode(&bytes).expect("decodes");
            assert_eq!(again, app.manifest);
            assert!(app.program().starts_with("/app/bin/"));
        }
        Err(report) => check_report(text, &report),
    }
    if let Err(report) = image::parse(text, "image.yaml") {
        check_report(text, &report);
    }
    if let Err(report) = board::parse(text, "board.yaml") {
        check_report(text, &report);
    }
}

/// Pieces that mean something to YAML or to us.
const PIECES: &[&str] = &[
    "\n",
    "\n  ",
    "\n- ",
    ": ",
    ", ",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "#",
    "&a ",
    "*a",
    "!t ",
    "|\n",
    ">-\n",
    "? ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "\t",
    "\r",
    "\r\n",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\0",
    "~",
    "null",
    "true",
    "0x1F",
    "1e400",
    "-0",
    ".nan",
    "4MiB",
    "25%",
    "1s..60s",
    "5 per 10m",
    "/app/bin/x",
    "../x",
    "a.b",
    "app",
    "run",
    "limits",
    "files",
    "<<",
    "é",
    "💥",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn any_row_of_pieces_is_answered(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        check(&pieces.concat());
    }

    #[test]
    fn any_change_of_a_valid_file_is_answered(
        file in prop::sample::select(vec![APP, IMAGE, BOARD]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..20, prop::sample::select(PIECES)), 1..6),
    ) {
        let mut chars: Vec<char> = file.chars().collect();
        for (at, gone, piece) in edits {
            let at = at.index(chars.len() + 1);
            let end = (at + gone).min(chars.len());
            chars.splice(at..end, piece.chars());
        }
        check(&chars.into_iter().collect::<String>());
    }

    #[test]
    fn any_cut_of_a_valid_file_is_answered(
        file in prop::sample::select(vec![APP, IMAGE, BOARD]),
        at in any::<prop::sample::Index>(),
    ) {
        let ends: Vec<usize> = file.char_indices().map(|(i, _)| i).collect();
        check(&file[..ends[at.index(ends.len())]]);
    }
}

#[test]
fn bombs_are_refused_quickly() {
    let wide_alias = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(20_000), "*a,".repeat(9_000));
    let long_label = format!("\"{}\": [{}]\n", "k".repeat(30_000), "x,".repeat(9_000));
    let many_keys: String = (0..6_000).map(|n| format!("k{n}: 1\n")).collect();
    let ring = "a: &a [*a, *a, *a, *a]\n".to_owned();
    let merge = "a: &a {<<: *a}\n".to_owned();
    let table = [
        "[".repeat(20_000),
        "{a: ".repeat(5_000),
        "- ".repeat(30_000),
        "? ".repeat(30_000),
        "\n".repeat(60_000),
        "x\n".repeat(30_000),
        "---\n".repeat(15_000),
        "a: &a 1\n".repeat(7_000),
        "#".repeat(70_000),
        wide_alias,
        long_label,
        many_keys,
        ring,
        merge,
    ];
    let start = std::time::Instant::now();
    for text in &table {
        check(text);
    }
    // A debug build on a busy machine needs about a second; a bomb would need minutes.
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

#[test]
fn problems_beyond_fifty_are_counted_and_not_shown() {
    let text: String = (0..70).map(|n| format!("field{n}: 1\n")).collect();
    let report = app::parse(&text, "nacre.yaml").expect_err("nothing in it is known");
    assert_eq!(report.entries().len(), 51);
    // Four fields are missing, too.
    let last = report.entries().last().map(|found| found.message.as_str());
    assert_eq!(last, Some("24 more problems are not shown"));
}
