//! Peers of the boot that do the job of ours, for the same app from the same data filesystem: one with bare system
//! calls, which is what nobody can do without, and one with busybox and a script.

use std::fs;
use std::path::{Path, PathBuf};

use nacre_seccomp_policy::{Arch, Options};

use crate::Result;
use crate::boot::APP;
use crate::partition;
use crate::peer::{BUSYBOX_LINKS, Root, pack};
use crate::programs::{Programs, command, run};

/// A disk of the image with another root filesystem in `slot-a`.
#[derive(Debug)]
pub(crate) struct SameJob {
    /// As it is before each boot.
    made: PathBuf,
    /// What is booted.
    disk: PathBuf,
}

impl SameJob {
    /// `least.c` as init.
    pub(crate) fn with_system_calls(programs: &Programs, settled: &Path, scratch: &Path) -> Result<Self> {
        let root = folders(&scratch.join("least"))?;
        let package = format!("-DPACKAGE=\"/data/packages/org.nacre.{APP}/app.img\"");
        let freestanding =
            ["-Os", "-mthumb", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector"];
        let mut cc = command(&programs.cross_cc, &freestanding);
        cc.args(["-fno-pie", "-no-pie", "-s", "-DDATA=\"/dev/vda4\"", &package, "-o"]);
        run(cc.arg(root.join("sbin/init")).arg(source("least.c")))?;
        let filter = nacre_seccomp_policy::compile(Arch::Armv7, &Options::default())?;
        fs::write(root.join("filter"), filter)?;
        Self::new(&pack(programs, &root, &[])?, settled, scratch.join("least.disk"))
    }

    /// busybox as init, which runs `rc.sh`; the app's image is in `slot-b`.
    pub(crate) fn with_busybox(
        programs: &Programs,
        settled: &Path,
        image: &Path,
        scratch: &Path,
    ) -> Result<Self> {
        let root = folders(&scratch.join("script"))?;
        fs::copy(&programs.busybox, root.join("sbin/init"))?;
        for name in ["rc.sh", "inside.sh"] {
            fs::copy(source(name), root.join("bin").join(name))?;
        }
        fs::write(root.join("etc/inittab"), "::once:/bin/sh /bin/rc.sh\n")?;
        let job = Self::new(&pack(programs, &root, &BUSYBOX_LINKS)?, settled, scratch.join("script.disk"))?;
        partition::write(&job.made, "slot-b", image)?;
        Ok(job)
    }

    fn new(squashfs: &Path, settled: &Path, disk: PathBuf) -> Result<Self> {
        let made = disk.with_extension("made");
        fs::copy(settled, &made)?;
        partition::write(&made, "slot-a", squashfs)?;
        Ok(Self { made, disk })
    }

    /// Undoes what a boot did to the disk: it ended without a shutdown.
    pub(crate) fn renew(&self) -> Result<()> {
        fs::copy(&self.made, &self.disk)?;
        Ok(())
    }

    /// What it is booted from.
    pub(crate) fn root(&self) -> Root<'_> {
        Root::SlotOf(&self.disk)
    }
}

/// A new folder with the mount points.
fn folders(root: &Path) -> Result<PathBuf> {
    for folder in ["bin", "data", "dev", "etc", "proc", "run", "sbin", "sys"] {
        fs::create_dir_all(root.join(folder))?;
    }
    Ok(root.to_owned())
}

/// A file of this crate's `programs`.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(name)
}
