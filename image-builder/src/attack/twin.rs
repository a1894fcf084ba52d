//! The image's twin: the same board and kernel, with the hostile app, its victim and the witness in it.

use std::fs;
use std::path::{Path, PathBuf};

use nacre_manifest::board::Board;
use nacre_manifest::image::KernelChoice;
use tempfile::TempDir;

use super::catalogue::Attack;
use super::configuration::{Configuration, Kernels};
use crate::build::{self, Request};
use crate::cache::Cache;
use crate::failure::{Exit, Failure, OrFail};
use crate::interrupt::Interrupts;
use crate::kernel;
use crate::keys::DEVELOPMENT;
use crate::progress::Step;
use crate::terminal::Terminal;
use crate::toolchain::{Architecture, Job, Optimization, Toolchain};
use crate::workspace::Workspace;

/// Where the checkout has the three apps.
const APPS: &str = "tests/attacker/apps";
/// Their names.
const NAMES: [&str; 3] = ["attacker", "victim", "witness"];
/// The package of their program, and the program.
const PACKAGE: &str = "nacre-attacker";
const PROGRAM: &str = "attacker";
/// What the hostile app brings along for kernels that load modules.
const MODULE: &str = "test_module.ko";

/// Builds twins for one board.
#[derive(Debug)]
pub(super) struct Workshop<'a> {
    workspace: &'a Workspace,
    board: &'a Board,
    terminal: &'a Terminal,
    interrupts: &'a Interrupts,
    folder: TempDir,
    program: Vec<u8>,
    cache: Cache,
}

impl<'a> Workshop<'a> {
    /// Makes a folder in the checkout, where boards are found, and builds the program.
    pub(super) fn open(
        workspace: &'a Workspace,
        board: &'a Board,
        terminal: &'a Terminal,
        interrupts: &'a Interrupts,
    ) -> Result<Self, Failure> {
        let parent = workspace.root().join("target/attack");
        let step = || format!("can't make a folder in `{}`", parent.display());
        fs::create_dir_all(&parent).or_fail(Exit::Internal, step)?;
        let folder =
            tempfile::Builder::new().prefix("run-").tempdir_in(&parent).or_fail(Exit::Internal, step)?;
        let cache = Cache::open()?;
        let architecture = Architecture::of(board.arch);
        let toolchain = Toolchain::find(architecture, &cache, workspace.root())?;
        let step = Step::begin(terminal, format!("building the hostile app for {}", board.arch.as_str()));
        let job = Job {
            folder: workspace.root(),
            packages: &[PACKAGE],
            features: &[],
            locked: true,
            optimization: Optimization::EachCrate,
        };
        let built = toolchain.build(&job, &folder.path().join("program"), &step)?;
        let path = built.get(PROGRAM).ok_or_else(|| {
            Failure::new(Exit::Internal, format!("the checkout makes no program `{PROGRAM}`"))
        })?;
        let program =
            fs::read(path).or_fail(Exit::Internal, || format!("can't read `{}`", path.display()))?;
        drop(step);
        Ok(Self { workspace, board, terminal, interrupts, folder, program, cache })
    }

    /// Its folder, gone with it.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Builds the image of a configuration, for these attacks.
    pub(super) fn build(
        &self,
        configuration: Configuration,
        attacks: &[&Attack],
        kernels: Kernels,
    ) -> Result<PathBuf, Failure> {
        let folder = self.folder.path().join(configuration.folder());
        let write = |path: PathBuf, content: &[u8]| {
            let done =
                path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, content));
            done.or_fail(Exit::Internal, || format!("can't write `{}`", path.display()))
        };
        let module = self.module(configuration.has_control_kernel(kernels))?;
        let list: Vec<&str> = attacks.iter().map(|attack| attack.name.as_str()).collect();
        for name in NAMES {
            let from = self.workspace.root().join(APPS).join(name).join("nacre.yaml");
            let manifest =
                fs::read(&from).or_fail(Exit::NotFound, || format!("can't read `{}`", from.display()))?;
            write(folder.join(name).join("nacre.yaml"), &manifest)?;
            write(folder.join(name).join(PROGRAM), &self.program)?;
        }
        write(folder.join("attacker").join(MODULE), &module)?;
        write(folder.join("witness/attacks"), list.join("\n").as_bytes())?;
        let recipe = folder.join("twin.yaml");
        let board = &self.board.board;
        let apps = NAMES.join(", ");
        let testing = configuration.testing("org.nacre.attacker", "org.nacre.witness", kernels);
        let text = format!(
            "image: twin\nversion: 0.1.0\nrollback-index: 1\nprofile: development\nboard: {board}\n\
             apps: [{apps}]\n{testing}"
        );
        write(recipe.clone(), text.as_bytes())?;
        let out = folder.join("image");
        let request = Request {
            recipe,
            board: Some(board.clone()),
            out: Some(out.clone()),
            keys: DEVELOPMENT.to_owned(),
        };
        build::build(&request, &self.terminal.quietly(), self.interrupts)?;
        Ok(out)
    }

    /// The module that goes with the control kernel; on the other kernel a few bytes, which it doesn't look at.
    fn module(&self, control_kernel: bool) -> Result<Vec<u8>, Failure> {
        if !control_kernel {
            return Ok(b"this kernel loads no modules".to_vec());
        }
        let request = kernel::request(self.board, KernelChoice::Control, self.workspace)?;
        let built = kernel::ready(&request, &self.cache, self.terminal, self.interrupts)?;
        let path = built.modules.iter().find(|path| path.file_name().is_some_and(|name| name == MODULE));
        let path = path.ok_or_else(|| {
            Failure::new(Exit::Internal, format!("the control kernel has no module `{MODULE}`"))
        })?;
        fs::read(path).or_fail(Exit::Internal, || format!("can't read `{}`", path.display()))
    }
}
