//! `nacre app import` on each file of `tests/import`: what is written, what is printed, and the exit code.
//!
//! Beside each `NAME.json` stand `NAME.txt`, what is printed, `NAME.yaml`, what is written, if anything is, and
//! `NAME.args`, further arguments, if there are any. With `NACRE_BLESS=1` in the environment the first two are written
//! anew; look at the difference before it is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nacre_manifest::app;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

/// A folder with the inputs alone, so that the same command writes and prints the same wherever it runs.
fn inputs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("hardware")).unwrap();
    for part in ["", "hardware"] {
        for path in json_files(&corpus().join(part)) {
            fs::copy(&path, folder.path().join(part).join(path.file_name().unwrap())).unwrap();
        }
    }
    folder
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

fn nacre(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nacre"));
    command.current_dir(folder).args(["app", "import"]).args(arguments).env("NO_COLOR", "1");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Compares with the file beside the input, or writes it.
fn compare(found: Option<&str>, expected: &Path) {
    if std::env::var_os("NACRE_BLESS").is_some_and(|value| value == "1") {
        match found {
            Some(found) => fs::write(expected, found).unwrap(),
            None => _ = fs::remove_file(expected),
        }
    }
    let wanted = fs::read_to_string(expected).ok();
    assert_eq!(found, wanted.as_deref(), "{} differs; NACRE_BLESS=1 writes it anew", expected.display());
}

#[test]
fn import_of_each_sample_writes_and_prints_what_is_expected() {
    let folder = inputs();
    let samples = json_files(&corpus());
    assert!(samples.len() >= 12, "{} samples", samples.len());
    for sample in samples {
        let name = sample.file_stem().unwrap().to_str().unwrap();
        let (input, made) = (format!("{name}.json"), folder.path().join(format!("{name}.yaml")));
        let out = format!("{name}.yaml");
        let further = fs::read_to_string(sample.with_extension("args")).unwrap_or_default();
        let mut arguments = vec![input.as_str(), "--out", &out];
        arguments.extend(further.split_whitespace());

        let output = nacre(folder.path(), &arguments);
        let code = output.status.code().expect("an exit code");
        let yaml = fs::read_to_string(&made).ok();
        assert_eq!(yaml.is_some(), matches!(code, 0 | 64), "{name}: exit code {code}");
        if let Some(yaml) = &yaml {
            let parsed = app::parse(yaml, "nacre.yaml");
            assert!(parsed.is_ok(), "{name}: {parsed:?}");
            commented(name, yaml);
        }
        let printed = format!(
            "$ nacre app import {}\n{}{}exit code {code}\n",
            arguments.join(" "),
            text(&output.stdout),
            text(&output.stderr)
        );
        compare(Some(&printed), &sample.with_extension("txt"));
        compare(yaml.as_deref(), &sample.with_extension("yaml"));
    }
}

/// Every line says where it comes from, or is a comment itself.
fn commented(name: &str, yaml: &str) {
    for line in yaml.lines().filter(|line| !line.is_empty()) {
        assert!(line.starts_with('#') || line.contains("  # "), "{name}: {line}");
    }
}

#[test]
fn import_as_json_has_each_line_and_each_thing_that_is_left_out() {
    let folder = inputs();
    let output = nacre(folder.path(), &["thermostat.json", "--json"]);
    assert_eq!(output.status.code(), Some(64));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(json["written"], "nacre.yaml");
    let yaml = fs::read_to_string(folder.path().join("nacre.yaml")).unwrap();
    let lines = json["lines"].as_array().unwrap();
    assert!(lines.iter().any(|line| line["from"] == "AllowedConnections[2]"));
    for line in lines {
        assert!(yaml.contains(line["yaml"].as_str().unwrap()), "{line}");
    }
    let left_out = json["left_out"].as_array().unwrap();
    let of =
        |from: &str| left_out.iter().find(|left| left["from"] == from).unwrap_or_else(|| panic!("no {from}"));
    assert_eq!(of("I2cMaster[0]")["value"], "$ROOM_SENSOR_I2C");
    assert_eq!(of("SystemEventNotifications")["value"], true);
    for left in left_out {
        let fields = ["from", "value", "reason", "instead"];
        assert!(fields.iter().all(|field| left.get(field).is_some_and(|value| value != "")), "{left}");
    }
}

#[test]
fn import_over_a_file_that_is_there_is_refused_and_changes_nothing() {
    let folder = inputs();
    fs::write(folder.path().join("nacre.yaml"), "edited by hand").unwrap();
    let output = nacre(folder.path(), &["least.json"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(output.stdout.is_empty());
    let said = text(&output.stderr);
    assert!(said.contains("`nacre.yaml` is there already") && said.contains("--out"), "{said}");
    assert_eq!(fs::read_to_string(folder.path().join("nacre.yaml")).unwrap(), "edited by hand");
}

#[test]
fn import_of_a_file_that_is_not_there_names_the_one_that_is() {
    let folder = inputs();
    for (arguments, near) in [
        (&["leest.json"][..], "least.json"),
        (&["least.json", "--peer", "loger.json"], "logger.json"),
        (&["least.json", "--out", "none/nacre.yaml"], "make its folder"),
        (&["least.json", "--hardware", "none.json"], "check the path"),
    ] {
        let output = nacre(folder.path(), arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(66), "{said}");
        assert!(said.contains(near), "{said}");
    }
}

#[test]
fn import_help_has_examples_and_exit_codes() {
    let folder = inputs();
    let said = text(&nacre(folder.path(), &["--help"]).stdout);
    for part in ["Examples:", "Exit codes: 0", "64", "65", "66", "--hardware", "--peer", "--json", "--out"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
