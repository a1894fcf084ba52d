//! Kernel start to the first line of an app, beside a busybox init that starts the same program on the
//! same kernel in the same VM.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::peer::{Peer, Root, app_image, make_root, program};
use crate::programs::{Programs, command, run};
use crate::same_job::SameJob;
use crate::samples::Samples;
use crate::table::Row;
use crate::vm::{Vm, qemu_of};

/// An image whose only app says when it runs.
const RECIPE: &str = "tests/images/bench.yaml";
/// The keys that sign it: a production image takes no development keys.
const KEYS: &str = "bench";
pub(crate) const APP: &str = "hello";

const ROUNDS: usize = 15;
/// How long a boot may take, as `nacre run` wants it.
const PATIENCE: &str = "120s";

/// How long `nacre run` may take to end its VM.
const GRACE: Duration = Duration::from_secs(3);

/// When the app's line came.
#[derive(Debug)]
struct Boot {
    /// Since the kernel's start, as the app says.
    guest: Duration,
    /// Since the command that starts the VM.
    wall: Duration,
}

/// What the disk of an image is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    /// As built: the first boot of a device.
    Fresh,
    /// From an earlier boot, which ended with a shutdown.
    Settled,
}

/// Builds the image as devices in use have it: a development image also asks the app manager about calls that are
/// allowed, the first of them the app's own start.
pub(crate) fn build(programs: &Programs, checkout: &Path, out: &Path) -> Result<PathBuf> {
    let recipe = checkout.join(RECIPE);
    let text = fs::read_to_string(&recipe)?.replace("profile: development", "profile: production");
    fs::write(&recipe, text)?;
    let keys = std::env::var_os("NACRE_KEYS").ok_or("NACRE_KEYS is not set")?;
    if !Path::new(&keys).join(KEYS).exists() {
        run(&mut command(&programs.nacre, &["key", "new", KEYS]))?;
    }
    let mut nacre = command(&programs.nacre, &["build", RECIPE, "--keys", KEYS, "--out"]);
    run(nacre.arg(out).current_dir(checkout).env_remove("NACRE_SOURCE"))?;
    Ok(out.to_owned())
}

/// Boots all, in turns.
pub(crate) fn rows(programs: &Programs, image: &Path) -> Result<Vec<Row>> {
    let scratch = tempfile::tempdir()?;
    let scratch = scratch.path();
    let disk = image.join("run/disk.img");
    let settled = settle(programs, image, &disk, scratch)?;
    let program = program(programs, image, APP, scratch)?;
    let root = make_root(programs, &program, &format!("::once:/bin/{APP}\n"), scratch)?;
    let least = SameJob::with_system_calls(programs, &settled, scratch)?;
    let script = SameJob::with_busybox(programs, &settled, &app_image(APP, scratch), scratch)?;
    let mut peers = None;
    // Not counted: it also brings all files into the host's cache.
    boot_image(programs, image, Disk::Fresh, |nacre| {
        let like = |root| Peer::like(qemu_of(nacre)?, root, scratch);
        peers = Some((like(Root::Disk(&root))?, like(least.root())?, like(script.root())?));
        Ok(())
    })?;
    let (busybox, bare, scripted) = peers.ok_or("the guest said nothing before the app's line")?;
    let (mut first, mut later, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bares, mut scripts) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        first.push(boot_image(programs, image, Disk::Fresh, |_| Ok(()))?);
        // A boot that is measured ends without a shutdown: what it left is not used. All that was written is on the
        // host's disk before the next two, so that neither of them is measured while the host writes.
        fs::copy(&settled, &disk)?;
        nix::unistd::sync();
        theirs.push(boot_peer(&busybox)?);
        later.push(boot_image(programs, image, Disk::Settled, |_| Ok(()))?);
        least.renew()?;
        bares.push(boot_peer(&bare)?);
        script.renew()?;
        scripts.push(boot_peer(&scripted)?);
    }
    let times = |boots: &[Boot], time: fn(&Boot) -> Duration| Samples::new(boots.iter().map(time).collect());
    let guest = |boot: &Boot| boot.guest;
    let wall = |boot: &Boot| boot.wall;
    let row = |what: &str, ours: &[Boot], peer: &[Boot], time: fn(&Boot) -> Duration| -> Result<Row> {
        Ok(Row::of_times(what, &times(ours, time)?, &times(peer, time)?))
    };
    let what = "kernel start to first app line, production image; busybox init, same kernel, VM and program";
    let same = "the same; busybox init that mounts data and image, with group, namespaces and own root";
    let bare = "the same; bare system calls: the least that the kernel has to do for the design";
    let bound = "not ours but that least, without dm-verity and any program but the app; busybox init";
    let whole = "`nacre run` to that line, wall time; QEMU directly, nothing verified";
    Ok(vec![
        row(what, &later, &theirs, guest)?,
        row("the same, first boot of a disk; the same", &first, &theirs, guest)?,
        row(same, &later, &scripts, guest)?,
        row(bare, &later, &bares, guest)?,
        row(bound, &bares, &theirs, guest)?,
        row(whole, &later, &theirs, wall)?,
    ])
}

/// The disk after a first boot and its shutdown.
fn settle(programs: &Programs, image: &Path, disk: &Path, scratch: &Path) -> Result<PathBuf> {
    let mut vm = Vm::start(programs, image, &[])?;
    vm.wait_for(said)?;
    vm.power_off(programs, image)?;
    let settled = scratch.join("settled.img");
    fs::copy(disk, &settled)?;
    Ok(settled)
}

fn boot_peer(peer: &Peer) -> Result<Boot> {
    let mut qemu = peer.command(None);
    qemu.stderr(Stdio::inherit());
    first_line(qemu, Duration::ZERO, |_| Ok(()))
}

/// Boots the image; `look` gets the child while the guest runs.
fn boot_image(
    programs: &Programs,
    image: &Path,
    disk: Disk,
    look: impl FnOnce(&Child) -> Result<()>,
) -> Result<Boot> {
    let mut nacre = command(&programs.nacre, &["run", "--timeout", PATIENCE]);
    if disk == Disk::Fresh {
        nacre.arg("--fresh");
    }
    nacre.args(["--expect", "hello: up [0-9]+ ms"]).arg(image).stderr(Stdio::null());
    first_line(nacre, GRACE, look).map_err(|error| {
        format!("{error}\nhint: `{} run {}` shows why", programs.nacre.display(), image.display()).into()
    })
}

/// Starts a VM whose console is standard output, and waits for the app's line; what has not ended by itself
/// after `grace` is ended then.
fn first_line(mut vm: Command, grace: Duration, look: impl FnOnce(&Child) -> Result<()>) -> Result<Boot> {
    let begin = Instant::now();
    let mut child = vm.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let found = wait_for_line(&mut child, begin, look);
    end(&mut child, grace)?;
    found
}

/// `nacre run` ends after the line, and QEMU with it; QEMU alone does not.
fn end(child: &mut Child, grace: Duration) -> Result<()> {
    let until = Instant::now() + grace;
    while child.try_wait()?.is_none() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    // It fails only if the process has ended.
    let _ = child.kill();
    child.wait()?;
    Ok(())
}

fn wait_for_line(child: &mut Child, begin: Instant, look: impl FnOnce(&Child) -> Result<()>) -> Result<Boot> {
    let mut look = Some(look);
    let console = child.stdout.take().ok_or("the VM has no console")?;
    let mut last = Vec::new();
    for line in BufReader::new(console).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
        if let Some(guest) = said(&line) {
            return Ok(Boot { guest, wall: begin.elapsed() });
        }
        if let Some(look) = look.take() {
            look(child)?;
        }
        last.push(line);
    }
    let tail: Vec<String> = last.into_iter().rev().take(15).rev().collect();
    Err(format!("the VM ended before the app's line:\n{}", tail.join("\n")).into())
}

/// The time in a line of the app: `up 1234 ms`, with or without what the app manager puts before it.
fn said(line: &str) -> Option<Duration> {
    let text = line.rsplit_once("hello: ").map_or(line, |(_, text)| text);
    let ms = text.strip_prefix("up ")?.strip_suffix(" ms")?;
    ms.parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_the_app_is_found_with_and_without_the_app_manager() {
        let table = [
            ("up 1234 ms", Some(1234)),
            ("[    1.240] hello: up 1234 ms", Some(1234)),
            ("[    1.240] init: up", None),
            ("up many ms", None),
        ];
        for (line, ms) in table {
            assert_eq!(said(line), ms.map(Duration::from_millis), "{line}");
        }
    }
}
