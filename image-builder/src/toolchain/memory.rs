//! Programs as cargo made them, kept beside what they were made from. As long as none of that changes, cargo is
//! not asked: to find that everything is as it was takes it a quarter of a second each time.
//!
//! What counts is all that cargo would look at: the files that it says it read, every file of their packages, the
//! manifests of their workspaces, cargo's settings, the environment, the compiler and the standard library's
//! sources. Packages of a registry don't change (cargo doesn't look at them either). Nothing is kept of a build
//! during which, or right before which, any of these files was changed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nacre_verify::digest::Digest;
use serde::{Deserialize, Serialize};

use super::inputs::{Changed, Inputs};

/// Name of the file that says what programs were made from.
const RECORD: &str = "record.json";
/// Programs of so many jobs are kept; each app of each checkout is one.
const MOST_KEPT: usize = 48;
/// The kernel's clock for files goes in steps of up to 10 ms.
const CLOCK_STEP: Duration = Duration::from_millis(20);

/// The programs of one job.
pub(super) struct Memory {
    folder: PathBuf,
    environment: String,
}

/// What is known of them.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    environment: String,
    library: String,
    inputs: Inputs,
    /// Name and SHA-256 of each.
    programs: BTreeMap<String, String>,
}

/// When a build began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start(SystemTime);

impl Start {
    pub(super) fn now() -> Self {
        Self(SystemTime::now())
    }

    /// Whether something was changed long enough before it.
    pub(super) fn is_after(self, changed: Changed) -> bool {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let latest = since.saturating_sub(CLOCK_STEP);
        let latest = (i64::try_from(latest.as_secs()).unwrap_or(0), i64::from(latest.subsec_nanos()));
        changed < latest
    }
}

impl Memory {
    /// The place for what `command` makes, in the folder in which cargo works.
    pub(super) fn of(command: &Command, target_folder: &Path) -> Self {
        let mut job = Vec::new();
        let folder = command.get_current_dir().unwrap_or(Path::new("."));
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        for word in [command.get_program(), folder.as_os_str()].into_iter().chain(command.get_args()) {
            append(&mut job, word);
        }
        let id = Digest::of(&job).to_string();
        let folder = target_folder.join("programs").join(id.get(..32).unwrap_or_default());
        Self { folder, environment: environment(command) }
    }

    /// The programs, if cargo would make them as they are.
    pub(super) fn recall(&self, library: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        let record: Record = serde_json::from_slice(&fs::read(self.folder.join(RECORD)).ok()?).ok()?;
        let same = record.environment == self.environment
            && record.library == library
            && record.inputs.are_unchanged();
        if !same {
            return None;
        }
        let read = |(name, digest): (String, String)| {
            let content = fs::read(self.folder.join(&name)).ok()?;
            (Digest::of(&content).to_string() == digest).then_some((name, content))
        };
        record.programs.into_iter().map(read).collect()
    }

    /// Keeps programs that cargo made just now. `cargo_files` are files of its own that decide what it does.
    ///
    /// Only a saving: what can't be kept is asked of cargo again.
    pub(super) fn keep(
        &self,
        programs: &BTreeMap<String, PathBuf>,
        cargo_files: &[PathBuf],
        library: &str,
        started: Start,
    ) {
        let _ = fs::remove_dir_all(&self.folder);
        let Some(jobs) = self.folder.parent() else { return };
        let kept = fs::create_dir_all(jobs).ok().and_then(|()| {
            let inputs = Inputs::of(programs.values().map(PathBuf::as_path), jobs, cargo_files)?;
            if !inputs.changes().all(|changed| started.is_after(changed)) {
                return None;
            }
            let fresh = tempfile::Builder::new().prefix(".new-").tempdir_in(jobs).ok()?;
            let mut record = Record {
                environment: self.environment.clone(),
                library: library.to_owned(),
                inputs,
                programs: BTreeMap::new(),
            };
            for (name, from) in programs {
                let content = fs::read(from).ok()?;
                fs::write(fresh.path().join(name), &content).ok()?;
                record.programs.insert(name.clone(), Digest::of(&content).to_string());
            }
            let json = serde_json::to_vec(&record).ok()?;
            fs::write(fresh.path().join(RECORD), json).ok()?;
            fs::rename(fresh.path(), &self.folder).ok()
        });
        if kept.is_some() {
            remove_oldest(jobs);
        }
    }
}

/// Everything in the environment that a command is started with.
fn environment(command: &Command) -> String {
    let mut all: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => all.insert(name.to_owned(), value.to_owned()),
            None => all.remove(name),
        };
    }
    let mut text = Vec::new();
    for (name, value) in &all {
        append(&mut text, name);
        append(&mut text, value);
    }
    Digest::of(&text).to_string()
}

/// No word has a zero byte, so no two lists of words look alike.
fn append(text: &mut Vec<u8>, word: &OsStr) {
    text.extend_from_slice(word.as_bytes());
    text.push(0);
}

fn remove_oldest(jobs: &Path) {
    let age = |entry: &fs::DirEntry| entry.metadata().and_then(|m| m.modified()).unwrap_or(UNIX_EPOCH);
    let mut all: Vec<_> = fs::read_dir(jobs).into_iter().flatten().flatten().collect();
    all.sort_by_key(|entry| std::cmp::Reverse(age(entry)));
    for entry in all.into_iter().skip(MOST_KEPT) {
        let _ = fs::remove_dir_all(entry.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Project {
        dir: tempfile::TempDir,
        programs: BTreeMap<String, PathBuf>,
    }

    impl Project {
        /// A workspace of two packages, and a program that cargo made of one of them.
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let at = |name: &str| dir.path().join(name);
            for (name, content) in [
                ("Cargo.toml", "[workspace]\n"),
                ("Cargo.lock", ""),
                ("app/Cargo.toml", "[package]\n"),
                ("app/src/main.rs", "fn main() {}\n"),
                ("app/data/table.csv", "1\n"),
                ("other/Cargo.toml", "[package]\n"),
                ("other/src/lib.rs", ""),
                ("home/config.toml", ""),
                ("target/CACHEDIR.TAG", ""),
                ("target/device/app", "program"),
            ] {
                fs::create_dir_all(at(name).parent().unwrap()).unwrap();
                fs::write(at(name), content).unwrap();
            }
            let program = at("target/device/app");
            let line = format!("{}: {}\n", program.display(), at("app/src/main.rs").display());
            fs::write(at("target/device/app.d"), line).unwrap();
            Self { programs: BTreeMap::from([("app".to_owned(), program)]), dir }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn memory(&self, variable: &str) -> Memory {
            let mut command = Command::new("cargo");
            command.arg("build").current_dir(self.path("app")).env("VARIABLE", variable);
            Memory::of(&command, &self.path("target"))
        }

        fn keep(&self) {
            std::thread::sleep(2 * CLOCK_STEP);
            self.memory("1").keep(&self.programs, &[self.path("home/config.toml")], "library", Start::now());
        }

        fn known(&self) -> bool {
            match self.memory("1").recall("library") {
                Some(programs) => {
                    assert_eq!(programs, BTreeMap::from([("app".to_owned(), b"program".to_vec())]));
                    true
                }
                None => false,
            }
        }
    }

    #[test]
    fn programs_kept_are_recalled_until_anything_that_counts_changes() {
        let project = Project::new();
        assert!(!project.known());
        project.keep();
        assert!(project.known());
        assert!(project.memory("2").recall("library").is_none(), "another environment");
        assert!(project.memory("1").recall("another").is_none(), "another standard library");

        for (name, content) in [
            ("app/src/main.rs", Some("x")),
            ("app/src/new.rs", Some("x")),
            ("app/src/new.rs", None),
            ("app/data/table.csv", Some("x")),
            ("app/build.rs", Some("x")),
            ("app/Cargo.toml", Some("x")),
            ("other/Cargo.toml", Some("x")),
            ("Cargo.lock", Some("x")),
            ("rust-toolchain.toml", Some("x")),
            ("home/config.toml", Some("x")),
            ("home/config.toml", None),
            ("app/src/main.rs", None),
        ] {
            project.keep();
            assert!(project.known(), "before {name}");
            match content {
                Some(content) => fs::write(project.path(name), content),
                None => fs::remove_file(project.path(name)),
            }
            .unwrap();
            assert!(!project.known(), "after {name}");
        }
    }

    #[test]
    fn programs_kept_outlive_changes_that_do_not_count() {
        let project = Project::new();
        project.keep();
        for name in ["other/src/lib.rs", "target/device/app", "notes.txt"] {
            fs::write(project.path(name), "x").unwrap();
            assert!(project.known(), "{name}");
        }
    }

    #[test]
    fn programs_made_while_a_source_was_changed_are_not_kept() {
        let project = Project::new();
        std::thread::sleep(2 * CLOCK_STEP);
        let started = Start::now();
        fs::write(project.path("app/src/main.rs"), "fn main() { }\n").unwrap();
        project.memory("1").keep(&project.programs, &[], "library", started);
        assert!(!project.known());
    }

    #[test]
    fn program_damaged_in_the_cache_is_forgotten() {
        let project = Project::new();
        project.keep();
        fs::write(project.memory("1").folder.join("app"), "other").unwrap();
        assert!(!project.known());
    }
}
