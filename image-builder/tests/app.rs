//! `nacre app` as its user meets it: screens, exit codes, and what was there stays.
//!
//! Screens stand in `tests/app`. With `NACRE_BLESS=1` in the environment they are written anew; look at the difference
//! before it is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of a user who has no checkout in it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn nacre(&self, arguments: &[&str]) -> Output {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_nacre"));
        command.current_dir(self.0.path()).args(arguments).env("NO_COLOR", "1").env("NACRE_SOURCE", checkout);
        command.env("NACRE_KEYS", self.path("keys")).env("NACRE_CACHE", self.path("cache")).output().unwrap()
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.nacre(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Expects this exit code and these texts.
    fn refused(&self, arguments: &[&str], exit: i32, texts: &[&str]) {
        let output = self.nacre(arguments);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said}");
        for text in texts {
            assert!(said.contains(text), "{arguments:?}: no `{text}` in:\n{said}");
        }
    }

    /// Changes a file: `from` must be in it.
    fn change(&self, file: &str, from: &str, to: &str) -> &Self {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "`{from}` is not in {file}");
        fs::write(self.path(file), text.replace(from, to)).unwrap();
        self
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn screen(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/app").join(format!("{name}.txt"));
    if std::env::var_os("NACRE_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, found).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, wanted, "{} differs; NACRE_BLESS=1 writes it anew", path.display());
    for line in found.lines() {
        // An excerpt of a file is as wide as the file.
        let excerpt = line.starts_with(|character: char| character.is_ascii_digit()) || line.contains(" | ");
        assert!(excerpt || line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn screens_read_well() {
    let desk = Desk::new();
    for command in ["new", "check", "build"] {
        let help = desk.done(&["app", command, "--help"]);
        assert!(help.contains("Examples:\n"), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    }
    screen("new", &said(&desk.nacre(&["app", "new", "greeter"])));
    screen("check", &desk.done(&["app", "check", "greeter"]));
    desk.change("greeter/nacre.yaml", "memory: 1MiB", "memory: 1GB").change(
        "greeter/nacre.yaml",
        "restart:",
        "restrat:",
    );
    desk.change("greeter/nacre.yaml", "tcp:8080", "tpc:8080");
    let output = desk.nacre(&["app", "check", "greeter"]);
    assert_eq!(output.status.code(), Some(65));
    screen("check-mistakes", &said(&output));
    let json: serde_json::Value =
        serde_json::from_slice(&desk.nacre(&["app", "check", "greeter", "--json"]).stdout).unwrap();
    let json = json.to_string();
    assert!(json.contains(r#""line":10"#) && json.contains("restrat"), "{json}");
}

#[test]
fn app_in_c_is_built_and_the_same_each_time() {
    let desk = Desk::new();
    desk.done(&["app", "new", "greeter", "--lang", "c"]);
    for board in ["qemu-armv7", "qemu-x86_64"] {
        let built = |file: &str| {
            desk.done(&["app", "build", "greeter", "--board", board, "--out", file]);
            fs::read(desk.path(file)).unwrap()
        };
        let (first, second) = (built("a.app"), built("b.app"));
        assert_eq!(first, second, "{board}");
        // What the issue of the app developer's day allows: 40 KB.
        assert!(first.len() < 40_000, "{board}: {} bytes", first.len());
        assert!(said(&desk.nacre(&["image", "verify", "a.app"])).contains("com.example.greeter"));
    }
    let json = desk.done(&["app", "build", "greeter", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["path"], "out/com.example.greeter-armv7.app");
    assert_eq!(json["size"]["app"], "com.example.greeter");
}

#[test]
fn app_that_is_wrong_names_place_and_remedy_and_leaves_what_was_there() {
    let desk = Desk::new();
    desk.refused(&["app", "check"], 66, &["nacre.yaml"]);
    desk.refused(&["app", "new", "Greeter"], 65, &["can't be the name of an app", "hint:"]);
    desk.done(&["app", "new", "greeter", "--lang", "c"]);
    desk.refused(&["app", "new", "greeter"], 64, &["is there already"]);
    desk.refused(&["app", "check", "greeter", "--board", "qemu-armv6"], 66, &["did you mean `qemu-armv7`?"]);
    desk.refused(&["app", "check", "greeter", "--board", "none.yaml"], 66, &["none.yaml"]);

    desk.done(&["app", "build", "greeter", "--out", "good.app"]);
    let good = fs::read(desk.path("good.app")).unwrap();
    let build = ["app", "build", "greeter", "--out", "good.app"];
    desk.change("greeter/src/main.c", "int main", "int mian() { return x; }\nint main");
    desk.refused(&build, 65, &["can't build", "undeclared", "main.c"]);
    fs::remove_dir_all(desk.path("greeter/src")).unwrap();
    desk.refused(&build, 66, &["there is no folder `src`", "greeter/nacre.yaml:6:8", "hint:"]);
    desk.change("greeter/nacre.yaml", "build: c ", "build: cargo ");
    desk.refused(&build, 66, &["there is no Cargo.toml", "greeter/nacre.yaml:6:8"]);
    assert_eq!(fs::read(desk.path("good.app")).unwrap(), good);

    // More than the board has: each by its line.
    desk.done(&["app", "new", "hungry"]);
    desk.change("hungry/nacre.yaml", "memory: 1MiB", "memory: 64MiB");
    desk.refused(&["app", "check", "hungry"], 65, &["more than the board has", "hungry/nacre.yaml:10:"]);
}

#[test]
fn app_is_held_against_the_other_apps_of_an_image() {
    let desk = Desk::new();
    for name in ["one", "two"] {
        desk.done(&["app", "new", name]);
    }
    let recipe = "image: pair\nversion: 1.0.0\nrollback-index: 1\nprofile: development\nboard: qemu-armv7\napps: [one, two]\n";
    fs::write(desk.path("pair.yaml"), recipe).unwrap();
    let with = ["app", "check", "two", "--recipe", "pair.yaml"];
    desk.refused(
        &with,
        65,
        &["two apps of this image listen on this port", "two/nacre.yaml", "one/nacre.yaml"],
    );
    desk.done(&["app", "check", "two"]);
    desk.change("two/nacre.yaml", "8080", "8081");
    desk.done(&with);
}
