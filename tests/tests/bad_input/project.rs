//! A small project of a user, in a folder of its own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nacre_tests::nacre::{nacre, root};
use tempfile::TempDir;

/// ELF machine number of 32-bit ARM.
pub(crate) const ARM: u16 = 40;
/// ELF machine number of x86_64.
pub(crate) const X86_64: u16 = 62;

/// The recipe `images/tiny.yaml` as it should be.
pub(crate) const RECIPE: &str = "\
image: tiny
version: 1.0.0
rollback-index: 1
profile: development
board: qemu-armv7
apps: [../apps/tool]
";

/// The manifest `apps/tool/nacre.yaml` as it should be.
pub(crate) const APP: &str = "\
app: org.example.tool
version: 1.0.0
rollback-index: 1
build: none
run: [/app/bin/tool]
limits: { memory: 1MiB, tasks: 2, cpu: 10%, open-files: 16, tmp: 16KiB }
files: { /app/bin/tool: tool }
";

/// A recipe with one app that is not built, and the boards and kernel fragments of this checkout.
pub(crate) struct Project(TempDir);

/// Every file of a project and its content; a folder or a link has none.
pub(crate) type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

impl Project {
    pub(crate) fn new() -> Self {
        let project = Self(tempfile::tempdir().expect("a temporary folder"));
        for folder in ["images", "apps/tool", "keys", "tmp"] {
            fs::create_dir_all(project.path(folder)).expect("the folder is new");
        }
        symlink(root().join("recipes/boards"), project.path("boards")).expect("the folder is new");
        symlink(root().join("kernel-config"), project.path("kernel-config")).expect("the folder is new");
        project.write("images/tiny.yaml", RECIPE).write("apps/tool/nacre.yaml", APP);
        project.write("apps/tool/tool", elf(ARM, None));
        project
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path(name), content).expect("the project is writable");
        self
    }

    /// Replaces text in a file that has it.
    pub(crate) fn change(&self, name: &str, from: &str, to: &str) -> &Self {
        let text = fs::read_to_string(self.path(name)).expect("the file is there");
        assert!(text.contains(from), "`{from}` is not in {name}");
        self.write(name, text.replacen(from, to, 1))
    }

    /// A board beside the recipe: that of the checkout, but for one change.
    pub(crate) fn board(&self, name: &str, from: &str, to: &str) -> &Self {
        let text = fs::read_to_string(root().join("recipes/boards/qemu-armv7.yaml")).expect("the board");
        let text = text.replace("../../kernel-config", "../kernel-config");
        let text = text.replace("board: qemu-armv7", &format!("board: {name}"));
        let file = format!("images/{name}.yaml");
        self.write(&file, text).change(&file, from, to)
    }

    /// `nacre` in the project's folder, with keys and temporary files of its own.
    pub(crate) fn nacre(&self, arguments: &[&str]) -> Command {
        let mut command = nacre();
        command.current_dir(self.0.path()).args(arguments);
        command
            .env("NACRE_KEYS", self.path("keys"))
            .env("NACRE_SOURCE", root())
            .env("TMPDIR", self.path("tmp"));
        command
    }

    /// The command that builds the project's image into `out/tiny`.
    pub(crate) fn build(&self) -> Command {
        self.nacre(&["build", "images/tiny.yaml", "--out", "out/tiny"])
    }

    /// Builds what is right.
    pub(crate) fn built(&self) -> &Self {
        let output = self.build().output().expect("nacre starts");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        self
    }

    /// Everything in the project but its keys, which a first build makes.
    pub(crate) fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        read_tree(self.0.path(), &mut tree);
        tree.retain(|path, _| !path.starts_with(self.path("keys")));
        tree
    }

    /// Runs a command that must be refused: with this exit code and these texts on standard error, nothing on
    /// standard output, and every file as before. Returns what it said.
    pub(crate) fn refused(&self, command: &mut Command, exit: i32, texts: &[&str]) -> String {
        let before = self.tree();
        let output = command.output().expect("the program starts");
        let said = expect(&output, exit, texts);
        assert!(output.stdout.is_empty(), "on standard output: {}", String::from_utf8_lossy(&output.stdout));
        self.expect_tree(&before, &said);
        said
    }

    /// As [`Project::refused`], of a build.
    pub(crate) fn build_refused(&self, exit: i32, texts: &[&str]) -> String {
        self.refused(&mut self.build(), exit, texts)
    }

    pub(crate) fn expect_tree(&self, before: &Tree, said: &str) {
        let after = self.tree();
        let new: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).collect();
        let gone: Vec<_> = before.keys().filter(|path| !after.contains_key(*path)).collect();
        assert!(new.is_empty() && gone.is_empty(), "left behind: {new:?}; gone: {gone:?}\n{said}");
        let changed: Vec<_> = after.iter().filter(|(path, content)| before[*path] != **content).collect();
        let changed: Vec<_> = changed.into_iter().map(|(path, _)| path).collect();
        assert!(changed.is_empty(), "changed: {changed:?}\n{said}");
    }
}

/// Looks at exit code and standard error of a command that ended, and returns the latter.
pub(crate) fn expect(output: &Output, exit: i32, texts: &[&str]) -> String {
    let said = String::from_utf8(output.stderr.clone()).expect("what is said is UTF-8");
    assert_eq!(output.status.code(), Some(exit), "{said}");
    for text in texts {
        assert!(said.contains(text), "no `{text}` in:\n{said}");
    }
    for word in ["panicked", "RUST_BACKTRACE", "\u{1b}"] {
        assert!(!said.contains(word), "`{word}` in:\n{said}");
    }
    // For whoever walks through the messages: --nocapture shows them.
    println!("[{exit}] {said}");
    said
}

/// Names in a folder, sorted; none if it isn't there.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn read_tree(folder: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        let content = if kind.is_file() { fs::read(&path).ok() } else { None };
        tree.insert(path.clone(), content);
        if kind.is_dir() {
            read_tree(&path, tree);
        }
    }
}

/// An executable for a machine, with the program interpreter that a dynamic one has. As much of it as the
/// builder can see: the header, one segment, and the statement that its stack is not executable.
pub(crate) fn elf(machine: u16, interpreter: Option<&str>) -> Vec<u8> {
    const PT_LOAD: usize = 1;
    const PT_INTERP: usize = 3;
    const PT_GNU_STACK: usize = 0x6474_e551;
    let wide = machine == X86_64;
    let (header, segment) = if wide { (64, 56) } else { (52, 32) };
    let end = header + 2 * segment;
    let mut out = vec![0; end];
    let mut put = |at: usize, number: usize, bytes: usize| {
        out[at..at + bytes].copy_from_slice(&number.to_le_bytes()[..bytes]);
    };
    let path = interpreter.map(|path| format!("{path}\0")).unwrap_or_default();
    put(16, 2, 2);
    put(18, machine.into(), 2);
    let (table, size, count) = if wide { (32, 54, 56) } else { (28, 42, 44) };
    let (offset, length, flags) = if wide { (8, 32, 4) } else { (4, 16, 24) };
    put(table, header, 4);
    put(size, segment, 2);
    put(count, 2, 2);
    put(header, if path.is_empty() { PT_LOAD } else { PT_INTERP }, 4);
    put(header + offset, end, 4);
    put(header + length, path.len(), 4);
    put(header + flags, 5, 4);
    put(header + segment, PT_GNU_STACK, 4);
    put(header + segment + flags, 6, 4);
    out[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', if wide { 2 } else { 1 }, 1, 1]);
    out.extend_from_slice(path.as_bytes());
    out
}
