//! Nacre beside its peers: sets up what only the benchmark needs, and runs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Failure, cargo, root, run, say};
use crate::dist::dist;
use crate::run::{build_nacre, nacre, target};
use crate::setup::{self, Package};

/// The peers, and what makes their parts.
const PEERS: [Package; 4] = [
    ("bubblewrap", "bwrap, beside which the sandbox is measured"),
    ("squashfs-tools", "mksquashfs, beside which a rebuild is measured"),
    ("cryptsetup-bin", "veritysetup, beside which a rebuild is measured"),
    ("python3-yaml", "a reader of YAML, beside which a check is measured"),
];
/// The init beside which the boot is measured. It is for the board: installed here, it would take the
/// place of this machine's own busybox, so it is only unpacked.
const BUSYBOX: &str = "busybox-static:armhf";

/// Measures, prints the table and writes it to docs/SPECIFICATION.md; a part alone is only printed, but for
/// `memory` and `launch`, which have tables of their own.
pub(crate) fn bench(part: Option<&str>) -> Result<(), Failure> {
    setup::set_up_with(&PEERS)?;
    let busybox = busybox()?;
    build_nacre()?;
    dist()?;
    say("building the benchmark");
    run(cargo().args(["build", "--quiet", "--release", "--package", "nacre-bench"]))?;
    let mut bench = Command::new(target().join("release/nacre-bench"));
    bench.arg(nacre().get_program()).arg(busybox).args(part);
    // The image whose boot is measured is a production image, which no development key may sign.
    bench.env("NACRE_KEYS", target().join("bench/keys"));
    run(bench.current_dir(root()))
}

/// The program out of Debian's package.
fn busybox() -> Result<PathBuf, Failure> {
    let folder = target().join("bench/busybox");
    let program = folder.join("bin/busybox");
    if program.is_file() {
        return Ok(program);
    }
    say(&format!("unpacking {BUSYBOX}"));
    unpack(&folder).map_err(|error| {
        let remedy = "as root: dpkg --add-architecture armhf && apt-get update";
        Failure::new(format!("{error}\nhint: {BUSYBOX} is the peer of the boot benchmark; {remedy}"))
    })?;
    Ok(program)
}

fn unpack(folder: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::new(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    run(Command::new("apt-get").args(["download", "--quiet", BUSYBOX]).current_dir(folder))?;
    for entry in std::fs::read_dir(folder).map_err(failed)?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg-deb").arg("-x").arg(&path).arg(folder))?;
        }
    }
    Ok(())
}
