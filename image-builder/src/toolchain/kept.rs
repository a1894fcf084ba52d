//! Programs that were built, kept with all that they were made from: as long as that is as it was, not even the toolchain
//! is looked for, which takes longer than to start an app.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nacre_verify::digest::Digest;
use serde::{Deserialize, Serialize};

use super::Architecture;
use super::inputs::Inputs;
use super::memory::Start;
use crate::cache::Cache;
use crate::failure::{Exit, Failure, OrFail};

/// What programs were made from, and in which state it was.
#[derive(Debug)]
pub struct Sources(Inputs);

/// A build that has begun.
#[derive(Debug)]
pub struct Watch(Start);

/// A place for the programs of one job.
#[derive(Debug)]
pub struct Kept {
    folder: PathBuf,
    id: String,
    circumstances: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    circumstances: String,
    inputs: Inputs,
    /// The folder of the programs.
    state: String,
    /// The folder before that, which somebody may still read.
    before: Option<String>,
    programs: Vec<String>,
}

impl Sources {
    pub(super) fn of(inputs: Inputs) -> Self {
        Self(inputs)
    }

    /// Only what was read of them: for a program of the checkout, in which a new file comes with a changed one.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self(self.0.read_only())
    }

    /// Only those outside of a folder. Nothing if one inside of it is not `known` by its path there.
    #[must_use]
    pub fn outside(mut self, folder: &Path, known: impl Fn(&Path) -> bool) -> Option<Self> {
        self.0.leave_out(folder, known).then_some(self)
    }

    /// Those of a program in C: its folder, and the compiler.
    pub fn of_c(architecture: &Architecture, folder: &Path) -> Option<Self> {
        let compiler = super::c::compiler(architecture).ok()?;
        let library = Path::new(architecture.musl_folder).join("libc.a");
        Inputs::named(&[compiler, library], &[folder.to_owned()]).map(Self)
    }
}

impl Watch {
    /// From now on.
    pub fn begin() -> Self {
        Self(Start::now())
    }
}

impl Kept {
    /// The place for a job that these words tell from all others.
    pub fn of(cache: &Cache, job: &[&str]) -> Self {
        let id = Digest::of(job.join("\0").as_bytes()).to_string();
        let id = id.get(..24).unwrap_or_default().to_owned();
        Self { folder: cache.place("host"), id, circumstances: circumstances().to_owned() }
    }

    /// The same for sources that have this digest.
    #[must_use]
    pub fn of_sources(mut self, digest: &str) -> Self {
        self.circumstances.push_str(digest);
        self
    }

    /// The programs by name, if they would be built as they are.
    pub fn recall(&self) -> Option<BTreeMap<String, PathBuf>> {
        let record = self.record()?;
        let there = self.paths(&record.state, record.programs.iter());
        let same = record.circumstances == self.circumstances && record.inputs.are_unchanged();
        (same && there.values().all(|path| path.is_file())).then_some(there)
    }

    /// Keeps programs that were built just now. What can't be told, or was changed meanwhile, is built again next
    /// time. Whoever has just recalled what was there before can still use it.
    ///
    /// # Errors
    /// When the cache can't be written.
    pub fn keep(
        &self,
        programs: &BTreeMap<String, Vec<u8>>,
        sources: Option<Sources>,
        watch: &Watch,
    ) -> Result<BTreeMap<String, PathBuf>, Failure> {
        let step = || format!("can't write to `{}`", self.folder.display());
        fs::create_dir_all(&self.folder).or_fail(Exit::Internal, step)?;
        let state = digest_of(programs);
        let folder = self.folder.join(&state);
        if !folder.is_dir() {
            let fresh = tempfile::Builder::new().prefix(".new-").tempdir_in(&self.folder);
            let fresh = fresh.or_fail(Exit::Internal, step)?;
            for (name, content) in programs {
                let path = fresh.path().join(name);
                fs::write(&path, content).or_fail(Exit::Internal, step)?;
                let mode = fs::Permissions::from_mode(0o755);
                fs::set_permissions(&path, mode).or_fail(Exit::Internal, step)?;
            }
            let moved = fs::rename(fresh.path(), &folder);
            // Somebody may have been at the same, with the same result.
            if !folder.is_dir() {
                moved.or_fail(Exit::Internal, step)?;
            }
        }
        // What was there before the last time has had its time. The same programs again are no other time.
        let (before, gone) = match self.record() {
            Some(record) if record.state == state => (record.before, None),
            Some(record) => (Some(record.state), record.before.filter(|gone| *gone != state)),
            None => (None, None),
        };
        let unchanged = |sources: &Sources| sources.0.changes().all(|changed| watch.0.is_after(changed));
        if let Some(Sources(inputs)) = sources.filter(unchanged) {
            let (circumstances, state) = (self.circumstances.clone(), state.clone());
            let record =
                Record { circumstances, inputs, state, before, programs: programs.keys().cloned().collect() };
            let json = serde_json::to_vec(&record).or_fail(Exit::Internal, step)?;
            let mut fresh = tempfile::NamedTempFile::new_in(&self.folder).or_fail(Exit::Internal, step)?;
            fresh.write_all(&json).or_fail(Exit::Internal, step)?;
            fresh.persist(self.record_path()).or_fail(Exit::Internal, step)?;
        }
        if let Some(gone) = gone {
            let _ = fs::remove_dir_all(self.folder.join(gone));
        }
        Ok(self.paths(&state, programs.keys()))
    }

    fn record_path(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.id))
    }

    fn record(&self) -> Option<Record> {
        serde_json::from_slice(&fs::read(self.record_path()).ok()?).ok()
    }

    fn paths<'n>(&self, state: &str, names: impl Iterator<Item = &'n String>) -> BTreeMap<String, PathBuf> {
        let folder = self.folder.join(state);
        names.map(|name| (name.clone(), folder.join(name))).collect()
    }
}

/// The name of the folder for these programs.
fn digest_of(programs: &BTreeMap<String, Vec<u8>>) -> String {
    let mut all = nacre_verify::digest::Hasher::new();
    for (name, content) in programs {
        all.update(Digest::of(name.as_bytes()).as_bytes());
        all.update(Digest::of(content).as_bytes());
    }
    all.finish().to_string()
}

/// What else decides: the variables that compilers look at, and this program, which says how they are started.
fn circumstances() -> &'static str {
    static KNOWN: OnceLock<String> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let prefixes = ["CARGO", "RUST", "PATH", "HOME", "NACRE_", "CC", "LD_", "SOURCE_DATE"];
        let mut all: Vec<String> = std::env::vars_os()
            .map(|(name, value)| format!("{}={}", name.display(), value.display()))
            .filter(|line| prefixes.iter().any(|prefix| line.starts_with(prefix)))
            .collect();
        all.sort();
        let own = std::env::current_exe().ok().and_then(|path| fs::metadata(path).ok());
        let own = own.map(|own| (own.len(), own.modified().ok()));
        Digest::of(format!("{own:?}\0{}", all.join("\0")).as_bytes()).to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_kept_until_what_they_were_made_from_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (sources, host) = (folder.path().join("src"), folder.path().join("host"));
        fs::create_dir(&sources).unwrap();
        fs::create_dir(&host).unwrap();
        fs::write(sources.join("main.c"), "1").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
        let at = |circumstances: &str| Kept {
            folder: host.clone(),
            id: "job".into(),
            circumstances: circumstances.into(),
        };
        let (kept, other) = (at("here"), at("there"));
        assert!(kept.recall().is_none());
        let look = || Inputs::named(&[], std::slice::from_ref(&sources)).map(Sources);
        let programs = BTreeMap::from([("main".to_owned(), b"program".to_vec())]);
        for _ in 0..2 {
            let made = kept.keep(&programs, look(), &Watch::begin()).unwrap();
            assert_eq!(fs::read(&made["main"]).unwrap(), b"program");
            assert_eq!(kept.recall().unwrap(), made);
        }
        assert!(other.recall().is_none(), "other circumstances");
        fs::write(sources.join("new.c"), "2").unwrap();
        assert!(kept.recall().is_none(), "another source");
        // Another program: the one before is still there for who has just found it, the one before that is not.
        let before = kept.keep(&programs, look(), &Watch::begin()).unwrap();
        let version = |text: &str| BTreeMap::from([("main".to_owned(), text.as_bytes().to_vec())]);
        std::thread::sleep(std::time::Duration::from_millis(50));
        for (text, there) in [("second", true), ("third", false)] {
            kept.keep(&version(text), look(), &Watch::begin()).unwrap();
            assert_eq!(fs::read(&kept.recall().unwrap()["main"]).unwrap(), text.as_bytes());
            assert_eq!(before["main"].is_file(), there, "{text}");
        }
        // Changed while it was built: used once, and not kept.
        let watch = Watch::begin();
        fs::write(sources.join("main.c"), "3").unwrap();
        assert!(kept.keep(&programs, look(), &watch).unwrap()["main"].is_file());
        assert!(kept.recall().is_none());
    }
}
