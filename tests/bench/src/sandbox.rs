//! Start of a sandboxed program on this machine: the launcher as the app manager starts it, a fork of this program,
//! beside `bwrap` and `unshare`.
//!
//! It needs root, and a mount namespace of its own, which goes with everything that was mounted in it:
//! [`rows`] starts this program again in one.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nacre_sandbox::{LaunchSpec, MAX_REPORT_BYTES, Plan, carry_out};
use nacre_seccomp_policy::{Arch, Options};
use nacre_sys::fork::{ForkRequest, fork};
use nacre_sys::spawn::{PidNamespace, SpawnRequest, Spawned, spawn};
use nix::mount::{MsFlags, mount};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Uid;

use crate::Result;
use crate::programs::{Programs, command, run};
use crate::samples::Samples;
use crate::table::Row;

/// First argument of the process that measures.
pub(crate) const MEASURE: &str = "--measure-sandboxes";

const ROUNDS: usize = 200;
/// Not counted: the first ones read programs from disk.
const WARM_UP: usize = 5;
/// The app's uid.
const UID: u32 = 20_000;

/// Names of what is measured, in the order of the lines that come back.
const CONTENDERS: [&str; 5] = ["launcher", "bwrap with the same mounts", "bwrap", "unshare", "nothing"];

/// Starts all of them, in turns.
pub(crate) fn rows(programs: &Programs) -> Result<Vec<Row>> {
    let scratch = tempfile::tempdir()?;
    // The app's uid has to reach what is mounted there.
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755))?;
    let program = scratch.path().join("exit");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/exit.rs");
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition", "2024", "-Copt-level=s", "-Cpanic=abort", "-Ctarget-feature=+crt-static", "-o"]);
    run(rustc.arg(&program).arg(source).current_dir(crate::root()))?;

    let mut words = vec![programs.unshare.as_os_str(), "-m".as_ref(), "--propagation".as_ref()];
    let this = std::env::current_exe()?;
    words.extend(["private".as_ref(), this.as_os_str(), MEASURE.as_ref(), scratch.path().as_os_str()]);
    words.push(program.as_os_str());
    words.extend([programs.bwrap.as_os_str(), programs.unshare.as_os_str()]);
    if !Uid::effective().is_root() {
        words.insert(0, "sudo".as_ref());
    }
    let (first, rest) = words.split_first().ok_or("no program")?;
    let output = run(&mut command(Path::new(first), rest)).map_err(|error| {
        format!("{error}\nhint: starting sandboxes needs root; run this as root or have sudo")
    })?;
    let text = String::from_utf8(output)?;
    let mut times = text.lines().map(|line| {
        let nanos = line.split(' ').map(|word| Ok(Duration::from_nanos(word.parse()?)));
        Samples::new(nanos.collect::<Result<_>>()?)
    });
    let mut next = || times.next().unwrap_or_else(|| Err("fewer were measured than asked for".into()));
    let [ours, same, bare, unshare, nothing] = [next()?, next()?, next()?, next()?, next()?];
    let peers = [
        ("sandbox start to exit, all layers; `bwrap --unshare-all` with the same mounts", same),
        ("the same; `bwrap --unshare-all` with nothing but its root", bare),
        ("the same; `unshare` with the same namespaces, no mounts", unshare),
        ("the same; the program without any sandbox", nothing),
    ];
    Ok(peers.iter().map(|(what, peer)| Row::of_times(what, &ours, peer)).collect())
}

/// Measures; prints one line of nanoseconds for each of [`CONTENDERS`].
pub(crate) fn measure_here(arguments: &[OsString]) -> Result<()> {
    let [folder, program, bwrap, unshare] = arguments else {
        return Err("it is for `cargo xtask bench` to start this".into());
    };
    let world = World::make(Path::new(folder), Path::new(program))?;
    let launch = Launch::new(&world)?;
    let peers = [world.bwrap_same(bwrap)?, world.bwrap_bare(bwrap)?, world.unshare(unshare)?, world.alone()?];
    let mut times: [Vec<Duration>; 5] = Default::default();
    for round in 0..WARM_UP + ROUNDS {
        for (number, times) in times.iter_mut().enumerate() {
            let time = match number.checked_sub(1).and_then(|number| peers.get(number)) {
                None => launch.start()?,
                Some(words) => start(words)
                    .map_err(|error| format!("{}: {error}", CONTENDERS.get(number).unwrap_or(&"peer")))?,
            };
            if round >= WARM_UP {
                times.push(time);
            }
        }
    }
    for times in times {
        let words: Vec<String> = times.iter().map(|time| time.as_nanos().to_string()).collect();
        println!("{}", words.join(" "));
    }
    Ok(())
}

/// The places that a sandbox is made of, on a tmpfs in this mount namespace.
#[derive(Debug)]
struct World {
    root: PathBuf,
    dev: PathBuf,
    socket: PathBuf,
    data: PathBuf,
}

impl World {
    const TMP_BYTES: u64 = 64 * 1024;
    const PROGRAM: &'static str = "/app/bin/exit";

    fn make(folder: &Path, program: &Path) -> Result<Self> {
        let content = fs::read(program)?;
        mount(Some("bench"), folder, Some("tmpfs"), MsFlags::empty(), Some("mode=0755"))?;
        let [root, dev, socket, data] = ["root", "dev", "nacre.sock", "data"].map(|name| folder.join(name));
        // An app image's tree.
        for name in ["app/bin", "data", "tmp", "dev", "proc", "run"] {
            fs::create_dir_all(root.join(name))?;
        }
        fs::write(root.join("run/nacre"), "")?;
        let inside = root.join("app/bin/exit");
        fs::write(&inside, content)?;
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o755))?;
        fs::create_dir(&dev)?;
        mknod(&dev.join("null"), SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 3))?;
        fs::write(&socket, "")?;
        fs::create_dir(&data)?;
        chown(&data, Some(UID), Some(UID))?;
        Ok(Self { root, dev, socket, data })
    }

    fn bwrap_same(&self, bwrap: &OsStr) -> Result<Vec<CString>> {
        let [root, dev, socket, data] =
            [&self.root, &self.dev, &self.socket, &self.data].map(|path| path.to_string_lossy());
        let tmp_bytes = Self::TMP_BYTES.to_string();
        let binds = ["--unshare-all", "--ro-bind", &root, "/", "--proc", "/proc", "--dev-bind", &dev, "/dev"];
        let more = ["--ro-bind", &socket, "/run/nacre", "--bind", &data, "/data", "--size", &tmp_bytes];
        let last = ["--tmpfs", "/tmp", "--", Self::PROGRAM];
        let words: Vec<&OsStr> =
            [bwrap].into_iter().chain(binds.into_iter().chain(more).chain(last).map(OsStr::new)).collect();
        strings(&words)
    }

    fn bwrap_bare(&self, bwrap: &OsStr) -> Result<Vec<CString>> {
        let ro_bind = OsStr::new("--ro-bind");
        let root = self.root.as_os_str();
        strings(&[bwrap, "--unshare-all".as_ref(), ro_bind, root, "/".as_ref(), Self::PROGRAM.as_ref()])
    }

    fn unshare(&self, unshare: &OsStr) -> Result<Vec<CString>> {
        let program = self.root.join("app/bin/exit");
        let options = ["-m", "-n", "-i", "-u", "-C", "-U", "-r", "-p", "-f"].map(OsStr::new);
        let words: Vec<&OsStr> = [unshare].into_iter().chain(options).chain([program.as_os_str()]).collect();
        strings(&words)
    }

    fn alone(&self) -> Result<Vec<CString>> {
        strings(&[self.root.join("app/bin/exit").as_os_str()])
    }
}

fn strings(words: &[&OsStr]) -> Result<Vec<CString>> {
    Ok(words.iter().map(|word| CString::new(word.as_bytes())).collect::<std::result::Result<_, _>>()?)
}

/// Starts a program and waits for its end, which must be a good one.
fn start(words: &[CString]) -> Result<Duration> {
    let argv: Vec<_> = words.iter().map(CString::as_c_str).collect();
    let program = argv.first().copied().ok_or("no program")?;
    run_with(|streams| {
        let pid_namespace = PidNamespace::Inherited;
        let fds = &streams;
        Ok(spawn(&SpawnRequest { program, argv: &argv, env: &[], fds, pid_namespace, cgroup: None })?)
    })
}

/// The description of a launch, as the app manager has it.
#[derive(Debug)]
struct Launch {
    spec: LaunchSpec,
}

impl Launch {
    fn new(world: &World) -> Result<Self> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let arch: Arch = std::env::consts::ARCH.parse()?;
        let spec = LaunchSpec {
            app: "org.nacre.exit".parse()?,
            argv: vec![World::PROGRAM.to_owned()],
            uid: UID,
            root: text(&world.root),
            data: Some(text(&world.data)),
            dev: text(&world.dev),
            socket: text(&world.socket),
            tmp_bytes: World::TMP_BYTES,
            open_files: 16,
            filter: nacre_seccomp_policy::compile(arch, &Options::default())?,
            layers_off: Vec::new(),
            network: None,
            writable_executable: false,
        };
        Ok(Self { spec })
    }

    fn start(&self) -> Result<Duration> {
        let (report, report_in) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let time = run_with(|streams| {
            let plan = Plan::new(&self.spec)?;
            let fds = &[report_in.as_fd()];
            let request = ForkRequest { streams, fds, pid_namespace: PidNamespace::New, cgroup: None };
            Ok(fork(&request, |fds| {
                if let Some(manager) = fds.into_iter().next() {
                    carry_out(plan, manager, None);
                }
                1
            })?)
        });
        drop(report_in);
        let mut report = File::from(report);
        let (mut line, mut packet) = (String::new(), [0; MAX_REPORT_BYTES]);
        while let length @ 1.. = report.read(&mut packet)? {
            line.push_str(&String::from_utf8_lossy(&packet[..length]));
        }
        // The filter's listener, which nobody takes here, comes with a packet of one zero byte.
        let line = line.trim_start_matches('\0');
        if line.is_empty() { time } else { Err(format!("launcher: {line}").into()) }
    }
}

fn run_with(start: impl FnOnce([BorrowedFd<'_>; 3]) -> Result<Spawned>) -> Result<Duration> {
    let begin = Instant::now();
    let (stdin, _) = std::io::pipe()?;
    let (mut stdout, stdout_in) = std::io::pipe()?;
    let (mut stderr, stderr_in) = std::io::pipe()?;
    let child = start([stdin.as_fd(), stdout_in.as_fd(), stderr_in.as_fd()])?;
    let end = waitid(Id::PIDFd(child.pidfd.as_fd()), WaitPidFlag::WEXITED)?;
    let time = begin.elapsed();
    drop((stdout_in, stderr_in));
    if end == WaitStatus::Exited(child.pid, 0) {
        return Ok(time);
    }
    let mut text = String::new();
    stdout.read_to_string(&mut text)?;
    stderr.read_to_string(&mut text)?;
    Err(format!("it did not end well ({end:?}): {text}").into())
}
