//! Images of the benchmark's own: apps whose programs are compiled once and whose manifests are written here.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::peer::program;
use crate::programs::{Programs, command, run};

/// The image whose packages hold the programs.
const APPS: &str = "tests/images/bench-apps.yaml";

/// What an image is built for, and the memory that its figures are stated for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Board {
    pub(crate) name: &'static str,
    pub(crate) memory: &'static str,
}

pub(crate) const ARMV7: Board = Board { name: "qemu-armv7", memory: "24M" };
pub(crate) const X86_64: Board = Board { name: "qemu-x86_64", memory: "48M" };

/// An app of such an image.
#[derive(Debug)]
pub(crate) struct App {
    /// The last part of its id.
    pub(crate) name: String,
    pub(crate) program: &'static str,
    pub(crate) argument: &'static str,
    /// Lines of its manifest beside those that all have.
    pub(crate) more: &'static str,
}

/// Where such images are made, in a copy of the checkout.
#[derive(Debug)]
pub(crate) struct Projects<'a> {
    programs: &'a Programs,
    checkout: &'a Path,
    work: PathBuf,
    board: Board,
    /// Where the programs are; gone with this.
    scratch: tempfile::TempDir,
}

impl<'a> Projects<'a> {
    /// Compiles the programs.
    pub(crate) fn new(programs: &'a Programs, checkout: &'a Path, work: &Path, board: Board) -> Result<Self> {
        let scratch = tempfile::tempdir()?;
        let projects = Self { programs, checkout, work: work.join(board.name), board, scratch };
        fs::create_dir_all(&projects.work)?;
        let image = projects.nacre_build(Path::new(APPS), "apps")?;
        for name in ["idle", "meter"] {
            program(programs, &image, name, projects.scratch.path())?;
        }
        Ok(projects)
    }

    /// Builds an image; `testing` is what its recipe says besides.
    pub(crate) fn build(&self, name: &str, apps: &[App], testing: &str) -> Result<PathBuf> {
        let folder = self.checkout.join("target-of-bench").join(self.board.name).join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        for app in apps {
            let place = folder.join(&app.name);
            fs::create_dir_all(&place)?;
            let tree = self.scratch.path().join(format!("{}.tree/app/bin", app.program));
            fs::copy(tree.join(app.program), place.join(app.program))?;
            fs::write(place.join("nacre.yaml"), manifest(app))?;
        }
        let recipe = folder.join("image.yaml");
        fs::write(&recipe, recipe_of(self.board, apps, testing))?;
        self.nacre_build(&recipe, name)
    }

    fn nacre_build(&self, recipe: &Path, name: &str) -> Result<PathBuf> {
        let out = self.work.join(name);
        let mut nacre = command(&self.programs.nacre, &["build", "--board", self.board.name, "--out"]);
        run(nacre.arg(&out).arg(recipe).current_dir(self.checkout).env_remove("NACRE_SOURCE"))?;
        Ok(out)
    }
}

fn manifest(app: &App) -> String {
    let App { name, program, argument, more } = app;
    format!(
        "app: org.nacre.{name}\nversion: 0.1.0\nbuild: none\nrun: [/app/bin/{program}, {argument}]\n\
         files: {{ /app/bin/{program}: {program} }}\n\
         limits: {{ memory: 1MiB, tasks: 2, cpu: 100%, open-files: 16, tmp: 16KiB }}\n{more}"
    )
}

fn recipe_of(board: Board, apps: &[App], testing: &str) -> String {
    let mut names = String::new();
    for app in apps {
        let comma = if names.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(names, "{comma}{}", app.name);
    }
    format!(
        "image: bench\nversion: 0.1.0\nrollback-index: 1\nprofile: development\nboard: {}\napps: [{names}]\n{testing}",
        board.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipe_names_all_apps_and_a_manifest_its_program() {
        let apps = ["a", "b"].map(|name| App {
            name: name.to_owned(),
            program: "idle",
            argument: "wait",
            more: "restart: { policy: never }\n",
        });
        let recipe = recipe_of(ARMV7, &apps, "testing: x\n");
        assert!(recipe.ends_with("board: qemu-armv7\napps: [a, b]\ntesting: x\n"), "{recipe}");
        let manifest = manifest(&apps[1]);
        assert!(manifest.starts_with("app: org.nacre.b\n"), "{manifest}");
        assert!(manifest.contains("run: [/app/bin/idle, wait]\n"), "{manifest}");
        assert!(manifest.ends_with("restart: { policy: never }\n"), "{manifest}");
    }
}
