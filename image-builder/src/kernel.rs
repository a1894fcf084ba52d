//! The kernel of a board: its request to `nacre-kernel-config`, and the built image.

use nacre_diag::Report;
use nacre_kernel_config::{BuiltKernel, Fragments, KernelRequest, Progress, Source};
use nacre_manifest::board::Board;
use std::path::PathBuf;

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

/// What kernel a board wants.
pub fn request(board: &Board, workspace: &Workspace) -> Result<KernelRequest, Failure> {
    let paths: Vec<PathBuf> = board.kernel.fragments.iter().map(|f| f.path.clone()).collect();
    let architecture = Architecture::of(board.arch);
    Ok(KernelRequest {
        arch: architecture.kernel,
        cross: architecture.kernel_cross.to_owned(),
        image_target: board.kernel.image.clone(),
        fragments: Fragments::load(&paths).map_err(|e| Report::from(&e))?,
        source: Source::from_lock(&lock_file(workspace)).map_err(|e| Report::from(&e))?,
    })
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
