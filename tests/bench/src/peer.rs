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
