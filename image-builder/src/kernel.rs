//! The kernel of a board: its request to `nacre-kernel-config`, and the built image.

use std::path::{Path, PathBuf};

use nacre_diag::{Diagnostic, Report};
use nacre_kernel_config::{
    BuiltKernel, Fragments, HardeningLists, KernelRequest, LoadFragmentsError, Progress, Source,
};
use nacre_manifest::board::Board;
use nacre_manifest::image::KernelChoice;

use crate::cache::Cache;
use crate::failure::{Exit, Failure, OrFail};
use crate::interrupt::Interrupts;
use crate::terminal::Terminal;
use crate::toolchain::Architecture;
use crate::workspace::Workspace;

/// Where the checkout pins the kernel's source.
pub fn lock_file(workspace: &Workspace) -> PathBuf {
    workspace.root().join("kernel-config/kernel.lock")
}

/// What a board's kernel is compared with: the checkout's lists, what init sets, the board's arguments.
pub fn hardening_lists(board: &Board, workspace: &Workspace) -> HardeningLists {
    let list = |path: &str| shortest(workspace.root().join(path));
    HardeningLists {
        recommended: list("kernel-config/hardening/kspp.list"),
        left_out: list("kernel-config/hardening/left-out.list"),
        sysctls: vec![list("init/src/sysctl.conf"), list("appmgr/daemon/src/network.conf")],
        command_line: board.cmdline.clone(),
    }
}

/// Where the checkout says what the control kernel has beside, or instead of, the board's.
const CONTROL: &str = "kernel-config/control";

/// The board's kernel, or the control kernel of its machine.
pub fn request(board: &Board, choice: KernelChoice, workspace: &Workspace) -> Result<KernelRequest, Failure> {
    let control = workspace.root().join(CONTROL);
    let mut problems = Report::new();
    let mut paths = Vec::new();
    for fragment in &board.kernel.fragments {
        match fragment.path.canonicalize() {
            Ok(path) if is_below(&path, &control) => {
                let what = format!("`{}` is the control kernel's", fragment.path.display());
                let hint = "a board has none of it; an image for tests asks for that kernel: \
                            `testing: { kernel: control }`";
                problems
                    .push(Diagnostic::error(Exit::Refused, what).at(fragment.place.clone()).with_hint(hint));
            }
            Ok(path) => paths.push(shortest(path)),
            Err(error) => {
                let what = format!("no kernel fragment `{}`", fragment.path.display());
                let found = Diagnostic::error(Exit::NotFound, what).at(fragment.place.clone());
                let hint = "the path is relative to the board's file";
                problems.push(found.with_cause(error.to_string()).with_hint(hint));
            }
        }
    }
    let paths = problems.or(paths)?;
    let architecture = Architecture::of(board.arch);
    let load = |paths: &[PathBuf]| Fragments::load(paths).map_err(|e| Report::from(&e));
    let mut fragments = load(&paths)?;
    if choice == KernelChoice::Control {
        let files =
            ["all", architecture.kernel.name()].map(|name| shortest(control.join(format!("{name}.config"))));
        fragments = fragments
            .replaced_by(load(&files)?)
            .map_err(|lines| Report::from(&LoadFragmentsError::Lines(lines)))?;
    }
    Ok(KernelRequest {
        arch: architecture.kernel,
        cross: architecture.kernel_cross.to_owned(),
        image_target: board.kernel.image.clone(),
        fragments,
        source: Source::from_lock(&lock_file(workspace)).map_err(|e| Report::from(&e))?,
    })
}

fn is_below(path: &Path, folder: &Path) -> bool {
    folder.canonicalize().is_ok_and(|folder| path.starts_with(folder))
}

/// The path as messages name it: relative where it is below the current folder.
pub(crate) fn shortest(path: PathBuf) -> PathBuf {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    match here.as_deref().map(|here| path.strip_prefix(here)) {
        Ok(Ok(short)) => short.to_owned(),
        _ => path,
    }
}

/// The kernel image, from the cache or built now.
pub fn build(
    request: &KernelRequest,
    cache: &Cache,
    terminal: &Terminal,
    interrupts: &Interrupts,
) -> Result<Vec<u8>, Failure> {
    let built = ready(request, cache, terminal, interrupts)?;
    std::fs::read(&built.image).or_fail(Exit::Internal, || format!("can't read `{}`", built.image.display()))
}

/// The kernel in the cache, built now if it isn't there.
pub fn ready(
    request: &KernelRequest,
    cache: &Cache,
    terminal: &Terminal,
    interrupts: &Interrupts,
) -> Result<BuiltKernel, Failure> {
    let built = interrupts
        .during(|cancel| request.build(cache.root(), &Progress::stderr().with_cancel(cancel)))
        .map_err(|e| Report::from(&e))?;
    if let Some(warning) = &built.warning {
        terminal.warning(warning);
    }
    Ok(built)
}
