//! The external programs that the builder may start: this list and no other.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::failure::{Exit, Failure, OrFail};

/// A program of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Makes the app images.
    MkfsErofs,
    /// Unpacks app images for a comparison.
    FsckErofs,
    /// Makes the data filesystem.
    Mke2fs,
    /// Fills the data filesystem without root.
    Debugfs,
    /// Adds the quota files after the data filesystem is filled.
    Tune2fs,
    /// Judges the data filesystem.
    E2fsck,
}

impl Program {
    /// Name of the executable.
    pub fn name(self) -> &'static str {
        match self {
            Self::MkfsErofs => "mkfs.erofs",
            Self::FsckErofs => "fsck.erofs",
            Self::Mke2fs => "mke2fs",
            Self::Debugfs => "debugfs",
            Self::Tune2fs => "tune2fs",
            Self::E2fsck => "e2fsck",
        }
    }

    /// Debian's package that has it.
    pub fn package(self) -> &'static str {
        match self {
            Self::MkfsErofs | Self::FsckErofs => "erofs-utils",
            Self::Mke2fs | Self::Debugfs | Self::Tune2fs | Self::E2fsck => "e2fsprogs",
        }
    }

    /// Checks that every one that a build needs is there, so that nobody learns of them one by one.
    pub fn check_all() -> Result<(), Failure> {
        let all = [Self::MkfsErofs, Self::Mke2fs, Self::Debugfs, Self::Tune2fs, Self::E2fsck];
        let missing: Vec<Self> = all.into_iter().filter(|program| program.find().is_err()).collect();
        if let [only] = missing.as_slice() {
            return only.find().map(drop);
        }
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = missing.iter().map(|program| format!("`{}`", program.name())).collect();
        let mut packages: Vec<&str> = missing.iter().map(|program| program.package()).collect();
        packages.dedup();
        Err(Failure::new(Exit::NotFound, format!("{} are not installed", names.join(", ")))
            .hint(format!("install them: apt-get install {}", packages.join(" "))))
    }

    /// Where it is: in `PATH`, or in a folder of system programs that `PATH` often lacks.
    pub fn find(self) -> Result<PathBuf, Failure> {
        find_executable(self.name()).ok_or_else(|| {
            Failure::new(Exit::NotFound, format!("`{}` is not installed", self.name()))
                .hint(format!("install it: apt-get install {}", self.package()))
        })
    }

    /// A command with a fixed environment: the output depends on the arguments only.
    pub fn command(self) -> Result<Command, Failure> {
        let mut command = Command::new(self.find()?);
        command.env_clear().env("PATH", SYSTEM_FOLDERS.join(":")).env("LC_ALL", "C").env("TZ", "UTC");
        command.stdin(Stdio::null());
        Ok(command)
    }
}

const SYSTEM_FOLDERS: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Looks a program up in `PATH` and in the folders of system programs.
pub(crate) fn find_executable(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SYSTEM_FOLDERS.iter().map(PathBuf::from))
        .map(|folder| folder.join(name.as_ref()))
        .find(|p| p.is_file())
}

/// Runs a command to its end; what it wrote to stderr becomes the cause when it fails.
pub(crate) fn run(command: &mut Command, step: impl Fn() -> String) -> Result<Vec<u8>, Failure> {
    let output = command.output().or_fail(Exit::Internal, &step)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let tail = last.len().saturating_sub(12);
    let text = last.get(tail..).unwrap_or_default().join("\n");
    Err(Failure::new(Exit::Internal, step()).because(format!("{}: {text}", output.status)))
}
