//! The whole printed answer to each file below `tests/golden`, good or bad.
//!
//! The expected text stands beside the file as `.txt`. With `NACRE_BLESS=1` in the environment it is
//! written anew; look at the difference before it is kept.

use std::fmt::Debug;
use std::path::Path;

use nacre_diag::{Printer, Report};
use nacre_manifest::{app, board, describe, image};

fn answer<T: Debug>(result: Result<T, Report>, good: impl Fn(&T) -> String) -> String {
    match result {
        Ok(value) => good(&value),
        Err(report) => {
            let text = Printer::default().print_report(&report);
            format!("{text}\nexit code {}\n", report.exit_code().code())
        }
    }
}

fn describe_app(app: &app::AppSource) -> String {
    let mut text = format!("{:#?}\n{:#?}\n{:#?}\n", app.manifest, app.build, app.files);
    for line in describe::describe(&app.manifest) {
        text.push_str(&format!("{} {line}\n", app.manifest.app));
    }
    text
}

fn check(kind: &str, name: &str, print: impl Fn(&str, &str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(kind);
    let bless = std::env::var_os("NACRE_BLESS").is_some_and(|value| value == "1");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder of golden files") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let found = match String::from_utf8(std::fs::read(&path).expect("a file")) {
            Ok(text) => print(&text, name),
            // Only who reads the file itself can say what is wrong with it.
            Err(_) => answer(app::load(&path), describe_app).replace(&path.display().to_string(), name),
        };
        let expected = path.with_extension("txt");
        if bless {
            std::fs::write(&expected, &found).expect("written");
        }
        let wanted = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(found, wanted, "{} differs; NACRE_BLESS=1 writes it anew", expected.display());
        count += 1;
    }
    assert!(count > 0, "no golden files in {}", folder.display());
}

#[test]
fn app_manifests_golden_files_match() {
    check("app", "thermostat/nacre.yaml", |text, name| answer(app::parse(text, name), describe_app));
}

#[test]
fn image_recipes_golden_files_match() {
    check("image", "images/demo.yaml", |text, name| {
        answer(image::parse(text, name), |r| format!("{r:#?}\n"))
    });
}

#[test]
fn boards_golden_files_match() {
    check("board", "boards/b.yaml", |text, name| answer(board::parse(text, name), |b| format!("{b:#?}\n")));
}
