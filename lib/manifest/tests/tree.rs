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
