//! Packages of the program `steps` under manifests that the tests write.

use std::fs;
use std::path::{Path, PathBuf};

use nacre_tests::image::{Board, Image, OWN_KEYS, build};
use nacre_tests::nacre::{nacre, text};
use tempfile::TempDir;

/// Makes packages of one program for one board.
pub(super) struct Packages {
    folder: TempDir,
    board: Board,
    program: Vec<u8>,
    keys: Option<PathBuf>,
}

/// What differs between two packages.
#[derive(Debug, Clone, Copy)]
pub(super) struct App<'a> {
    /// Last label of its id.
    pub(super) name: &'a str,
    /// The last number of its version, and its rollback index.
    pub(super) number: u64,
    /// What it does.
    pub(super) steps: &'a str,
    /// Further lines of its manifest.
    pub(super) fields: &'a str,
    /// KiB of a file in it that can't be compressed.
    pub(super) ballast: usize,
}

impl Packages {
    pub(super) fn new(board: Board) -> Self {
        let program = build("tests/images/steps.yaml", board).program("org.nacre.steps", "steps");
        Self { folder: TempDir::new().expect("a temporary folder"), board, program, keys: None }
    }

    /// Signed by the keys of an image's own key store.
    pub(super) fn with_keys_of(mut self, image: &Image) -> Self {
        self.keys = Some(image.dir().parent().expect("a folder around it").join("keys"));
        self
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Builds one; panics when it does not build.
    pub(super) fn make(&self, app: App<'_>) -> PathBuf {
        let App { name, number, steps, fields, ballast } = app;
        let dir = self.folder.path().join(format!("{name}-{number}"));
        fs::create_dir_all(&dir).expect("the folder is ours");
        let noise: Vec<u8> = (0..ballast * 1024)
            .scan(0x2545_f491_4f6c_dd1d_u64, |state, _| {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                Some(state.to_le_bytes()[3])
            })
            .collect();
        fs::write(dir.join("steps"), &self.program).expect("the folder is ours");
        fs::write(dir.join("ballast"), noise).expect("the folder is ours");
        let manifest = format!(
            "app: org.nacre.{name}\nversion: 0.1.{number}\nrollback-index: {number}\nbuild: none\n\
             run: [/app/bin/steps, {steps}]\n\
             files: {{ /app/bin/steps: steps, /app/share/ballast: ballast }}\n\
             restart: {{ policy: never }}\n\
             limits: {{ memory: 1MiB, tasks: 4, cpu: 50%, open-files: 32, tmp: 16KiB }}\n{fields}"
        );
        fs::write(dir.join("nacre.yaml"), manifest).expect("the folder is ours");
        let out = self.folder.path().join(format!("{name}-{number}.app"));
        let mut command = nacre();
        if let Some(keys) = &self.keys {
            command.env("NACRE_KEYS", keys);
        }
        let own = if self.keys.is_some() { OWN_KEYS } else { "development" };
        command.args(["app", "build"]).arg(&dir).args(["--board", self.board.name, "--keys", own, "--out"]);
        let output = command.arg(&out).output().expect("nacre starts");
        assert!(output.status.success(), "{}", text(&output));
        out
    }
}

/// A path as an argument.
pub(super) fn arg(path: &Path) -> &str {
    path.to_str().expect("the path is UTF-8")
}
