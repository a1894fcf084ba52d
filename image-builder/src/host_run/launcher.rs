//! The launcher of this machine: built from the checkout when a `nacre` that was built from other sources of it, or by
//! another compiler, needs it first.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nacre_manifest::arch::Arch;

use crate::cache::Cache;
use crate::failure::{Exit, Failure, OrFail};
use crate::progress::Step;
use crate::terminal::Terminal;
use crate::toolchain::{Architecture, Job, Kept, Optimization, Toolchain, Watch};
use crate::workspace::Workspace;

/// Package and program.
const PACKAGE: &str = "nacre-host-launcher";
const PROGRAM: &str = "nacre-launch";

mod sources {
    include!("launcher_sources.rs");

    /// Those that this program was built from.
    pub(super) const BUILT_FROM: &str = env!("NACRE_LAUNCHER_SOURCES");

    /// Whether the sources in a checkout are the same.
    pub(super) fn are_in(root: &std::path::Path) -> bool {
        digest_of_sources(root).is_ok_and(|found| found == BUILT_FROM)
    }

    /// Whether a file of the checkout is one of them.
    pub(super) fn have(inside: &std::path::Path) -> bool {
        SOURCES.iter().any(|name| inside.starts_with(name))
    }
}

/// Where it is; builds it if it must be, from the checkout near a folder.
pub(super) fn find(near: &Path, terminal: &Terminal) -> Result<PathBuf, Failure> {
    let cache = Cache::open()?;
    let kept = Kept::of(&cache, &["launcher"]).of_sources(sources::BUILT_FROM);
    if let Some(found) = kept.recall().and_then(|mut known| known.remove(PROGRAM)) {
        return Ok(found);
    }
    let here =
        std::env::current_dir().or_fail(Exit::Internal, || "can't find the current folder".to_owned())?;
    let workspace = Workspace::find(&[near, &here])?;
    let missing = || Failure::new(Exit::Internal, format!("the checkout makes no program `{PROGRAM}`"));
    let toolchain = Toolchain::find(Architecture::of(Arch::X86_64), &cache, workspace.root())?;
    let step = Step::begin(terminal, "building the launcher for this machine".to_owned());
    let job = Job {
        folder: workspace.root(),
        packages: &[PACKAGE],
        features: &[],
        locked: true,
        optimization: Optimization::WholeProgram,
    };
    let scratch =
        tempfile::tempdir().or_fail(Exit::TryAgain, || "can't make a folder to work in".to_owned())?;
    let watch = Watch::begin();
    let built = toolchain.build(&job, scratch.path(), &step)?;
    let path = built.get(PROGRAM).ok_or_else(missing)?;
    let content = fs::read(path).or_fail(Exit::Internal, || format!("can't read `{}`", path.display()))?;
    let root = workspace.root();
    // Sources that were changed since `nacre` was built are for one run, until it is built again.
    let sources = toolchain
        .sources(&job, [PROGRAM].into_iter())
        .filter(|_| sources::are_in(root))
        .and_then(|all| all.read_only().outside(root, sources::have));
    let programs = BTreeMap::from([(PROGRAM.to_owned(), content)]);
    kept.keep(&programs, sources, &watch)?.remove(PROGRAM).ok_or_else(missing)
}
