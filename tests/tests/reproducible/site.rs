//! A place where an image is built: its own copy of the sources, and its own surroundings.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use nacre_tests::image::Board;
use nacre_tests::nacre::{judge, nacre, root, text};

/// The user that [`Site::for_nobody`] builds as.
const NOBODY: &str = "65534";
/// Where programs are that every user may start.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A place to build in.
pub(crate) struct Site {
    folder: PathBuf,
    checkout: PathBuf,
    umask: &'static str,
    variables: Vec<(&'static str, String)>,
    /// What starts `nacre`, and with it the build.
    wrapper: Vec<String>,
    program: PathBuf,
}

impl Site {
    /// A folder with a copy of the sources at `checkout` in it. Every file is of the time that is given, in
    /// seconds since 1970.
    pub(crate) fn new(folder: PathBuf, checkout: &str, sources: &Path, seconds: u64) -> Self {
        let checkout = folder.join(checkout);
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root())
            .output()
            .expect("git starts");
        assert!(listed.status.success(), "{}", text(&listed));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for name in String::from_utf8_lossy(&listed.stdout).split('\0') {
            let (from, to) = (sources.join(name), checkout.join(name));
            // Removed, but still in the index.
            if !from.is_file() {
                continue;
            }
            fs::create_dir_all(to.parent().expect("a file is in a folder")).expect("the folder is writable");
            fs::copy(&from, &to).expect("the file can be copied");
            let file = File::options().write(true).open(&to).expect("the copy is there");
            file.set_times(FileTimes::new().set_modified(time)).expect("the copy is ours");
        }
        let home = folder.join("home");
        fs::create_dir_all(&home).expect("the folder is writable");
        let keys = folder.join("keys").display().to_string();
        // What is named here would otherwise follow from HOME.
        let variables = vec![
            ("HOME", home.display().to_string()),
            ("NACRE_KEYS", keys),
            ("CARGO_HOME", of_home("CARGO_HOME", ".cargo").display().to_string()),
            ("RUSTUP_HOME", of_home("RUSTUP_HOME", ".rustup").display().to_string()),
        ];
        let program = PathBuf::from(nacre().get_program());
        Self { folder, checkout, umask: "0022", variables, wrapper: Vec::new(), program }
    }

    /// The copy of the sources.
    pub(crate) fn checkout(&self) -> &Path {
        &self.checkout
    }

    /// Sets a variable.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Another umask, time zone, language and number of jobs than a build has by itself.
    pub(crate) fn elsewhere(mut self) -> Self {
        self.umask = "0077";
        self.with("TZ", "Asia/Kathmandu")
            .with("LANG", "tr_TR.UTF-8")
            .with("LC_ALL", "tr_TR.UTF-8")
            .with("CARGO_BUILD_JOBS", "1")
            .with("USER", "somebody")
            .with("LOGNAME", "somebody")
    }

    /// On one CPU of those that this process may use: make(1) for the kernel then does one thing at a time.
    pub(crate) fn on_one_cpu(mut self) -> Self {
        let status = fs::read_to_string("/proc/self/status").expect("a process has a status");
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let first = allowed.unwrap_or("0").trim().split([',', '-']).next().unwrap_or("0").to_owned();
        self.wrapper.extend(["taskset".to_owned(), "--cpu-list".to_owned(), first]);
        self
    }

    /// An empty cache of its own.
    pub(crate) fn with_empty_cache(self) -> Self {
        let cache = self.folder.join("cache").display().to_string();
        self.with("NACRE_CACHE", cache)
    }

    /// Signs with the keys of another site.
    pub(crate) fn with_keys_of(self, other: &Self) -> Self {
        copy(&other.folder.join("keys"), &self.folder);
        self
    }

    /// Builds as another user, who can read nothing of this one. Call it last: the site becomes theirs.
    pub(crate) fn for_nobody(mut self) -> Self {
        let registry = of_home("CARGO_HOME", ".cargo").join("registry");
        let cargo = self.folder.join("cargo");
        fs::create_dir_all(&cargo).expect("the folder is writable");
        if registry.is_dir() {
            copy(&registry, &cargo);
        }
        let program = self.folder.join("nacre");
        fs::copy(&self.program, &program).expect("the program can be copied");
        self.program = program;
        self.wrapper.splice(0..0, DROP.map(str::to_owned));
        judge("chown", &["-R", &format!("{NOBODY}:{NOBODY}"), &self.folder.to_string_lossy()]);
        self.with("CARGO_HOME", cargo.display().to_string())
    }

    /// Builds the demo image for a board; answers with its folder.
    pub(crate) fn build(&self, board: Board) -> PathBuf {
        let out = self.folder.join(format!("out-{}", board.name));
        let words = ["build", "recipes/images/demo.yaml", "--board", board.name, "--out"];
        self.run(&self.checkout, words.iter().map(AsRef::as_ref).chain([out.as_os_str()]));
        out
    }

    /// Begins the template's app in a language, outside of the checkout, and builds it; answers with its package.
    pub(crate) fn app(&self, language: &str) -> Vec<u8> {
        let name = format!("greeter-{language}");
        let out = self.folder.join(format!("{name}.app"));
        let words = ["app", "new", &name, "--lang", language];
        self.run(&self.folder, words.iter().map(AsRef::as_ref));
        let words = ["app", "build", &name, "--out"];
        self.run(&self.folder, words.iter().map(AsRef::as_ref).chain([out.as_os_str()]));
        fs::read(&out).expect("the build leaves it")
    }

    fn run<'a>(&self, folder: &Path, words: impl Iterator<Item = &'a OsStr>) {
        let mut command = Command::new("sh");
        command
            .args(["-euc", "umask \"$0\"; exec \"$@\"", self.umask])
            .args(&self.wrapper)
            .arg(&self.program)
            .args(words);
        command.current_dir(folder).env("NACRE_SOURCE", &self.checkout).env("NO_COLOR", "1");
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        let output = command.output().expect("sh starts");
        assert!(output.status.success(), "{command:?}:\n{}", text(&output));
    }
}

/// What starts a program as [`NOBODY`].
const DROP: [&str; 6] = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"];

/// `PATH` for builds of two users, if there can be two: this one is root, and cargo is where all can reach it.
pub(crate) fn path_for_two_users() -> Option<&'static str> {
    if judge("id", &["-u"]).trim() != "0" {
        eprintln!("not built as another user: only root can become one");
        return None;
    }
    let (program, arguments) = DROP.split_first()?;
    let mut cargo = Command::new(program);
    cargo.args(arguments).args(["cargo", "--version"]).env("PATH", SYSTEM_PATH).current_dir("/");
    if cargo.output().is_ok_and(|output| output.status.success()) {
        return Some(SYSTEM_PATH);
    }
    eprintln!("not built as another user: no cargo in {SYSTEM_PATH} that they could start");
    None
}

/// The cache that builds of this user share.
pub(crate) fn shared_cache() -> PathBuf {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    match (set("NACRE_CACHE"), set("XDG_CACHE_HOME")) {
        (Some(own), _) => std::path::absolute(own).expect("a path"),
        (None, Some(caches)) if caches.is_absolute() => caches.join("nacre"),
        _ => home().join(".cache/nacre"),
    }
}

/// What `nacre` keeps of built programs, out of sight while both builds are made; back in its place when this is dropped,
/// or every later build on this machine would compile them once more. One at a time.
pub(crate) struct Aside {
    kept: Vec<PathBuf>,
    _alone: MutexGuard<'static, ()>,
}

/// Puts it aside.
pub(crate) fn put_aside(cache: &Path) -> Aside {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let targets = fs::read_dir(cache.join("device")).into_iter().flatten().flatten();
    let kept = targets.map(|target| target.path().join("programs"));
    Aside { kept: kept.filter(|kept| move_over(kept, &aside(kept))).collect(), _alone: alone }
}

/// Where it is meanwhile.
fn aside(kept: &Path) -> PathBuf {
    kept.with_extension("aside")
}

fn move_over(from: &Path, to: &Path) -> bool {
    let _not_there = fs::remove_dir_all(to);
    fs::rename(from, to).is_ok()
}

impl Drop for Aside {
    fn drop(&mut self) {
        for kept in &self.kept {
            move_over(&aside(kept), kept);
        }
    }
}

/// Has cargo build the programs of this checkout again, but not the standard library and the dependencies.
pub(crate) fn forget_programs(cache: &Path) {
    const OURS: [&str; 7] = ["nacre-", "init-", "appmgr-", "netd-", "panel-", "recorder-", "reporter-"];
    /// Cargo's profiles: of the OS's programs, and of apps in an image for development.
    const PROFILES: [&str; 2] = ["device", "device-development"];
    for target in fs::read_dir(cache.join("device")).into_iter().flatten().flatten() {
        for profile in PROFILES {
            // Builds hold this while cargo runs.
            let Ok(lock) = File::create(target.path().join(format!("{profile}.lock"))) else { continue };
            lock.lock().expect("a file can be locked");
            // What nacre itself keeps of them.
            let _ = fs::remove_dir_all(target.path().join("programs"));
            let triples = fs::read_dir(target.path()).into_iter().flatten().flatten();
            for known in triples.map(|triple| triple.path().join(profile).join(".fingerprint")) {
                for entry in fs::read_dir(known).into_iter().flatten().flatten() {
                    let name = entry.file_name();
                    if OURS.iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
                        fs::remove_dir_all(entry.path()).expect("the cache is ours");
                    }
                }
            }
        }
    }
}

/// A temporary folder that other users can reach.
pub(crate) fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    folder
}

fn copy(from: &Path, into: &Path) {
    judge("cp", &["-R", &from.to_string_lossy(), &into.to_string_lossy()]);
}

fn home() -> PathBuf {
    env::var_os("HOME").map(PathBuf::from).expect("HOME is set")
}

/// The folder that a variable names, or else the one in the home.
fn of_home(variable: &str, folder: &str) -> PathBuf {
    env::var_os(variable).filter(|value| !value.is_empty()).map_or_else(|| home().join(folder), PathBuf::from)
}
