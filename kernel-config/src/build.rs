//! Building the kernel, once per content.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cache::KernelCache;
use crate::config::Config;
use crate::hash::file_sha256;
use crate::make::{Make, RunMakeError, save_output};
use crate::progress::Progress;
use crate::request::{CheckKernelError, Configured, KernelRequest};
use crate::source::{ResolveSourceError, UnpackSourceError, unpack};

/// Files that a kernel of this size takes, until a build has counted them.
const USUAL_STEPS: u64 = 1420;

/// Where the modules lie beside an image.
const MODULES: &str = "modules";

/// A kernel in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltKernel {
    /// The image.
    pub image: PathBuf,
    /// The final configuration.
    pub config: PathBuf,
    /// Addresses of its symbols, to read a crash with.
    pub system_map: PathBuf,
    /// Its modules (`*.ko`), by name; none but on the control kernel.
    pub modules: Vec<PathBuf>,
    /// What `uname -r` says on it.
    pub release: String,
    /// Names the content: source, options, compiler.
    pub key: String,
    /// Whether it was there already.
    pub cached: bool,
    /// To be shown: the source is newer than the pinned ones.
    pub warning: Option<String>,
}

/// `build.json` beside an image: what it was made of.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    release: String,
    version: String,
    source_sha256: String,
    arch: String,
    compiler: String,
    linker: String,
    image_bytes: u64,
    image_sha256: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    module_sha256: BTreeMap<String, String>,
}

/// Why there is no kernel.
#[derive(Debug, thiserror::Error)]
pub enum BuildKernelError {
    /// Its options can't be had, or not be checked.
    #[error(transparent)]
    Check(#[from] CheckKernelError),
    /// Its source can't be unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackSourceError),
    /// Make failed.
    #[error("build the kernel")]
    Make {
        /// Why.
        #[source]
        source: RunMakeError,
        /// Where the end of make's output is kept.
        log: Option<PathBuf>,
    },
    /// The build changed the configuration that was checked.
    #[error("build the kernel: its configuration came out otherwise than it was checked, in {}", .symbols.join(", "))]
    Changed {
        /// Options that differ.
        symbols: Vec<String>,
    },
    /// The result can't be read or kept.
    #[error("keep the built kernel in {}", path.display())]
    Keep {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl KernelRequest {
    /// The kernel, from the cache or built now. Its options are checked first. `cache` is the root of the
    /// host caches. Two runs that want the same kernel build it once.
    ///
    /// # Errors
    /// Options that are not as asked, a source that isn't the pinned one, a failing or interrupted
    /// build. Nothing half-made stays in the cache.
    pub fn build(&self, cache: &Path, progress: &Progress) -> Result<BuiltKernel, BuildKernelError> {
        let root = KernelCache::new(cache);
        let configured = match self.configured(cache, progress) {
            Ok(configured) => configured,
            // A kernel that was built of a pinned source needs that source no more.
            Err(CheckKernelError::Resolve(error @ ResolveSourceError::Missing { .. })) => {
                return match self.built_of_pinned(&root)? {
                    Some(built) => Ok(built),
                    None => Err(CheckKernelError::Resolve(error).into()),
                };
            }
            Err(error) => return Err(error.into()),
        };
        let warning = configured.source.warning.clone();
        if let Some(built) = self.cached_kernel(&root, &configured.key) {
            return Ok(BuiltKernel { warning, ..built });
        }
        let place = root.built(&configured.key);
        let keep = |source| BuildKernelError::Keep { path: place.clone(), source };
        let waiting = || progress.say("waiting for another run that builds this kernel");
        let workshop = root.workshop(&format!("build-{}", configured.key), waiting).map_err(keep)?;
        // Whoever had the workshop before may have built it.
        if let Some(built) = self.cached_kernel(&root, &configured.key) {
            return Ok(BuiltKernel { warning, ..built });
        }
        self.make(&root, workshop.dir(), &configured, progress)?;
        if place.exists() {
            std::fs::remove_dir_all(&place).map_err(keep)?;
        }
        workshop.publish("result", &place).map_err(keep)?;
        match self.cached_kernel(&root, &configured.key) {
            Some(built) => Ok(BuiltKernel { cached: false, warning, ..built }),
            None => Err(keep(io::ErrorKind::NotFound.into())),
        }
    }

    /// Makes the image and puts all that is kept into `result`.
    fn make(
        &self,
        root: &KernelCache,
        work: &Path,
        configured: &Configured,
        progress: &Progress,
    ) -> Result<(), BuildKernelError> {
        let source = unpack(&configured.source, root, progress)?;
        let objects = work.join("objects");
        let result = work.join("result");
        let keep = |path: &Path| {
            let path = path.to_owned();
            move |source| BuildKernelError::Keep { path, source }
        };
        std::fs::create_dir(&objects).map_err(keep(&objects))?;
        std::fs::create_dir(&result).map_err(keep(&result))?;
        std::fs::copy(&configured.path, objects.join(".config")).map_err(keep(&objects))?;

        let modules = self.fragments.have_modules();
        let count =
            root.memo(&format!("steps-{}{}", self.arch.name(), if modules { "-modules" } else { "" }));
        let usual = std::fs::read_to_string(&count).ok().and_then(|text| text.trim().parse().ok());
        let mut task = progress.task("building the kernel", Some(usual.unwrap_or(USUAL_STEPS)));
        let make = Make { source: &source, objects: &objects, arch: self.arch, cross: &self.cross, progress };
        let made = make.image(&self.image_target, &mut task);
        made.and_then(|()| if modules { make.modules() } else { Ok(()) }).map_err(|source| {
            let log = match &source {
                RunMakeError::Failed { said, .. } => {
                    let log = root.failure_log(&configured.key);
                    save_output(said, &log).is_ok().then_some(log)
                }
                _ => None,
            };
            BuildKernelError::Make { source, log }
        })?;
        // The build brings its configuration up to date once more; what was checked is what must be built.
        let last = objects.join(".config");
        let built = Config::load(&last).map_err(keep(&last))?;
        let symbols = built.differing(&configured.config);
        if !symbols.is_empty() {
            return Err(BuildKernelError::Changed { symbols });
        }
        // Only makes the next bar truer.
        let _not_counted = root.write(&count, task.done().to_string().as_bytes());
        task.finish();

        let boot = objects.join("arch").join(self.arch.source_folder()).join("boot");
        for (from, name) in [
            (boot.join(&self.image_target), "image"),
            (objects.join(".config"), "config"),
            (objects.join("System.map"), "System.map"),
        ] {
            std::fs::copy(&from, result.join(name)).map_err(keep(&from))?;
        }
        let mut module_sha256 = BTreeMap::new();
        if modules {
            let kept = result.join(MODULES);
            std::fs::create_dir(&kept).map_err(keep(&kept))?;
            for from in made_modules(&objects).map_err(keep(&objects))? {
                let Some(name) = from.file_name() else { continue };
                std::fs::copy(&from, kept.join(name)).map_err(keep(&from))?;
                let hash = file_sha256(&from).map_err(keep(&from))?;
                module_sha256.insert(name.to_string_lossy().into_owned(), hash);
            }
        }
        let release = objects.join("include/config/kernel.release");
        let image = result.join("image");
        let record = Record {
            release: std::fs::read_to_string(&release).map_err(keep(&release))?.trim().to_owned(),
            version: configured.source.version.clone(),
            source_sha256: configured.source.sha256.clone(),
            arch: self.arch.name().to_owned(),
            compiler: self.tool_version("gcc")?,
            linker: self.tool_version("ld")?,
            image_bytes: std::fs::metadata(&image).map_err(keep(&image))?.len(),
            image_sha256: file_sha256(&image).map_err(keep(&image))?,
            module_sha256,
        };
        let json = serde_json::to_vec_pretty(&record).map_err(io::Error::from).map_err(keep(&result))?;
        root.write(&result.join("build.json"), &json).map_err(keep(&result))
    }

    fn built_of_pinned(&self, root: &KernelCache) -> Result<Option<BuiltKernel>, BuildKernelError> {
        for sha256 in self.source.pinned() {
            if let Some(built) = self.cached_kernel(root, &self.key(sha256)?) {
                return Ok(Some(built));
            }
        }
        Ok(None)
    }

    /// The kernel of a key if it is in the cache, whole: its image has the recorded hash. A broken one
    /// (the machine lost power while it was written) counts as none.
    fn cached_kernel(&self, root: &KernelCache, key: &str) -> Option<BuiltKernel> {
        let place = root.built(key);
        let image = place.join("image");
        let record: Record = serde_json::from_slice(&std::fs::read(place.join("build.json")).ok()?).ok()?;
        let modules: Vec<PathBuf> =
            record.module_sha256.keys().map(|name| place.join(MODULES).join(name)).collect();
        let mut hashes = modules.iter().zip(record.module_sha256.values());
        let whole = file_sha256(&image).ok()? == record.image_sha256
            && hashes.all(|(file, hash)| file_sha256(file).is_ok_and(|found| found == *hash));
        whole.then(|| BuiltKernel {
            image,
            modules,
            config: place.join("config"),
            system_map: place.join("System.map"),
            release: record.release,
            key: key.to_owned(),
            cached: true,
            warning: None,
        })
    }
}

/// The modules that make lists in `modules.order`, which has their object files.
fn made_modules(objects: &Path) -> io::Result<Vec<PathBuf>> {
    let order = std::fs::read_to_string(objects.join("modules.order"))?;
    Ok(order.lines().map(|line| objects.join(line).with_extension("ko")).collect())
}
