//! What kernel is wanted, and whether its options can be had.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::KernelCache;
use crate::check::{Finding, differing, findings};
use crate::config::Config;
use crate::explain::{Explanation, explain};
use crate::fragment::Fragments;
use crate::hash::InputHash;
use crate::kconfig::{ReadKconfigError, Tree};
use crate::make::{BUILDER_VERSION, Make, RunMakeError, missing_tools};
use crate::progress::Progress;
use crate::source::{ResolveSourceError, ResolvedSource, Source, UnpackSourceError, unpack};

/// Processor architecture of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// 32-bit ARM.
    Arm,
    /// 64-bit x86.
    X86_64,
}

impl Arch {
    /// The kernel's `ARCH=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Arm => "arm",
            Self::X86_64 => "x86_64",
        }
    }

    /// Its folder under the source's `arch/`.
    pub fn source_folder(self) -> &'static str {
        match self {
            Self::Arm => "arm",
            Self::X86_64 => "x86",
        }
    }
}

/// What kernel is wanted.
#[derive(Debug, Clone)]
pub struct KernelRequest {
    /// Architecture.
    pub arch: Arch,
    /// Prefix of the compiler's name: `arm-linux-gnueabihf-`; empty for the machine's own.
    pub cross: String,
    /// Make goal, and name of the image under `arch/*/boot`: `zImage`, `bzImage`.
    pub image_target: String,
    /// Its options.
    pub fragments: Fragments,
    /// Its source.
    pub source: Source,
}

/// Options that came out as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// How many options the fragments have.
    pub options: usize,
    /// How many options are on or have a value in the final configuration.
    pub enabled: usize,
    /// The final configuration.
    pub config: PathBuf,
    /// The source that it was made with.
    pub source: ResolvedSource,
}

/// Why the options could not be checked, or what is wrong with them.
#[derive(Debug, thiserror::Error)]
pub enum CheckKernelError {
    /// The source is not there or not the right one.
    #[error(transparent)]
    Resolve(#[from] ResolveSourceError),
    /// The source could not be unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackSourceError),
    /// Programs that are needed are not installed.
    #[error("the kernel build needs programs that are not installed: {}", .0.iter().map(|(tool, _)| tool.as_str()).collect::<Vec<_>>().join(", "))]
    MissingTools(Vec<(String, String)>),
    /// The compiler does not say its version.
    #[error("ask {tool} for its version")]
    Compiler {
        /// The program.
        tool: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The cache can't be used.
    #[error("use the kernel cache in {}", path.display())]
    Cache {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel's own configuration program failed.
    #[error("make the final configuration of the kernel")]
    Configure(#[from] RunMakeError),
    /// The kernel's option tree can't be read.
    #[error(transparent)]
    Tree(#[from] ReadKconfigError),
    /// Options are not as asked.
    #[error("{} of the kernel's options are not as the fragments ask", .0.len())]
    Differs(Vec<Finding>),
}

/// Why a symbol could not be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainSymbolError {
    /// There is no final configuration to explain it with.
    #[error(transparent)]
    Check(#[from] CheckKernelError),
    /// The kernel has no such symbol.
    #[error("the kernel {version} for {arch} has no symbol CONFIG_{symbol}")]
    NoSuchSymbol {
        /// What was asked for.
        symbol: String,
        /// A symbol with nearly this name.
        near: Option<String>,
        /// The kernel's version.
        version: String,
        /// The architecture.
        arch: &'static str,
    },
}

/// A final configuration and all that led to it.
pub(crate) struct Configured {
    pub(crate) key: String,
    pub(crate) source: ResolvedSource,
    pub(crate) path: PathBuf,
    pub(crate) config: Config,
}

impl KernelRequest {
    /// Makes the final configuration and compares it with the fragments. `cache` is the root of the host
    /// caches.
    ///
    /// # Errors
    /// [`CheckKernelError::Differs`] has every option that is not as asked, with the cause; the others
    /// say why it could not be checked.
    pub fn check(&self, cache: &Path, progress: &Progress) -> Result<CheckReport, CheckKernelError> {
        let configured = self.configured(cache, progress)?;
        Ok(CheckReport {
            options: self.fragments.options().len(),
            enabled: configured.config.len(),
            config: configured.path,
            source: configured.source,
        })
    }

    /// The source, unpacked in the cache: where the kernel's own tests and headers are. Nobody may write to it.
    ///
    /// # Errors
    /// The source is not there or not the right one, or can't be unpacked.
    pub fn source_tree(&self, cache: &Path, progress: &Progress) -> Result<PathBuf, CheckKernelError> {
        let source = self.source.resolve(cache)?;
        Ok(unpack(&source, &KernelCache::new(cache), progress)?)
    }

    /// Explains a symbol (with or without `CONFIG_`) on the final configuration, whether or not that is
    /// as asked.
    ///
    /// # Errors
    /// No such symbol, or no final configuration.
    pub fn explain(
        &self,
        cache: &Path,
        progress: &Progress,
        symbol: &str,
    ) -> Result<Explanation, ExplainSymbolError> {
        let root = KernelCache::new(cache);
        let configured = self.configure(cache, progress)?;
        let tree = self.tree(&root, &configured, progress)?;
        explain(symbol, &self.fragments, &configured.config, &tree).ok_or_else(|| {
            let symbol = symbol.strip_prefix("CONFIG_").unwrap_or(symbol);
            ExplainSymbolError::NoSuchSymbol {
                symbol: symbol.to_owned(),
                near: tree.suggest(symbol).map(str::to_owned),
                version: configured.source.version.clone(),
                arch: self.arch.name(),
            }
        })
    }

    /// The final configuration, as asked.
    pub(crate) fn configured(
        &self,
        cache: &Path,
        progress: &Progress,
    ) -> Result<Configured, CheckKernelError> {
        let root = KernelCache::new(cache);
        let configured = self.configure(cache, progress)?;
        let checked = configured.path.with_extension("checked");
        if checked.exists() && differing(&self.fragments, &configured.config).is_empty() {
            return Ok(configured);
        }
        let tree = self.tree(&root, &configured, progress)?;
        let found = findings(&self.fragments, &configured.config, &tree);
        if !found.is_empty() {
            return Err(CheckKernelError::Differs(found));
        }
        // Says that the tree has every symbol that is asked for, so that it isn't read again.
        root.write(&checked, b"").map_err(|source| CheckKernelError::Cache { path: checked, source })?;
        Ok(configured)
    }

    /// The final configuration, whether or not it is as asked.
    fn configure(&self, cache: &Path, progress: &Progress) -> Result<Configured, CheckKernelError> {
        let root = KernelCache::new(cache);
        let source = self.source.resolve(cache)?;
        let key = self.key(&source.sha256)?;
        let path = root.config(&key);
        if !path.exists() {
            let missing = missing_tools(&self.cross);
            if !missing.is_empty() {
                return Err(CheckKernelError::MissingTools(missing));
            }
            let tree = unpack(&source, &root, progress)?;
            let unusable = |source| CheckKernelError::Cache { path: path.clone(), source };
            let waiting = || progress.say("waiting for another run that configures this kernel");
            let workshop = root.workshop(&format!("config-{key}"), waiting).map_err(unusable)?;
            let options = workshop.dir().join("asked");
            std::fs::write(&options, self.fragments.merged()).map_err(unusable)?;
            let objects = workshop.dir().join("objects");
            std::fs::create_dir(&objects).map_err(unusable)?;
            let make =
                Make { source: &tree, objects: &objects, arch: self.arch, cross: &self.cross, progress };
            let task = progress.task("configuring the kernel", None);
            make.configure(&options)?;
            task.finish();
            let text = std::fs::read(objects.join(".config")).map_err(unusable)?;
            root.write(&path, &text).map_err(unusable)?;
        }
        let config =
            Config::load(&path).map_err(|source| CheckKernelError::Cache { path: path.clone(), source })?;
        Ok(Configured { key, source, path, config })
    }

    pub(crate) fn tree(
        &self,
        root: &KernelCache,
        configured: &Configured,
        progress: &Progress,
    ) -> Result<Tree, CheckKernelError> {
        let source = unpack(&configured.source, root, progress)?;
        Ok(Tree::read(&source, self.arch.source_folder())?)
    }

    /// Names everything that the result depends on: source, options, compiler, linker, this builder.
    pub(crate) fn key(&self, source_sha256: &str) -> Result<String, CheckKernelError> {
        let mut hash = InputHash::new()
            .input("builder", BUILDER_VERSION)
            .input("source", source_sha256)
            .input("options", &self.fragments.merged())
            .input("arch", self.arch.name())
            .input("target", &self.image_target)
            .input("cross", &self.cross);
        for tool in ["gcc", "ld"] {
            hash = hash.input(tool, &self.tool_version(tool)?);
        }
        Ok(hash.finish())
    }

    /// First line of what a tool says of its version; Debian's has the package revision in it.
    pub(crate) fn tool_version(&self, tool: &str) -> Result<String, CheckKernelError> {
        let tool = format!("{}{tool}", self.cross);
        let output = match Command::new(&tool).arg("--version").env("LC_ALL", "C").output() {
            Ok(output) => output,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(CheckKernelError::MissingTools(missing_tools(&self.cross)));
            }
            Err(source) => return Err(CheckKernelError::Compiler { tool, source }),
        };
        let text = String::from_utf8_lossy(&output.stdout);
        match text.lines().next() {
            Some(first) if output.status.success() => Ok(first.to_owned()),
            _ => Err(CheckKernelError::Compiler { tool, source: io::Error::other("it gives no version") }),
        }
    }
}
