//! Kernel start to the first line of an app, beside a busybox init that starts the same program on the
//! same kernel in the same VM.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::programs::{Programs, command, run};
use crate::samples::Samples;
use crate::table::Row;

/// An image whose only app says when it runs.
pub(crate) const RECIPE: &str = "tests/images/bench.yaml";
const PACKAGE: &str = "org.nacre.hello.app";
const PROGRAM: &str = "app/bin/hello";

const ROUNDS: usize = 7;
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
    /// From the boot before, which ended without a shutdown.
    Kept,
}

/// Boots all, in turns.
pub(crate) fn rows(programs: &Programs, image: &Path) -> Result<Vec<Row>> {
    let scratch = tempfile::tempdir()?;
    let peer = Peer::prepare(programs, image, scratch.path())?;
    let (mut first, mut later, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        first.push(boot_image(programs, image, Disk::Fresh, |_| Ok(()))?);
        theirs.push(peer.boot()?);
        later.push(boot_image(programs, image, Disk::Kept, |_| Ok(()))?);
    }
    let samples =
        |boots: &[Boot], time: fn(&Boot) -> Duration| Samples::new(boots.iter().map(time).collect());
    let row = |what: &str, ours: &[Boot], time: fn(&Boot) -> Duration| -> Result<Row> {
        Ok(Row::of_times(what, &samples(ours, time)?, &samples(&theirs, time)?))
    };
    let guest = "kernel start to first app line, guest time; busybox init, same kernel, VM and program";
    Ok(vec![
        row(guest, &later, |boot| boot.guest)?,
        row("the same, first boot of a disk; the same", &first, |boot| boot.guest)?,
        row("`nacre run` to that line, wall time; QEMU directly, nothing verified", &later, |boot| {
            boot.wall
        })?,
    ])
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

/// A VM like that of `nacre run`, with busybox as its init.
#[derive(Debug)]
struct Peer {
    qemu: PathBuf,
    arguments: Vec<OsString>,
}

impl Peer {
    fn prepare(programs: &Programs, image: &Path, scratch: &Path) -> Result<Self> {
        let root = make_root(programs, image, scratch)?;
        let mut found = None;
        // Not counted: it also brings all files into the host's cache.
        boot_image(programs, image, Disk::Fresh, |nacre| {
            found = Some(Self::like(qemu_of(nacre)?, &root, scratch)?);
            Ok(())
        })?;
        found.ok_or_else(|| "the guest said nothing before the app's line".into())
    }

    /// Takes the arguments of a running QEMU; only disk, command line and sockets are others.
    fn like(pid: u32, root: &Path, scratch: &Path) -> Result<Self> {
        let line = fs::read(format!("/proc/{pid}/cmdline"))?;
        let words = line.split(|byte| *byte == 0).skip(1).map(|word| OsString::from_vec(word.to_vec()));
        let mut words = words.filter(|word| !word.is_empty());
        let mut arguments = Vec::new();
        while let Some(word) = words.next() {
            match word.to_str() {
                // Starts paused.
                Some("-S") => {}
                Some(option @ ("-append" | "-drive" | "-kernel" | "-dtb" | "-chardev")) => {
                    let value = words.next().ok_or("QEMU has an option without its value")?;
                    arguments.push(option.into());
                    arguments.push(other(option, &value, root, scratch)?);
                }
                _ => arguments.push(word),
            }
        }
        Ok(Self { qemu: fs::read_link(format!("/proc/{pid}/exe"))?, arguments })
    }

    fn boot(&self) -> Result<Boot> {
        let mut qemu = command(&self.qemu, &self.arguments);
        qemu.stderr(Stdio::inherit());
        first_line(qemu, Duration::ZERO, |_| Ok(()))
    }
}

/// What an option of QEMU is for the peer.
fn other(option: &str, value: &OsStr, root: &Path, scratch: &Path) -> Result<OsString> {
    let text = value.to_string_lossy();
    Ok(match option {
        "-append" => {
            let console = text.split(' ').find(|word| word.starts_with("console=")).unwrap_or_default();
            format!("{console} root=/dev/vda ro init=/sbin/init panic=1").into()
        }
        "-drive" => format!("if=none,id=disk,format=raw,readonly=on,file={}", root.display()).into(),
        // The files go with the VM that they were made for.
        "-kernel" | "-dtb" => {
            let copy = scratch.join(option);
            fs::copy(Path::new(OsStr::from_bytes(value.as_bytes())), &copy)?;
            copy.into_os_string()
        }
        _ => match text.split_once("path=") {
            Some((before, path)) => {
                let name = Path::new(path).file_name().ok_or("a socket of QEMU has no name")?;
                format!("{before}path={}", scratch.join(name).display()).into()
            }
            None => value.to_owned(),
        },
    })
}

/// The QEMU that `nacre run` started.
fn qemu_of(nacre: &Child) -> Result<u32> {
    for task in fs::read_dir(format!("/proc/{}/task", nacre.id()))? {
        let children = fs::read_to_string(task?.path().join("children"))?;
        for pid in children.split_whitespace() {
            if fs::read_to_string(format!("/proc/{pid}/comm"))?.starts_with("qemu-system") {
                return Ok(pid.parse()?);
            }
        }
    }
    Err("`nacre run` has no QEMU".into())
}

/// A root filesystem with busybox as init and the program of the signed package, nothing else. It has the
/// compression of ours, and no verity.
fn make_root(programs: &Programs, image: &Path, scratch: &Path) -> Result<PathBuf> {
    let package = scratch.join("package");
    fs::create_dir(&package)?;
    run(command(&programs.tar, &["-xf"]).arg(image.join(PACKAGE)).arg("-C").arg(&package))?;
    let app = scratch.join("app");
    let mut extract = OsString::from("--extract=");
    extract.push(&app);
    run(command(&programs.fsck_erofs, &[extract]).arg(package.join("app.img")))?;

    let root = scratch.join("peer");
    for folder in ["bin", "dev", "etc", "sbin"] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::copy(&programs.busybox, root.join("sbin/init"))?;
    fs::copy(app.join(PROGRAM), root.join("bin/hello"))?;
    fs::write(root.join("etc/inittab"), "::once:/bin/hello\n")?;
    let squashfs = scratch.join("peer.img");
    let options = ["-noappend", "-comp", "lz4", "-Xhc", "-b", "64K", "-all-root", "-quiet", "-no-progress"];
    let mut mksquashfs = command(&programs.mksquashfs, &[&root, &squashfs]);
    // A pseudo file: to make the console's device node otherwise takes root.
    run(mksquashfs.args(options).args(["-p", "/dev/console c 600 0 0 5 1"]))?;
    Ok(squashfs)
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

    #[test]
    fn option_of_the_peer_differs_in_disk_command_line_and_sockets_only() {
        let of = |option: &str, value: &str| {
            let other = other(option, OsStr::new(value), Path::new("/r.img"), Path::new("/s")).unwrap();
            other.into_string().unwrap()
        };
        let append = of("-append", "console=ttyAMA0 dm-mod.create=\"root\" root=/dev/dm-0");
        assert_eq!(append, "console=ttyAMA0 root=/dev/vda ro init=/sbin/init panic=1");
        assert_eq!(of("-drive", "x"), "if=none,id=disk,format=raw,readonly=on,file=/r.img");
        assert_eq!(of("-chardev", "socket,id=a,path=/t/port"), "socket,id=a,path=/s/port");
        assert_eq!(of("-chardev", "stdio,id=console"), "stdio,id=console");
    }
}
