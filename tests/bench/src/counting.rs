//! A QEMU whose guest's clock counts instructions, so that the load of this machine does not change what is measured.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::programs;

/// With this option, each instruction takes 8 ns of the guest's time (qemu(1), `-icount`).
pub(crate) const OPTION: &str = "-icount shift=3";

/// A folder for the beginning of the PATH, in which the board's QEMU has that option.
pub(crate) fn folder(work: &Path) -> Result<PathBuf> {
    let qemu = programs::find("qemu-system-arm", "qemu-system-arm")?;
    let folder = work.join("counting");
    fs::create_dir_all(&folder)?;
    let script = folder.join("qemu-system-arm");
    fs::write(&script, format!("#!/bin/sh\nexec {} {OPTION} \"$@\"\n", qemu.display()))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}
