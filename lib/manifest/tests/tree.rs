//! Every recipe, board and app in the tree, and what apps say about each other.

use std::path::{Path, PathBuf};

use nacre_diag::{ExitCode, Printer};
use nacre_manifest::{app, board, image};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder of recipes")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no recipes in {}", folder.display());
    files
}

#[test]
fn every_board_in_the_tree_is_valid_and_its_fragments_are_there() {
    for file in yaml_files(&top().join("recipes/boards")) {
        let board = board::load(&file).unwrap_or_else(|r| panic!("{}", Printer::default().print_report(&r)));
        assert_eq!(file.file_stem().and_then(|stem| stem.to_str()), Some(board.board.as_str()));
        for fragment in &board.kernel.fragments {
            assert!(fragment.path.is_file(), "{} names {}", file.display(), fragment.path.display());
        }
    }
}

#[test]
fn every_image_in_the_tree_is_valid_with_its_board_and_apps() {
    let folders = ["recipes/images", "tests/images"].map(|folder| top().join(folder));
    for file in folders.iter().flat_map(|folder| yaml_files(folder)) {
        let image = image::load(&file).unwrap_or_else(|r| panic!("{}", Printer::default().print_report(&r)));
        image.board_file(&image.board).unwrap_or_else(|r| panic!("{}", Printer::default().print_report(&r)));
        let apps: Vec<_> = image
            .apps
            .iter()
            .map(|entry| app::load(&entry.folder))
            .collect::<Result<_, _>>()
            .unwrap_or_else(|r| panic!("{}", Printer::default().print_report(&r)));
        app::check_peers(&apps).unwrap_or_else(|r| panic!("{}", Printer::default().print_report(&r)));
        for file in yaml_files(&top().join("recipes/boards")) {
            let board = board::load(&file).expect("valid");
            let checked = app::check_devices(&apps, &board).and(app::check_limits(&apps, &board));
            checked.unwrap_or_else(|r| panic!("{}", Printer::default().print_report(&r)));
        }
    }
}

#[test]
fn board_that_is_nowhere_is_not_found() {
    let image = image::load(&top().join("recipes/images/demo.yaml")).expect("valid");
    let report = image.board_file("toaster").expect_err("no such board");
    assert_eq!(report.exit_code(), ExitCode::NotFound);
}

fn parsed(id: &str, peers: &str) -> app::AppSource {
    let text = format!(
        "app: {id}\nversion: 1.0.0\nrollback-index: 1\nbuild: cargo\nrun: [/app/bin/x]\napps: [{peers}]\n"
    );
    app::parse(&text, &format!("{}/nacre.yaml", id.rsplit('.').next().unwrap_or(id))).expect("valid")
}

#[test]
fn peers_that_both_say_so_are_accepted() {
    let apps = [parsed("com.example.a", "com.example.b"), parsed("com.example.b", "com.example.a")];
    assert_eq!(app::check_peers(&apps), Ok(()));
    assert_eq!(app::check_peers(&[]), Ok(()));
}

#[test]
fn peers_that_are_silent_absent_or_double_are_refused() {
    let apps = [
        parsed("com.example.a", "com.example.b, com.example.gone"),
        parsed("com.example.b", ""),
        parsed("com.example.b", ""),
    ];
    let report = app::check_peers(&apps).expect_err("three breaches");
    assert_eq!(report.exit_code(), ExitCode::BadInput);
    assert_eq!(
        Printer::default().print_report(&report),
        "\
error: two apps of this image are called `com.example.b`
  --> b/nacre.yaml:1:6
  |
1 | app: com.example.b
  |      ^^^^^^^^^^^^^
Caused by:
  the other one is b/nacre.yaml:1:6
hint: give one of them another id

error: `com.example.b` does not list `com.example.a` under `apps`
  --> a/nacre.yaml:6:8
  |
6 | apps: [com.example.b, com.example.gone]
  |        ^^^^^^^^^^^^^
hint: both sides must say so: add `com.example.a` under `apps` in b/nacre.yaml

error: no app of this image is called `com.example.gone`
  --> a/nacre.yaml:6:23
  |
6 | apps: [com.example.b, com.example.gone]
  |                       ^^^^^^^^^^^^^^^^
hint: add it to the image's recipe, or remove it here
"
    );
}

#[test]
fn manifest_loaded_from_a_folder_checks_its_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = app::load(folder.path()).expect_err("no manifest");
    assert_eq!(missing.exit_code(), ExitCode::NotFound);
    let text = "app: a.b\nversion: 1.0.0\nrollback-index: 1\nbuild: none\nrun: [/app/bin/x]\nfiles: { /app/bin/x: x }\n";
    std::fs::write(folder.path().join("nacre.yaml"), text).expect("written");
    let report = app::load(folder.path()).expect_err("no program");
    assert_eq!(report.exit_code(), ExitCode::NotFound);
    assert_eq!(report.entries()[0].place.as_ref().map(|place| place.line_column()), Some((6, 22)));
    std::fs::write(folder.path().join("x"), "program").expect("written");
    let app = app::load(folder.path()).expect("complete");
    assert_eq!(app.folder, folder.path());
    assert!(app.files[0].is_program());
}

const BOARD: &str = "\
board: b
arch: armv7
kernel: { fragments: [a.config], image: zImage }
cmdline: console=ttyAMA0
disk: { size: 16MiB, slot: 4MiB }
memory: { default: 24MiB }
devices:
  gpio: { LED1: { chip: a, line: 0 }, LED2: { chip: a, line: 1 } }
  uart: { console2: { tty: ttyS1 } }
qemu: { program: qemu-system-arm, package: qemu-system-arm, disk-device: a, serial-device: b }
";

fn with(id: &str, fields: &str) -> app::AppSource {
    let text = format!("app: {id}\nversion: 1.0.0\nbuild: cargo\nrun: [/app/bin/x]\n{fields}\n");
    app::parse(&text, &format!("{}/nacre.yaml", id.rsplit('.').next().unwrap_or(id))).expect("valid")
}

#[test]
fn devices_given_twice_or_unknown_to_the_board_are_refused() {
    let board = board::parse(BOARD, "boards/b.yaml").expect("valid");
    let good = [
        with("com.example.a", "devices: { gpio: [LED1] }"),
        with("com.example.b", "devices: { gpio: [LED2], uart: [console2] }"),
        with("com.example.c", ""),
    ];
    assert_eq!(app::check_devices(&good, &board), Ok(()));
    let bad = [
        with("com.example.a", "devices: { gpio: [LED1, LED3] }"),
        with("com.example.b", "devices: { gpio: [LED1], uart: [modem] }"),
    ];
    let report = app::check_devices(&bad, &board).expect_err("three breaches");
    assert_eq!(report.exit_code(), ExitCode::BadInput);
    assert_eq!(
        Printer::default().print_report(&report),
        "\
error: `LED3`: the board `b` has no GPIO line of this name
  --> a/nacre.yaml:5:25
  |
5 | devices: { gpio: [LED1, LED3] }
  |                         ^^^^
hint: did you mean `LED1`?

error: `LED1`: two apps of this image are given this GPIO line
  --> b/nacre.yaml:5:19
  |
5 | devices: { gpio: [LED1], uart: [modem] }
  |                   ^^^^
Caused by:
  `com.example.a` is given it as well, at a/nacre.yaml:5:19
hint: let one of them have it, and the other one ask it with a message (`apps`)

error: `modem`: the board `b` has no UART of this name
  --> b/nacre.yaml:5:33
  |
5 | devices: { gpio: [LED1], uart: [modem] }
  |                                 ^^^^^
hint: it has: console2
"
    );
}

#[test]
fn limits_above_the_boards_are_refused_naming_both_lines() {
    let board = board::parse(BOARD, "boards/b.yaml").expect("valid");
    let app = |id: &str, limits: &str| with(id, &format!("limits: {{ {limits} }}"));
    let refused = |apps: &[app::AppSource]| {
        Printer::default().print_report(&app::check_limits(apps, &board).expect_err("a breach"))
    };
    let text = refused(&[app("com.example.a", "memory: 25MiB"), app("com.example.b", "tasks: 200")]);
    assert_eq!(
        text,
        "\
error: `limits.memory`: 25MiB is more than the board has
  --> a/nacre.yaml:5:19
  |
5 | limits: { memory: 25MiB }
  |                   ^^^^^
Caused by:
  the board `b` has 24MiB of memory, at boards/b.yaml:6:9
hint: 24MiB is all of it, and the OS needs some: write less, or choose another board

error: `limits.tasks`: 200 is more than the kernel keeps for one app
  --> b/nacre.yaml:5:18
  |
5 | limits: { tasks: 200 }
  |                  ^^^
Caused by:
  the board `b` has 24MiB of memory, at boards/b.yaml:6:9
hint: with that it keeps 128 tasks of one app: write at most 128
"
    );
    let text = refused(&[app("com.example.a", "tasks: 100"), app("com.example.b", "tasks: 93")]);
    assert!(text.contains("may have 193 tasks, and the kernel keeps 192"), "{text}");
    assert!(text.contains("100 at a/nacre.yaml:5:18, 93 at b/nacre.yaml:5:18"), "{text}");
    assert!(text.contains("at boards/b.yaml:6:9"), "{text}");
    let warned = |apps: &[app::AppSource]| app::check_limits(apps, &board).expect("no breach").to_string();
    assert_eq!(warned(&[app("com.example.a", "memory: 24MiB, tasks: 128")]), "nothing found");
    let text = warned(&[app("com.example.a", "memory: 24MiB"), app("com.example.b", "memory: 1MiB")]);
    assert_eq!(
        text,
        "all apps together may use 25MiB, and the board `b` has 24MiB of memory, at boards/b.yaml:6:9"
    );
}
