//! lib/app in both of its languages: its examples make every call on a device, once under a manifest that allows all of
//! it, and once under one that allows nothing.

use std::fs;

use nacre_tests::image::{Board, Image, build, build_in};
use nacre_tests::nacre::root;
use nacre_tests::vm::Vm;
use serde_json::Value;
use tempfile::TempDir;

const ALLOWED: &str = "system: [stats, apps-status]\napps: [org.nacre.peer]\nevents: [shutdown]\n\
    health: { heartbeat: 9s }\ndevices: { gpio: [LED1], uart: [console2] }\nstorage: { data: 32KiB }\n";

/// What `events` has for each call that is denied: the field that would allow it, and the line.
const DENIALS: [(&str, &str, &str); 8] = [
    ("stats", "system", "stats"),
    ("device", "system", "stats"),
    ("apps", "system", "apps-status"),
    ("call", "apps", "org.nacre.peer"),
    ("line", "devices.gpio", "LED1"),
    ("uart", "devices.uart", "console2"),
    ("heartbeat", "health.heartbeat", "30s"),
    ("events", "events", "shutdown"),
];

/// `app` has the component of the language's example.
fn image(board: Board, app: &str) -> Image {
    let program = build("tests/images/tour.yaml", board).program(app, "tour");
    let folder = TempDir::new_in(root().join("target/vm")).expect("target is writable");
    let write = |name: &str, words: &str, fields: &str| {
        let manifest = format!(
            "app: org.nacre.{name}\nversion: 0.1.0\nbuild: none\nrun: [/app/bin/tour, {words}]\n\
             files: {{ /app/bin/tour: tour }}\nrestart: {{ policy: never }}\n\
             limits: {{ memory: 1MiB, tasks: 1, cpu: 50%, open-files: 16, tmp: 16KiB }}\n{fields}"
        );
        let app = folder.path().join(name);
        fs::create_dir(&app).expect("the folder is new");
        fs::write(app.join("tour"), &program).expect("the folder is new");
        fs::write(app.join("nacre.yaml"), manifest).expect("the folder is new");
    };
    write("allowed", "LED1, console2, org.nacre.peer", ALLOWED);
    write("denied", "LED1, console2, org.nacre.peer", "");
    write("peer", "answer", "apps: [org.nacre.allowed]\n");
    let recipe = format!(
        "image: tour\nversion: 0.1.0\nrollback-index: 1\nprofile: development\nboard: {}\napps: [allowed, denied, peer]\n",
        board.name
    );
    fs::write(folder.path().join("tour.yaml"), recipe).expect("the folder is new");
    build_in(folder, "tour.yaml", board)
}

fn lines(vm: &Vm, image: &Image, arguments: &[&str]) -> Vec<Value> {
    let text = vm.device(image, arguments);
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn every_call(board: Board, component: &str, language: &str) {
    let image = image(board, component);
    let mut vm = Vm::start(&image, &[]);
    for _ in 0..2 {
        vm.wait_for(r"\] (allowed|denied): tour ends");
    }
    let said = |app: &str, call: &str| {
        let start = format!("] {app}: {call}: ");
        let line = vm.transcript.iter().find_map(|line| Some(line.split_once(&start)?.1.to_owned()));
        line.unwrap_or_else(|| panic!("{app} has not said {call}: {:#?}", vm.transcript))
    };
    for (call, expected) in [
        ("log", "ok "),
        ("stats", "ok true"),
        ("device", &format!("ok {}", board.name)),
        ("apps", "ok 3"),
        ("call", "ok hello"),
        ("line", "ok high"),
        ("uart", "ok sent"),
        ("save", "ok "),
        ("heartbeat", "ok "),
        ("events", "ok "),
    ] {
        assert_eq!(said("allowed", call).trim_end(), expected.trim_end(), "{call}");
    }
    let shown = format!("] allowed: warning: a line language={language} parts=2");
    assert!(vm.transcript.iter().any(|line| line.ends_with(&shown)), "{:#?}", vm.transcript);
    let events = lines(&vm, &image, &["events", "--json"]);
    for (call, field, line) in DENIALS {
        let words = said("denied", call);
        let remedy = if field.contains("heartbeat") { "set " } else { "add " };
        assert!(
            words.starts_with("denied: ") && words.contains(remedy) && words.contains(line),
            "{call}: {words}"
        );
        let told = events.iter().any(|event| {
            let remedy = &event["remedy"];
            event["app"] == "org.nacre.denied" && remedy["field"] == field && remedy["line"] == line
        });
        assert!(told, "{call}: {events:#?}");
    }
    let unsaved = "denied: save in /data — set storage.data: 64KiB in nacre.yaml";
    assert_eq!(said("denied", "save"), unsaved);
    assert!(events.iter().any(|event| event["remedy"]["field"] == "storage.data"), "{events:#?}");
    assert_eq!(said("denied", "log").trim_end(), "ok", "every app may");
    let logged = lines(&vm, &image, &["logs", "--app", "allowed", "--json"]);
    let line = logged.iter().find(|line| line["text"] == "a line").expect("the line is kept");
    let parts = serde_json::json!({ "language": language, "parts": "2" });
    assert_eq!((&line["level"], &line["fields"]), (&Value::from("warning"), &parts));
    let plain = logged.iter().find(|line| line["text"] == "tour ends").expect("the line is kept");
    assert_eq!((&plain["level"], &plain["fields"]), (&Value::Null, &serde_json::json!({})));
    // It lives longer than its heartbeat allows, and is told of its end.
    std::thread::sleep(std::time::Duration::from_secs(10));
    vm.device(&image, &["stop", "allowed"]);
    vm.wait_for(r"\] allowed: stop: true");
    vm.wait_for(r"\] allowed: stopped \(exited with code 0\)");
    assert!(!vm.has_printed(r"\] allowed: .*(killed|by signal)"), "{:#?}", vm.transcript);
}

fn every_call_in_rust_is_allowed_or_denied_by_the_manifest(board: Board) {
    every_call(board, "org.nacre.tour", "rust");
}

fn every_call_in_c_is_allowed_or_denied_by_the_manifest(board: Board) {
    every_call(board, "org.nacre.tour-c", "c");
}

crate::on_each_board! {
    every_call_in_rust_is_allowed_or_denied_by_the_manifest,
    every_call_in_c_is_allowed_or_denied_by_the_manifest,
}
