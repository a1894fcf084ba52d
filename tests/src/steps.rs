//! Images of apps that do what a test says: each runs the program `steps` (tests/apps/steps) under a manifest of its
//! own.

use std::fmt::Write as _;
use std::fs;
use std::process::Output;

use tempfile::TempDir;

use crate::image::{Board, Image, OWN_KEYS, build, build_in};
use crate::nacre::{nacre, root};

/// Fields that a manifest has unless the test writes them.
const DEFAULTS: [(&str, &str); 2] = [
    ("restart:", "restart: { policy: never }\n"),
    ("limits:", "limits: { memory: 1MiB, tasks: 4, cpu: 50%, open-files: 32, tmp: 16KiB }\n"),
];

/// An image to be built.
#[derive(Debug)]
pub struct Steps {
    board: Board,
    apps: Vec<(String, String)>,
    testing: String,
    profile: &'static str,
}

impl Steps {
    /// Without apps.
    pub fn new(board: Board) -> Self {
        Self { board, apps: Vec::new(), testing: String::new(), profile: "development" }
    }

    /// Adds the app `org.nacre.NAME`, which does these steps; `fields` are further lines of its manifest.
    #[must_use]
    pub fn app(mut self, name: &str, steps: &[&str], fields: &str) -> Self {
        let words: String = steps.iter().fold(String::new(), |mut words, step| {
            let _ = write!(words, ", \"{step}\"");
            words
        });
        let mut manifest = format!(
            "app: org.nacre.{name}\nversion: 0.1.0\nbuild: none\nrun: [/app/bin/steps{words}]\n\
             files: {{ /app/bin/steps: steps }}\n{fields}"
        );
        for (field, line) in DEFAULTS {
            if !fields.lines().any(|line| line.starts_with(field)) {
                manifest.push_str(line);
            }
        }
        self.apps.push((name.to_owned(), manifest));
        self
    }

    /// Lines of the recipe, as `testing: { apps: { org.nacre.witness: [all] } }`.
    #[must_use]
    pub fn testing(mut self, lines: &str) -> Self {
        self.testing.push_str(lines);
        self
    }

    /// As it ships: signed with keys of its own, which are no development set.
    #[must_use]
    pub fn production(mut self) -> Self {
        self.profile = "production";
        self
    }

    /// Builds it; panics when it does not build.
    pub fn build(self) -> Image {
        let program = build("tests/images/steps.yaml", self.board).program("org.nacre.steps", "steps");
        let (board, production) = (self.board, self.profile == "production");
        let folder = self.write(&program);
        if production {
            let keys = folder.path().join("keys");
            let made = nacre().env("NACRE_KEYS", &keys).args(["key", "new", OWN_KEYS]).output();
            assert!(made.is_ok_and(|made| made.status.success()), "no keys are made");
        }
        build_in(folder, "steps.yaml", board)
    }

    /// What `nacre build` says to it, whatever that is. The program is none, and is not looked at before the manifests.
    pub fn try_build(self) -> Output {
        let board = self.board;
        let folder = self.write(b"");
        let mut command = nacre();
        command.arg("build").arg(folder.path().join("steps.yaml")).args(["--board", board.name, "--out"]);
        command.arg(folder.path().join("image")).output().expect("nacre starts")
    }

    fn write(self, program: &[u8]) -> TempDir {
        let parent = root().join("target/vm");
        fs::create_dir_all(&parent).expect("target is writable");
        let folder = TempDir::new_in(parent).expect("target is writable");
        let names: Vec<&str> = self.apps.iter().map(|(name, _)| name.as_str()).collect();
        let recipe = format!(
            "image: steps\nversion: 0.1.0\nrollback-index: 1\nprofile: {}\nboard: {}\napps: [{}]\n{}",
            self.profile,
            self.board.name,
            names.join(", "),
            self.testing
        );
        fs::write(folder.path().join("steps.yaml"), recipe).expect("the folder is new");
        for (name, manifest) in &self.apps {
            let app = folder.path().join(name);
            fs::create_dir(&app).expect("the folder is new");
            fs::write(app.join("steps"), program).expect("the folder is new");
            fs::write(app.join("nacre.yaml"), manifest).expect("the folder is new");
        }
        folder
    }
}
