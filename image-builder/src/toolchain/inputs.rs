//! All that cargo looks at to make a program, and in which state it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nacre_verify::digest::Digest;
use serde::{Deserialize, Serialize};

/// Files and folders that are looked at; a job with more is left to cargo.
const MOST: usize = 20_000;
/// By this file in it a folder is known as one that a program made and can make again (cargo's `target`).
const MADE: &str = "CACHEDIR.TAG";
/// What decides in each folder above a package.
const SETTINGS: [&str; 6] = [
    "Cargo.toml",
    "Cargo.lock",
    ".cargo/config",
    ".cargo/config.toml",
    "rust-toolchain",
    "rust-toolchain.toml",
];

/// When something was changed: seconds and nanoseconds since 1970. Unlike the time of its content it can't be set.
pub(super) type Changed = (i64, i64);

/// What tells that a file or folder is as it was: bytes, inode, device, time. A folder changes with the names in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State(u64, u64, u64, Changed);

/// Files and folders with their states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inputs {
    /// Files that were read, and settings.
    files: BTreeSet<PathBuf>,
    /// Folders of which everything counts.
    folders: BTreeSet<PathBuf>,
    /// Folders of which every manifest counts.
    workspaces: BTreeSet<PathBuf>,
    /// The state of all of them, by their paths; nothing for what isn't there.
    states: States,
}

/// In a list: a map would cost more than the kernel's answers.
type States = Vec<(PathBuf, Option<State>)>;

impl Inputs {
    /// What cargo made these programs from, by the lists that it leaves beside them. Files below `made`'s parent
    /// were made by cargo itself. Nothing where it can't be told.
    pub(super) fn of<'a>(
        programs: impl Iterator<Item = &'a Path>,
        made: &Path,
        settings: &[PathBuf],
    ) -> Option<Self> {
        let target = made.parent()?;
        let mut files: BTreeSet<PathBuf> = settings.iter().cloned().collect();
        let (mut folders, mut workspaces) = (BTreeSet::new(), BTreeSet::new());
        for program in programs {
            let list = fs::read_to_string(program.with_extension("d")).ok()?;
            for path in sources(&list)? {
                if path.is_dir() {
                    folders.insert(path.clone());
                }
                if !path.starts_with(target) {
                    folders.insert(package(&path)?.to_owned());
                }
                files.insert(path);
            }
        }
        for folder in folders.iter().flat_map(|folder| folder.ancestors()) {
            files.extend(SETTINGS.map(|name| folder.join(name)));
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
            if manifest.contains("[workspace") {
                workspaces.insert(folder.to_owned());
            }
        }
        let mut inputs = Self { files, folders, workspaces, states: States::new() };
        inputs.states = inputs.look()?;
        Some(inputs)
    }

    /// Files, and folders of which everything counts.
    pub(super) fn named(files: &[PathBuf], folders: &[PathBuf]) -> Option<Self> {
        let mut inputs = Self {
            files: files.iter().cloned().collect(),
            folders: folders.iter().cloned().collect(),
            workspaces: BTreeSet::new(),
            states: States::new(),
        };
        inputs.states = inputs.look()?;
        Some(inputs.by_states())
    }

    /// The same without what only might come to count: for a program whose makers know what it is made from.
    pub(super) fn read_only(mut self) -> Self {
        self.states.retain(|(path, state)| self.files.contains(path) && state.is_some());
        self.workspaces.clear();
        self.by_states()
    }

    /// Leaves out what is inside of a folder; whether `known` has all of that by its path there.
    pub(super) fn leave_out(&mut self, folder: &Path, known: impl Fn(&Path) -> bool) -> bool {
        let mut all_known = true;
        self.states.retain(|(path, _)| match path.strip_prefix(folder) {
            Ok(inside) => {
                all_known &= known(inside);
                false
            }
            Err(_) => true,
        });
        all_known
    }

    /// Without a workspace, in which a manifest might come into any folder, the states alone say whether anything has
    /// changed: those of the folders have the names in them.
    fn by_states(mut self) -> Self {
        self.files.clear();
        self.folders.clear();
        self
    }

    /// Whether everything is as it was.
    pub(super) fn are_unchanged(&self) -> bool {
        if self.workspaces.is_empty() {
            return self.states.iter().all(|(path, known)| state(path) == *known);
        }
        self.look().is_some_and(|states| states == self.states)
    }

    /// When each was changed last.
    pub(super) fn changes(&self) -> impl Iterator<Item = Changed> {
        self.states.iter().filter_map(|(_, state)| state.as_ref()).map(|state| state.3)
    }

    fn look(&self) -> Option<States> {
        let mut states: BTreeMap<_, _> = self.files.iter().map(|path| (path.clone(), state(path))).collect();
        for folder in &self.folders {
            walk(folder, &mut |path| {
                states.insert(path.to_owned(), state(path));
                states.len() < MOST
            })?;
        }
        for workspace in &self.workspaces {
            let mut left = MOST;
            walk(workspace, &mut |path| {
                if path.file_name().is_some_and(|name| name == "Cargo.toml") {
                    states.insert(path.to_owned(), state(path));
                }
                left = left.saturating_sub(1);
                left > 0
            })?;
        }
        Some(states.into_iter().collect())
    }
}

/// The state of everything in a folder, in few words. Nothing where it can't be told.
pub(super) fn summary(folder: &Path) -> Option<String> {
    let mut lines = BTreeSet::new();
    walk(folder, &mut |path| lines.insert(format!("{} {:?}\n", path.display(), state(path))))?;
    let text: String = lines.into_iter().collect();
    Some(Digest::of(text.as_bytes()).to_string())
}

fn state(path: &Path) -> Option<State> {
    let found = fs::metadata(path).ok()?;
    Some(State(found.len(), found.ino(), found.dev(), (found.ctime(), found.ctime_nsec())))
}

/// Shows a folder and everything in it, in no order, but for what was made and `.git`. Ends with nothing at a link
/// to a folder, which may lead in a circle, and when `show` wants no more.
fn walk(folder: &Path, show: &mut impl FnMut(&Path) -> bool) -> Option<()> {
    if folder.join(MADE).exists() {
        return Some(());
    }
    if !show(folder) {
        return None;
    }
    for entry in fs::read_dir(folder).ok()? {
        let entry = entry.ok()?;
        let (path, kind) = (entry.path(), entry.file_type().ok()?);
        if kind.is_symlink() && path.is_dir() {
            return None;
        }
        if kind.is_dir() {
            if entry.file_name() != ".git" {
                walk(&path, show)?;
            }
        } else if !show(&path) {
            return None;
        }
    }
    Some(())
}

/// The paths in a list that cargo leaves beside a program: one rule of a makefile, `program: source source`.
fn sources(list: &str) -> Option<Vec<PathBuf>> {
    let (_, list) = list.lines().next()?.split_once(": ")?;
    // A blank in a path is escaped.
    let mut paths = vec![String::new()];
    let mut letters = list.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.next_if_eq(&' ').is_some() => paths.last_mut()?.push(' '),
            ' ' => paths.push(String::new()),
            other => paths.last_mut()?.push(other),
        }
    }
    let paths: Vec<PathBuf> = paths.into_iter().filter(|path| !path.is_empty()).map(PathBuf::from).collect();
    (!paths.is_empty() && paths.iter().all(|path| path.is_absolute())).then_some(paths)
}

/// The package that a source belongs to: the nearest folder with a manifest.
fn package(source: &Path) -> Option<&Path> {
    source.ancestors().skip(1).find(|folder| folder.join("Cargo.toml").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_a_list_are_absolute_paths_with_their_blanks() {
        let list = "/t/app: /a/main.rs /a/with\\ blank.rs /b/lib.rs\n\n/a/main.rs:\n";
        let expected = ["/a/main.rs", "/a/with blank.rs", "/b/lib.rs"].map(PathBuf::from);
        assert_eq!(sources(list).unwrap(), expected);
        for unusable in ["", "/t/app:", "/t/app: src/main.rs\n", "no rule"] {
            assert!(sources(unusable).is_none(), "{unusable:?}");
        }
    }

    #[test]
    fn summary_changes_with_any_file_and_ends_at_a_linked_folder() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("inside")).unwrap();
        fs::write(dir.path().join("inside/file"), "1").unwrap();
        let before = summary(dir.path()).unwrap();
        assert_eq!(summary(dir.path()).unwrap(), before);
        fs::write(dir.path().join("inside/file"), "22").unwrap();
        assert_ne!(summary(dir.path()).unwrap(), before);
        std::os::unix::fs::symlink(dir.path(), dir.path().join("inside/circle")).unwrap();
        assert!(summary(dir.path()).is_none());
    }
}
