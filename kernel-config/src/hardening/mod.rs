//! The hardening settings that others recommend, and what this kernel has of them.
//!
//! The settings come from the kernel's own `hardening.config` files and from a list of the Kernel Self
//! Protection Project's recommendations; each must be kept, or be in the list of what is left out, with a
//! reason and a price. Sysctls are those that init sets, arguments those of the board's command line.

mod kernel_file;
mod list;
mod setting;
mod text;
mod verdict;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

pub use list::{LeftOut, WrongEntry, left_out, recommended};
pub use setting::{Setting, Want, WrongWant};
pub use verdict::{HardeningFinding, HardeningReport, Row, Verdict};

use crate::cache::KernelCache;
use crate::progress::Progress;
use crate::request::{Arch, CheckKernelError, KernelRequest};

/// What a check of the hardening is made against.
#[derive(Debug, Clone)]
pub struct HardeningLists {
    /// The recommended settings; see [`recommended`] for the format.
    pub recommended: PathBuf,
    /// What is left out; see [`left_out`] for the format.
    pub left_out: PathBuf,
    /// The sysctls that the device sets, in the format of `sysctl.conf(5)`.
    pub sysctls: Vec<PathBuf>,
    /// The board's part of the kernel command line.
    pub command_line: String,
}

/// Why the hardening could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckHardeningError {
    /// There is no final configuration, or it is not as asked.
    #[error(transparent)]
    Check(#[from] CheckKernelError),
    /// A list is not readable.
    #[error("read the hardening list {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Lines of the lists that are wrong.
    #[error("the hardening lists have {} wrong lines", .0.len())]
    Lines(Vec<WrongEntry>),
}

impl KernelRequest {
    /// Compares the final configuration with the recommended settings.
    ///
    /// # Errors
    /// The configuration is not as asked, or a list can't be read. Settings that are neither kept nor left
    /// out with a reason are no error here: [`HardeningReport::findings`] has them.
    pub fn hardening(
        &self,
        lists: &HardeningLists,
        cache: &Path,
        progress: &Progress,
    ) -> Result<HardeningReport, CheckHardeningError> {
        let configured = self.configured(cache, progress)?;
        let tree = self.tree(&KernelCache::new(cache), &configured, progress)?;
        let source = KernelCache::new(cache).source(&configured.source.sha256);

        let mut wrong = Vec::new();
        let mut settings = Vec::new();
        for file in ["kernel".to_owned(), format!("arch/{}", self.arch.source_folder())]
            .map(|of| format!("{of}/configs/hardening.config"))
        {
            match std::fs::read_to_string(source.join(&file)) {
                Ok(text) => settings.extend(kernel_file::parse(&text)),
                // An architecture need not have one.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(CheckHardeningError::Read { path: file.into(), source }),
            }
        }
        match recommended(&lists.recommended, &read(&lists.recommended)?, self.arch) {
            Ok(entries) => settings.extend(entries),
            Err(found) => wrong.extend(found),
        }
        let left_out =
            left_out(&lists.left_out, &read(&lists.left_out)?, self.arch).unwrap_or_else(|found| {
                wrong.extend(found);
                Vec::new()
            });
        if !wrong.is_empty() {
            return Err(CheckHardeningError::Lines(wrong));
        }
        let sysctls = lists.sysctls.iter().map(|list| read(list)).collect::<Result<String, _>>()?;
        let sysctls = sysctls_of(&sysctls);
        let system = verdict::System {
            tree: &tree,
            config: &configured.config,
            sysctls: &sysctls,
            command_line: &lists.command_line,
        };
        Ok(system.judge(
            setting::merged(settings),
            left_out,
            &lists.left_out,
            self.arch,
            &configured.source.version,
        ))
    }
}

fn read(path: &Path) -> Result<String, CheckHardeningError> {
    std::fs::read_to_string(path)
        .map_err(|source| CheckHardeningError::Read { path: path.to_owned(), source })
}

/// `sysctl.conf(5)`: `name = value` per line, `#` begins a comment.
fn sysctls_of(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

/// Whether a line for `scope` (`all`, or an architecture) counts for this one; `None` for a word that is
/// neither.
fn counts(scope: &str, arch: Arch) -> Option<bool> {
    match scope {
        "all" => Some(true),
        "arm" => Some(arch == Arch::Arm),
        "x86_64" => Some(arch == Arch::X86_64),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
