//! The device toolchain: a cargo that makes static programs for the board's architecture.
//!
//! Two ways lead to it, tried in this order. [`prebuilt`]: the compiler in `PATH` has a standard library for
//! the target (`rustup target add`). [`from_source`]: Debian's compiler makes the standard library from its
//! sources, once per machine.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nacre_verify::digest::Digest;

use crate::cache::Cache;
use crate::failure::{Exit, Failure, OrFail};
use crate::progress::Step;

use memory::{Memory, Start};

mod architecture;
mod artifacts;
pub mod c;
mod from_source;
mod inputs;
mod kept;
mod memory;
mod prebuilt;

pub use architecture::Architecture;
pub use kept::{Kept, Sources, Watch};

/// A cargo that is ready to build for one architecture.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// The architecture.
    pub architecture: &'static Architecture,
    /// What was found, for `--verbose` and for the record beside an image.
    pub description: String,
    cargo: PathBuf,
    environment: Vec<(&'static str, OsString)>,
    arguments: Vec<String>,
    rustflags: Vec<String>,
    target_folder: PathBuf,
    /// The state of the standard library's sources, where it is made from them and that can be told.
    library: Option<String>,
}

/// One thing to build.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// Folder with the `Cargo.toml`.
    pub folder: &'a Path,
    /// Packages of the workspace; none means the package in the folder.
    pub packages: &'a [&'a str],
    /// Cargo features (`package/feature`).
    pub features: &'a [&'a str],
    /// Whether `Cargo.lock` must already be right.
    pub locked: bool,
    /// What the optimiser sees at once.
    pub optimization: Optimization,
}

/// What the optimiser sees at once. Either way it goes for the least bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Optimization {
    /// The program with its libraries and the standard library (fat LTO): a third smaller.
    WholeProgram,
    /// Each crate by itself: what did not change is not compiled again, in a third of the time.
    EachCrate,
}

impl Optimization {
    /// Cargo's profile, and the folder in which cargo works on it.
    fn profile(self) -> &'static str {
        match self {
            Self::WholeProgram => "device",
            Self::EachCrate => "device-development",
        }
    }

    /// The profile, said on the command line so that apps outside this workspace have it as well.
    fn settings(self) -> impl Iterator<Item = String> {
        let own: &[&str] = match self {
            Self::WholeProgram => &["lto=\"fat\"", "codegen-units=1"],
            // What changes, the workspace's own crates, on several processors at once.
            Self::EachCrate => &["lto=\"off\"", "codegen-units=4", "package.\"*\".codegen-units=1"],
        };
        SETTINGS.iter().chain(own).map(move |line| format!("profile.{}.{line}", self.profile()))
    }
}

/// What both profiles have.
const SETTINGS: [&str; 5] =
    ["inherits=\"release\"", "opt-level=\"s\"", "panic=\"abort\"", "strip=true", "debug=false"];

/// Variables of cargo and rustup that may come through; all others would change what is built.
const KEPT_VARIABLES: [&str; 7] = [
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTR",
    "CARGO_SOURCE_",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
];

impl Toolchain {
    /// Finds the toolchain for an architecture. `checkout` is the folder of the sources, absolute.
    pub fn find(
        architecture: &'static Architecture,
        cache: &Cache,
        checkout: &Path,
    ) -> Result<Self, Failure> {
        // Each way asks compilers, which take their time to answer.
        let (debian, installed) = std::thread::scope(|scope| {
            let debian = scope.spawn(from_source::Compiler::ask);
            let installed = prebuilt::find(architecture, cache, checkout);
            (debian.join().unwrap_or_default(), installed)
        });
        match installed? {
            Some(found) => Ok(found),
            None => from_source::find(architecture, cache, debian),
        }
    }

    /// Builds all binaries of the job and copies them into `into`; returns name and path of each.
    ///
    /// Others of the same optimisation wait meanwhile, of all builds on this machine: they share the folder in
    /// which cargo works.
    pub fn build(&self, job: &Job, into: &Path, step: &Step) -> Result<BTreeMap<String, PathBuf>, Failure> {
        let profile = job.optimization.profile();
        let lock_path = self.target_folder.join(format!("{profile}.lock"));
        let prepare = || format!("can't use the build folder `{}`", self.target_folder.display());
        fs::create_dir_all(&self.target_folder).or_fail(Exit::Internal, prepare)?;
        let lock = File::create(&lock_path).or_fail(Exit::Internal, prepare)?;
        lock.lock().or_fail(Exit::Internal, prepare)?;

        let mut command = self.command();
        for line in job.optimization.settings() {
            command.args(["--config", &line]);
        }
        command.current_dir(job.folder).arg("build").args(["--profile", profile, "--bins"]);
        command.args(["--target", self.architecture.target]).args(&self.arguments);
        command.arg("--message-format=json-render-diagnostics");
        for package in job.packages {
            command.args(["--package", package]);
        }
        if !job.features.is_empty() {
            command.args(["--features", &job.features.join(",")]);
        }
        if job.locked {
            command.arg("--locked");
        }
        let memory =
            self.library.as_deref().map(|library| (Memory::of(&command, &self.target_folder), library));
        let known = memory.as_ref().and_then(|(memory, library)| memory.recall(library));
        fs::create_dir_all(into).or_fail(Exit::Internal, || format!("can't make `{}`", into.display()))?;
        let mut copied = BTreeMap::new();
        if let Some(programs) = known {
            for (name, content) in programs {
                let to = into.join(&name);
                fs::write(&to, content)
                    .or_fail(Exit::Internal, || format!("can't write `{}`", to.display()))?;
                copied.insert(name, to);
            }
            return Ok(copied);
        }
        let started = Start::now();
        let built = artifacts::run(&mut command, step).map_err(|e| {
            Failure::new(Exit::BadInput, format!("can't build `{}`", job.folder.display())).because(e)
        })?;
        for (name, from) in &built {
            let to = into.join(name);
            fs::copy(from, &to).or_fail(Exit::Internal, || format!("can't copy `{}`", from.display()))?;
            copied.insert(name.clone(), to);
        }
        if let Some((memory, library)) = memory {
            memory.keep(&built, &self.cargo_files(), library, started);
        }
        Ok(copied)
    }

    /// What cargo made programs of a job from, once it has. Nothing where that can't be told.
    pub fn sources<'a>(&self, job: &Job, programs: impl Iterator<Item = &'a str>) -> Option<Sources> {
        let made = self.target_folder.join(self.architecture.target).join(job.optimization.profile());
        let programs: Vec<PathBuf> = programs.map(|name| made.join(name)).collect();
        let mut settings = self.cargo_files();
        settings.extend(rustup_files());
        let jobs = self.target_folder.join("programs");
        inputs::Inputs::of(programs.iter().map(PathBuf::as_path), &jobs, &settings).map(Sources::of)
    }

    /// Cargo itself, and what decides what it does wherever it runs.
    fn cargo_files(&self) -> Vec<PathBuf> {
        let home = cargo_home();
        let compiler = self.environment.iter().filter(|(name, _)| *name == "RUSTC");
        let compiler = compiler.map(|(_, path)| PathBuf::from(path));
        [self.cargo.clone(), home.join("config"), home.join("config.toml")]
            .into_iter()
            .chain(compiler)
            .collect()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let kept = KEPT_VARIABLES.iter().any(|k| text.starts_with(k));
            if (text.starts_with("CARGO") || text.starts_with("RUST")) && !kept {
                command.env_remove(&name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("CARGO_ENCODED_RUSTFLAGS", self.rustflags.join("\x1f"));
        command.env("CARGO_TARGET_DIR", &self.target_folder).env("CARGO_TERM_COLOR", "never");
        command.env("CARGO_INCREMENTAL", "0").env("SOURCE_DATE_EPOCH", "0");
        command.stdin(Stdio::null());
        command
    }
}

/// Flags that every program for the device is compiled with. They are the same in every checkout, so that
/// nothing is built twice, and they keep the machine's folders out of the programs.
fn common_rustflags(architecture: &Architecture, hidden: &[(&Path, &str)]) -> Vec<String> {
    let mut flags =
        vec![format!("-Ctarget-cpu={}", architecture.cpu), "-Ctarget-feature=+crt-static".to_owned()];
    flags.extend(architecture.code.iter().map(|flag| (*flag).to_owned()));
    flags.extend(hidden.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())));
    flags
}

/// Cargo's home, whose path dependencies' sources would otherwise carry into programs.
fn cargo_home() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("CARGO_HOME")
        .or_else(|| set("HOME").map(|h| h.join(".cargo")))
        .unwrap_or_else(|| PathBuf::from("/.cargo"))
}

/// What changes when rustup takes another compiler.
fn rustup_files() -> Vec<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = set("RUSTUP_HOME").or_else(|| set("HOME").map(|home| home.join(".rustup")));
    let names = ["settings.toml", "update-hashes", "toolchains"];
    home.into_iter().flat_map(|home| names.map(|name| home.join(name))).collect()
}

/// A folder in the cache for what is made from these parts (compiler, flags).
fn target_folder(architecture: &Architecture, cache: &Cache, parts: &[&str]) -> Result<PathBuf, Failure> {
    let id = Digest::of(parts.join("\0").as_bytes()).to_string();
    let short = id.get(..12).unwrap_or_default();
    cache.folder(Path::new("device").join(format!("{}-{short}", architecture.target)))
}

/// `rustc -vV` of a compiler, or nothing if it doesn't run.
fn compiler_version(rustc: &Path) -> Option<String> {
    let output = Command::new(rustc).arg("-vV").stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_each_optimization_are_of_its_own_profile_and_abort_on_panic() {
        for (optimization, lto) in [(Optimization::WholeProgram, "fat"), (Optimization::EachCrate, "off")] {
            let settings: Vec<String> = optimization.settings().collect();
            let of = |line: &str| format!("profile.{}.{line}", optimization.profile());
            assert!(settings.iter().all(|line| line.starts_with(&of(""))), "{settings:?}");
            for line in [format!("lto=\"{lto}\""), "panic=\"abort\"".into(), "opt-level=\"s\"".into()] {
                assert!(settings.contains(&of(&line)), "{line} in {settings:?}");
            }
        }
        assert_ne!(Optimization::WholeProgram.profile(), Optimization::EachCrate.profile());
    }
}
