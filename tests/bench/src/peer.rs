//! A VM like that of `nacre run`, in which a busybox init starts the same programs with nothing around them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::programs::{Programs, command, run};

/// QEMU and its arguments.
#[derive(Debug)]
pub(crate) struct Peer {
    qemu: PathBuf,
    arguments: Vec<OsString>,
}

/// Where the root filesystem of a peer is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Root<'a> {
    /// It is the whole disk, which is only read.
    Disk(&'a Path),
    /// It is in the partition `slot-a` of a disk like ours, which is written.
    SlotOf(&'a Path),
}

impl Peer {
    /// Takes the arguments of a running QEMU; only disk, command line, sockets and forwarded ports are others.
    /// What it needs besides `root` is copied to `scratch`.
    pub(crate) fn like(pid: u32, root: Root<'_>, scratch: &Path) -> Result<Self> {
        let line = fs::read(format!("/proc/{pid}/cmdline"))?;
        let words = line.split(|byte| *byte == 0).skip(1).map(|word| OsString::from_vec(word.to_vec()));
        let mut words = words.filter(|word| !word.is_empty());
        let mut arguments = Vec::new();
        while let Some(word) = words.next() {
            match word.to_str() {
                // Starts paused.
                Some("-S") => {}
                Some(option @ ("-append" | "-drive" | "-kernel" | "-dtb" | "-chardev" | "-netdev")) => {
                    let value = words.next().ok_or("QEMU has an option without its value")?;
                    arguments.push(option.into());
                    arguments.push(other(option, &value, root, scratch)?);
                }
                _ => arguments.push(word),
            }
        }
        Ok(Self { qemu: fs::read_link(format!("/proc/{pid}/exe"))?, arguments })
    }

    /// What starts it; the console is its standard output. TCP ports are forwarded from `port` of this machine.
    pub(crate) fn command(&self, port: Option<u16>) -> Command {
        let port = port.map_or_else(String::new, |port| port.to_string());
        let arguments = self.arguments.iter().map(|argument| match argument.to_str() {
            Some(text) => OsString::from(text.replace(PORT, &port)),
            None => argument.clone(),
        });
        command(&self.qemu, &arguments.collect::<Vec<_>>())
    }
}

/// Stands for the port of this machine, until it is known.
const PORT: &str = "@port@";

/// What an option of QEMU is for the peer.
fn other(option: &str, value: &OsStr, root: Root<'_>, scratch: &Path) -> Result<OsString> {
    let text = value.to_string_lossy();
    Ok(match option {
        "-append" => {
            // The board's own words come first.
            let board = text.split(" dm-mod.create=").next().unwrap_or_default();
            let device = match root {
                Root::Disk(_) => "/dev/vda",
                Root::SlotOf(_) => "/dev/vda2",
            };
            format!("{board} root={device} ro init=/sbin/init panic=1").into()
        }
        "-drive" => match root {
            Root::Disk(file) => format!("if=none,id=disk,format=raw,readonly=on,file={}", file.display()),
            Root::SlotOf(file) => format!("if=none,id=disk,format=raw,file={}", file.display()),
        }
        .into(),
        // The files go with the VM that they were made for.
        "-kernel" | "-dtb" => {
            let copy = scratch.join(option);
            fs::copy(Path::new(OsStr::from_bytes(value.as_bytes())), &copy)?;
            copy.into_os_string()
        }
        "-netdev" => match text.split_once("hostfwd=tcp:127.0.0.1:") {
            Some((before, rest)) => {
                let (_, guest) = rest.split_once('-').ok_or("a forwarded port leads nowhere")?;
                format!("{before}hostfwd=tcp:127.0.0.1:{PORT}-{guest}").into()
            }
            None => value.to_owned(),
        },
        _ => match text.split_once("path=") {
            Some((before, path)) => {
                let name = Path::new(path).file_name().ok_or("a socket of QEMU has no name")?;
                format!("{before}path={}", scratch.join(name).display()).into()
            }
            None => value.to_owned(),
        },
    })
}

/// The image of an app, once [`program`] has taken its program out.
pub(crate) fn app_image(app: &str, scratch: &Path) -> PathBuf {
    scratch.join(format!("{app}.package/app.img"))
}

/// Takes the program of an app out of its signed package.
pub(crate) fn program(programs: &Programs, image: &Path, app: &str, scratch: &Path) -> Result<PathBuf> {
    let package = scratch.join(format!("{app}.package"));
    fs::create_dir(&package)?;
    let file = image.join(format!("org.nacre.{app}.app"));
    run(command(&programs.tar, &["-xf"]).arg(file).arg("-C").arg(&package))?;
    let tree = scratch.join(format!("{app}.tree"));
    let mut extract = OsString::from("--extract=");
    extract.push(&tree);
    run(command(&programs.fsck_erofs, &[extract]).arg(package.join("app.img")))?;
    Ok(tree.join("app/bin").join(app))
}

/// A root filesystem with busybox as init, a program in `/bin` and `/etc/inittab`, nothing else.
pub(crate) fn make_root(
    programs: &Programs,
    program: &Path,
    inittab: &str,
    scratch: &Path,
) -> Result<PathBuf> {
    let name = program.file_name().ok_or("a program has no name")?;
    let root = scratch.join("peer");
    for folder in ["bin", "dev", "etc", "proc", "sbin"] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::copy(&programs.busybox, root.join("sbin/init"))?;
    fs::copy(program, root.join("bin").join(name))?;
    fs::write(root.join("etc/inittab"), inittab)?;
    pack(programs, &root, &BUSYBOX_LINKS)
}

/// busybox under the names by which it is called.
pub(crate) const BUSYBOX_LINKS: [&str; 2] =
    ["/bin/busybox s 777 0 0 ../sbin/init", "/bin/sh s 777 0 0 ../sbin/init"];

/// Packs a folder with the console's device node and these pseudo files (mksquashfs(1)) into a squashfs beside it. It
/// has the compression of our root filesystem, and no verity.
pub(crate) fn pack(programs: &Programs, root: &Path, pseudo: &[&str]) -> Result<PathBuf> {
    let squashfs = root.with_extension("img");
    let options = ["-noappend", "-comp", "lz4", "-Xhc", "-b", "64K", "-all-root", "-quiet", "-no-progress"];
    let mut mksquashfs = command(&programs.mksquashfs, &[root, &squashfs]);
    // A pseudo file too: to make it otherwise takes root.
    let pseudo = ["/dev/console c 600 0 0 5 1"].iter().chain(pseudo);
    run(mksquashfs.args(options).args(pseudo.flat_map(|file| ["-p", file])))?;
    Ok(squashfs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_of_the_peer_differs_in_disk_command_line_sockets_and_ports_only() {
        let with = |root, option: &str, value: &str| {
            other(option, OsStr::new(value), root, Path::new("/s")).unwrap().into_string().unwrap()
        };
        let of = |option: &str, value: &str| with(Root::Disk(Path::new("/r.img")), option, value);
        let append = of("-append", "console=ttyAMA0 slab_nomerge dm-mod.create=\"root\" root=/dev/dm-0");
        assert_eq!(append, "console=ttyAMA0 slab_nomerge root=/dev/vda ro init=/sbin/init panic=1");
        assert_eq!(of("-drive", "x"), "if=none,id=disk,format=raw,readonly=on,file=/r.img");
        let slot = Root::SlotOf(Path::new("/d.img"));
        assert_eq!(with(slot, "-drive", "x"), "if=none,id=disk,format=raw,file=/d.img");
        assert!(with(slot, "-append", "a").starts_with("a root=/dev/vda2 ro "));
        assert_eq!(of("-chardev", "socket,id=a,path=/t/port"), "socket,id=a,path=/s/port");
        assert_eq!(of("-chardev", "stdio,id=console"), "stdio,id=console");
        let netdev = of("-netdev", "user,id=n,hostfwd=tcp:127.0.0.1:38095-:8080");
        assert_eq!(netdev, "user,id=n,hostfwd=tcp:127.0.0.1:@port@-:8080");
        let peer = Peer { qemu: "/q".into(), arguments: vec![netdev.into()] };
        let command = peer.command(Some(81));
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["user,id=n,hostfwd=tcp:127.0.0.1:81-:8080"]);
    }
}
