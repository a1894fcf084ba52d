//! What an app may use up: its group in cgroup v2 (kernel: `admin-guide/cgroup-v2.rst`).

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nacre_manifest::device::Limits;
use nacre_sys::file::read_text_in;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::{mkdir, write};

/// Controllers that apps are held by.
const CONTROLLERS: &str = "+memory +pids +cpu";

/// Period over which `cpu.max` is counted, in microseconds: the kernel's default.
const CPU_PERIOD_US: u64 = 100_000;

/// Longest file of a group that is read, in bytes; `memory.events` has six short lines.
const FILE_BYTES: u64 = 1024;

/// Smallest quota that the kernel takes, in microseconds.
const CPU_QUOTA_MIN_US: u64 = 1_000;

/// A file of a cgroup could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{step} {}", .path.display())]
pub(crate) struct CgroupError {
    step: &'static str,
    path: PathBuf,
    source: Errno,
}

/// Makes the group of all apps, and hands the controllers on to theirs. Those of the root are init's work, and this
/// process was started in a group of its own. Gives the folder that the apps' groups go into.
pub(crate) fn prepare(root: &Path) -> Result<PathBuf, CgroupError> {
    let (apps, _) = create(root.join("apps"))?;
    apps.write("cgroup.subtree_control", CONTROLLERS)?;
    Ok(apps.path)
}

/// The group of one app. Its folder is held open: its files are used often, and their paths are long.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    folder: OwnedFd,
}

impl Cgroup {
    /// Makes the group with its limits, and empties it: an earlier app manager may have left processes.
    pub(crate) fn create(path: PathBuf, limits: &Limits) -> Result<Self, CgroupError> {
        let (group, found) = create(path)?;
        if found == Found::There {
            group.kill()?;
        }
        for (file, value) in settings(limits) {
            group.write(file, &value)?;
        }
        // Only there in kernels with swap.
        match group.write("memory.swap.max", "0") {
            Err(error) if error.source != Errno::ENOENT => Err(error),
            _ => Ok(group),
        }
    }

    /// Its folder, for starting a process in it.
    pub(crate) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// A file of it, for reading.
    pub(crate) fn open_file(&self, name: &str) -> nix::Result<File> {
        openat(&self.folder, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).map(File::from)
    }

    /// Kills every process in it.
    pub(crate) fn kill(&self) -> Result<(), CgroupError> {
        self.write("cgroup.kill", "1")
    }

    /// Memory charged to it, in KiB.
    pub(crate) fn memory_kib(&self) -> u32 {
        let bytes: u64 = self.read("memory.current").trim().parse().unwrap_or(0);
        u32::try_from(bytes / 1024).unwrap_or(u32::MAX)
    }

    /// How often the kernel killed in it for want of memory.
    pub(crate) fn oom_kills(&self) -> u64 {
        oom_kills(&self.memory_events())
    }

    /// What has become of its memory, a count in each line.
    pub(crate) fn memory_events(&self) -> String {
        self.read("memory.events")
    }

    /// What a file of it says; nothing if it is not there.
    pub(crate) fn read(&self, file: &str) -> String {
        read_text_in(&self.folder, Path::new(file), FILE_BYTES).unwrap_or_default()
    }

    fn write(&self, file: &str, value: &str) -> Result<(), CgroupError> {
        let open = openat(&self.folder, file, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty());
        let written = open.and_then(|opened| write(&opened, value.as_bytes()));
        written.map(drop).map_err(|source| CgroupError { step: "write", path: self.path.join(file), source })
    }
}

fn settings(limits: &Limits) -> [(&'static str, String); 4] {
    let quota = u64::from(limits.cpu_permille).saturating_mul(CPU_PERIOD_US / 1000).max(CPU_QUOTA_MIN_US);
    [
        ("memory.max", limits.memory_bytes.to_string()),
        ("memory.oom.group", "1".into()),
        ("pids.max", limits.tasks.to_string()),
        ("cpu.max", format!("{quota} {CPU_PERIOD_US}")),
    ]
}

/// The same from the text of `memory.events`.
pub(crate) fn oom_kills(events: &str) -> u64 {
    let count = |line: &str| match line.split_once(' ') {
        Some(("oom_kill" | "oom_group_kill", count)) => count.parse().unwrap_or(0),
        _ => 0u64,
    };
    events.lines().map(count).fold(0, u64::saturating_add)
}

/// Whether a group was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It is new, and empty.
    New,
    There,
}

fn create(path: PathBuf) -> Result<(Cgroup, Found), CgroupError> {
    let failed = |step, source, path: &Path| CgroupError { step, path: path.into(), source };
    let found = match mkdir(&path, Mode::from_bits_truncate(0o755)) {
        Ok(()) => Found::New,
        Err(Errno::EEXIST) => Found::There,
        Err(source) => return Err(failed("create", source, &path)),
    };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let folder = open(&path, flags, Mode::empty()).map_err(|source| failed("open", source, &path))?;
    Ok((Cgroup { path, folder }, found))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LIMITS: Limits =
        Limits { memory_bytes: 4 << 20, tasks: 8, cpu_permille: 250, open_files: 32, tmp_bytes: 262_144 };

    fn fake(dir: &Path, files: &[&str]) {
        fs::create_dir_all(dir).unwrap();
        for file in files {
            fs::write(dir.join(file), "").unwrap();
        }
    }

    #[test]
    fn group_created_has_the_limits_of_the_manifest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("org.nacre.a");
        fake(&path, &["memory.max", "memory.oom.group", "pids.max", "cpu.max", "cgroup.kill"]);
        Cgroup::create(path.clone(), &LIMITS).unwrap();
        for (file, value) in [
            ("memory.max", "4194304"),
            ("memory.oom.group", "1"),
            ("pids.max", "8"),
            ("cpu.max", "25000 100000"),
            ("cgroup.kill", "1"),
        ] {
            assert_eq!(fs::read_to_string(path.join(file)).unwrap(), value, "{file}");
        }
        assert!(!path.join("memory.swap.max").exists());
    }

    #[test]
    fn group_without_a_controller_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fake(&path, &["memory.max", "memory.oom.group", "cpu.max", "cgroup.kill"]);
        let error = Cgroup::create(path, &LIMITS).unwrap_err();
        assert!(error.to_string().ends_with("a/pids.max"), "{error}");
    }

    #[test]
    fn tiny_cpu_share_is_the_least_that_the_kernel_takes() {
        let [.., (_, cpu)] = settings(&Limits { cpu_permille: 1, ..LIMITS });
        assert_eq!(cpu, "1000 100000");
    }

    #[test]
    fn oom_kills_are_counted_from_both_lines() {
        assert_eq!(oom_kills("low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 1\n"), 2);
        assert_eq!(oom_kills(""), 0);
    }
}
