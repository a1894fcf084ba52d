//! The command line as a user meets it: exit codes, words, and nothing half-written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder with one board, one app and one recipe that are all right, but for what a test changes.
struct Project(tempfile::TempDir);

const BOARD: &str = "\
board: bench
arch: armv7
kernel: { fragments: [base.config], image: zImage }
cmdline: console=ttyAMA0
disk: { size: 16MiB, slot: 4MiB }
memory: { default: 24MiB }
qemu:
  program: qemu-system-arm
  package: qemu-system-arm
  args: [-machine, virt]
  disk-device: virtio-blk-device
  serial-device: virtio-serial-device
";
const APP: &str = "\
app: org.example.tool
version: 1.0.0
rollback-index: 1
build: none
run: [/app/bin/tool]
limits: { memory: 1MiB, tasks: 2, cpu: 10%, open-files: 16, tmp: 16KiB }
files: { /app/bin/tool: tool }
";
const RECIPE: &str = "\
image: tiny
version: 1.0.0
rollback-index: 1
profile: development
board: bench
apps: [tool]
";

impl Project {
    fn new() -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        fs::create_dir(project.path("tool")).unwrap();
        project.write("bench.yaml", BOARD).write("tiny.yaml", RECIPE).write("tool/nacre.yaml", APP);
        fs::write(project.path("tool/tool"), static_program(40)).unwrap();
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        fs::write(self.path(name), text).unwrap();
        self
    }

    fn nacre(&self, arguments: &[&str]) -> Output {
        self.run(Path::new(env!("CARGO_BIN_EXE_nacre")), arguments)
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.current_dir(self.0.path()).args(arguments).env("NO_COLOR", "1");
        command.env("NACRE_KEYS", self.path("keys")).env("NACRE_CACHE", self.path("cache"));
        command.env_remove("NACRE_SOURCE").output().unwrap()
    }

    /// Builds, and expects this exit code and each of these texts on stderr, and no output folder.
    fn refused(&self, arguments: &[&str], exit: i32, texts: &[&str]) {
        let output = self.nacre(&[&["build", "tiny.yaml"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(exit), "{said}");
        for text in texts {
            assert!(said.contains(text), "no `{text}` in:\n{said}");
        }
        assert!(!self.path("out").exists(), "something was written");
    }
}

/// Enough of a 32-bit static executable for a machine: one segment, and a stack that is not executable.
fn static_program(machine: u16) -> Vec<u8> {
    const PT_GNU_STACK: u32 = 0x6474_e551;
    let mut out = vec![0u8; 52 + 2 * 32];
    out[..7].copy_from_slice(b"\x7fELF\x01\x01\x01");
    out[16..18].copy_from_slice(&2u16.to_le_bytes());
    out[18..20].copy_from_slice(&machine.to_le_bytes());
    out[28..32].copy_from_slice(&52u32.to_le_bytes());
    out[42..44].copy_from_slice(&32u16.to_le_bytes());
    out[44..46].copy_from_slice(&2u16.to_le_bytes());
    out[52..56].copy_from_slice(&1u32.to_le_bytes());
    out[84..88].copy_from_slice(&PT_GNU_STACK.to_le_bytes());
    out
}

/// The help of a command, and of all below it.
fn help_of(project: &Project, command: &[String], seen: &mut Vec<String>) {
    let words: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
    let output = project.nacre(&words);
    assert_eq!(output.status.code(), Some(0), "{command:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("Example"), "{command:?}: {text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{command:?}: {line}");
    }
    // Bold and underlined words, which clap makes only for a terminal: nothing of them is left in a pipe.
    assert!(!text.contains('\u{1b}'), "{command:?}");
    seen.push(command.join(" "));
    let below =
        text.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap_or_default();
    for line in below.lines() {
        // Commands stand two columns in; further lines of what they do stand deeper.
        let name = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '));
        let name = name.and_then(|rest| rest.split_whitespace().next()).filter(|name| *name != "help");
        if let Some(name) = name {
            help_of(project, &[command, &[name.to_owned()]].concat(), seen);
        }
    }
}

#[test]
fn help_of_every_command_has_an_example_and_fits_80_columns() {
    let mut seen = Vec::new();
    help_of(&Project::new(), &[], &mut seen);
    for command in
        ["", "build", "schema", "app new", "app run", "image diff", "device logs", "device capability new"]
    {
        assert!(seen.iter().any(|found| found == command), "{command}: {seen:?}");
    }
    assert!(seen.len() > 30, "{seen:?}");
}

/// Bash itself completes; each command has a page.
#[test]
fn shell_completes_and_pages_are_readable() {
    let project = Project::new();
    let script = project.nacre(&["completions", "bash"]);
    assert_eq!(script.status.code(), Some(0));
    fs::write(project.path("nacre.bash"), script.stdout).unwrap();
    let ask = "source nacre.bash; COMP_WORDS=(nacre app ch); COMP_CWORD=2; _nacre nacre ch app; echo ${COMPREPLY[@]}";
    let said = Command::new("bash").current_dir(project.path("")).args(["-c", ask]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "check", "{said:?}");
    for shell in ["zsh", "fish"] {
        let script = project.nacre(&["completions", shell]);
        assert!(String::from_utf8_lossy(&script.stdout).contains("import"), "{shell}");
    }
    assert_eq!(project.nacre(&["manual", "pages"]).status.code(), Some(0));
    let page = fs::read_to_string(project.path("pages/nacre-app-check.1")).unwrap();
    assert!(page.contains(".SH SYNOPSIS") && page.contains("nacre app check thermostat"), "{page}");
    assert!(project.path("pages/nacre.1").is_file());
}

#[test]
fn wrong_usage_exits_2() {
    let project = Project::new();
    let lines: [&[&str]; 6] = [
        &[],
        &["biuld"],
        &["build"],
        &["build", "x", "--nope"],
        &["run", "x", "--memory", "many"],
        &["key", "new"],
    ];
    for line in lines {
        let output = project.nacre(line);
        assert_eq!(output.status.code(), Some(2), "{line:?}");
        assert!(output.stdout.is_empty(), "{line:?}");
    }
}

#[test]
fn recipe_that_is_wrong_is_refused_with_its_place() {
    let project = Project::new();
    project.write("tiny.yaml", &RECIPE.replace("version:", "versoin:"));
    project.refused(&[], 65, &["versoin", "tiny.yaml:2:1", "did you mean `version`?"]);
    project.write("tiny.yaml", &RECIPE.replace("[tool]", "[tool, absent]"));
    project.refused(&[], 66, &["absent"]);
    project.write("tiny.yaml", RECIPE);
    project.refused(&["--board", "none"], 66, &["no board `none`"]);
    fs::remove_file(project.path("tiny.yaml")).unwrap();
    project.refused(&[], 66, &["tiny.yaml"]);
}

#[test]
fn app_that_is_wrong_is_refused_with_its_place() {
    let cases: [(&str, &str, i32, &[&str]); 5] = [
        ("memory: 1MiB", "memory: 1potato", 65, &["tool/nacre.yaml:6:"]),
        ("build: none", "network: { connect: [\"tcp:x.org:0\"] }\nbuild: none", 65, &["network.connect[0]"]),
        (": tool }", ": ../bench.yaml }", 65, &["climbs out"]),
        ("run: [/app/bin/tool]", "run: [/app/bin/other]", 65, &["/app/bin/other", "tool/nacre.yaml:5:"]),
        (": tool }", ": missing }", 66, &["missing"]),
    ];
    for (from, to, exit, texts) in cases {
        let project = Project::new();
        assert!(APP.contains(from));
        project.write("tool/nacre.yaml", &APP.replace(from, to)).refused(&[], exit, texts);
    }
}

#[test]
fn app_for_another_machine_is_refused_by_name() {
    let project = Project::new();
    fs::write(project.path("tool/tool"), static_program(3)).unwrap();
    project.refused(&[], 65, &["it is for 32-bit x86, the board is armv7", "tool/nacre.yaml:5:"]);
    fs::write(project.path("tool/tool"), "#!/bin/sh\n").unwrap();
    project.refused(&[], 65, &["not a complete ELF executable"]);
}

#[test]
fn build_without_a_checkout_says_how_to_name_one() {
    let project = Project::new();
    // The program of a checkout knows that one. Copied by another process: what another test starts meanwhile would hold
    // a copy of ours open for writing, and nobody executes that (execve(2), ETXTBSY).
    let program = project.path("nacre");
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_nacre")).arg(&program).status().unwrap();
    assert!(copied.success());
    let output = project.run(&program, &["build", "tiny.yaml"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(66), "{said}");
    assert!(said.contains("no checkout of Nacre") && said.contains("NACRE_SOURCE"), "{said}");
    assert!(!project.path("out").exists(), "something was written");
}

/// A project whose checkout is this one, so that a build comes as far as its output folder.
fn with_checkout(project: &Project, arguments: &[&str]) -> Output {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_nacre"));
    command.current_dir(project.0.path()).args(["build", "tiny.yaml"]).args(arguments).env("NO_COLOR", "1");
    command.env("NACRE_KEYS", project.path("keys")).env("NACRE_CACHE", project.path("cache"));
    command.env("NACRE_SOURCE", top).output().unwrap()
}

#[test]
fn production_image_with_development_keys_is_refused() {
    let project = Project::new();
    project.write("tiny.yaml", &RECIPE.replace("profile: development", "profile: production"));
    let output = with_checkout(&project, &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("development keys") && said.contains("nacre key new"), "{said}");
    assert!(!project.path("out").exists());
}

#[test]
fn output_folder_in_use_or_of_something_else_is_refused() {
    let project = Project::new();
    fs::create_dir(project.path("thesis")).unwrap();
    project.write("thesis/chapter.tex", "text");
    let output = with_checkout(&project, &["--out", "thesis"]);
    assert_eq!(output.status.code(), Some(64));

    fs::create_dir(project.path("running")).unwrap();
    project.write("running/slot.img", "old");
    let lock = fs::File::create(project.path("running/lock")).unwrap();
    lock.lock().unwrap();
    let output = with_checkout(&project, &["--out", "running"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains("is in use"), "{said}");
    assert_eq!(fs::read_to_string(project.path("running/slot.img")).unwrap(), "old");
}

#[test]
fn keys_made_are_shown_and_never_made_twice() {
    let project = Project::new();
    assert_eq!(project.nacre(&["key", "new", "factory"]).status.code(), Some(0));
    let again = project.nacre(&["key", "new", "factory"]);
    assert_eq!(again.status.code(), Some(64));
    let shown = project.nacre(&["key", "show", "factory", "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(value["development"], false);
    for role in ["root", "os", "app", "capability"] {
        assert_eq!(value[role][0]["public"].as_str().map(str::len), Some(64), "{role}");
    }
    assert_eq!(project.nacre(&["key", "show", "other"]).status.code(), Some(66));
    assert_eq!(project.nacre(&["key", "new", "../x"]).status.code(), Some(65));
}

#[test]
fn diff_answers_with_its_exit_code_and_fails_with_another() {
    let project = Project::new();
    let slot = |name: &str, byte: u8| {
        fs::create_dir(project.path(name)).unwrap();
        fs::write(project.path(name).join("slot.img"), vec![byte; 128 * 1024]).unwrap();
    };
    slot("a", 0);
    slot("b", 0);
    slot("c", 1);
    project.write("notes.txt", "text");
    let cases: [(&str, &str, i32, &str); 5] = [
        ("a", "b", 0, ""),
        (
            "a",
            "c",
            1,
            "--- a\n+++ c\n@ slot.img\n! envelope: neither can be read\n\
             ! content: 131072 bytes differ, at 0 to 131071\n",
        ),
        ("a", "b/slot.img", 65, ""),
        ("a", "notes.txt", 65, ""),
        ("a", "none", 66, ""),
    ];
    for (a, b, exit, text) in cases {
        let output = project.nacre(&["image", "diff", a, b]);
        assert_eq!(output.status.code(), Some(exit), "{a} {b}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), text, "{a} {b}");
        assert_eq!(output.stderr.is_empty(), exit == 1, "{a} {b}: {output:?}");
    }
    let json = project.nacre(&["image", "diff", "--json", "a", "c"]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(value["identical"], false);
    assert_eq!(value["differences"][1]["differing_bytes"], 131_072);
}
