//! The programs that are measured, and those that prepare it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

/// Where each one is.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    /// `nacre` of this checkout.
    pub(crate) nacre: PathBuf,
    /// busybox for the board.
    pub(crate) busybox: PathBuf,
    pub(crate) bwrap: PathBuf,
    pub(crate) unshare: PathBuf,
    pub(crate) mksquashfs: PathBuf,
    pub(crate) unsquashfs: PathBuf,
    pub(crate) veritysetup: PathBuf,
    pub(crate) fsck_erofs: PathBuf,
    pub(crate) tar: PathBuf,
    /// A C compiler for the board.
    pub(crate) cross_cc: PathBuf,
    /// Where `nacre run` looks for programs before anywhere else.
    pub(crate) first_in_path: Option<PathBuf>,
}

impl Programs {
    /// Finds all of them; an error names the first that is missing and the package that has it.
    pub(crate) fn find(nacre: &Path, busybox: &Path) -> Result<Self> {
        Ok(Self {
            nacre: ours(nacre)?,
            busybox: ours(busybox)?,
            bwrap: find("bwrap", "bubblewrap")?,
            unshare: find("unshare", "util-linux")?,
            mksquashfs: find("mksquashfs", "squashfs-tools")?,
            unsquashfs: find("unsquashfs", "squashfs-tools")?,
            veritysetup: find("veritysetup", "cryptsetup-bin")?,
            fsck_erofs: find("fsck.erofs", "erofs-utils")?,
            tar: find("tar", "tar")?,
            cross_cc: find("arm-linux-gnueabihf-gcc", "gcc-arm-linux-gnueabihf")?,
            first_in_path: None,
        })
    }
}

fn ours(path: &Path) -> Result<PathBuf> {
    let found = path.canonicalize();
    found.map_err(|error| format!("{}: {error}\nhint: `cargo xtask bench` makes it", path.display()).into())
}

/// A program of this machine; an error names the package that has it.
pub(crate) fn find(name: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Folders of system programs, which the PATH of a user often lacks.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file()).ok_or_else(|| {
        format!("`{name}` is not installed\nhint: apt-get install {package}; `cargo xtask bench` does it")
            .into()
    })
}

/// Runs a program to its end and returns its standard output; what it complained of is in the error.
pub(crate) fn run(command: &mut Command) -> Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("start `{name}`: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("`{name}` ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// `program` with arguments.
pub(crate) fn command<T: AsRef<OsStr>>(program: &Path, arguments: &[T]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}
