//! `nacre app run`, from its start to the app's first line, beside `bwrap` with the same mounts, namespaces and filter.
//!
//! The app is built before. `bwrap` has no Landlock, no quota of tasks and nobody who answers a denied call; it gets
//! the rest.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nacre_seccomp_policy::{Arch, Options};
use nacre_sys::spawn::{PidNamespace, SpawnRequest, spawn};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use crate::Result;
use crate::programs::{Programs, command, run};
use crate::samples::Samples;
use crate::table::Row;

const ROUNDS: usize = 200;
/// Not counted: the first builds the launcher and the app, the next ones read programs from disk.
const WARM_UP: usize = 5;

const MANIFEST: &str = "app: org.nacre.line\nversion: 1.0.0\nbuild: c\nrun: [/app/bin/line]\n\
                        storage: { data: 64KiB }\n";
const SOURCE: &str = "#include <stdio.h>\nint main(void) { puts(\"line\"); return 0; }\n";

/// Starts both, in turns.
pub(crate) fn rows(programs: &Programs) -> Result<Vec<Row>> {
    let scratch = tempfile::tempdir()?;
    let app = scratch.path().join("line");
    fs::create_dir_all(app.join("src"))?;
    fs::write(app.join("nacre.yaml"), MANIFEST)?;
    fs::write(app.join("src/main.c"), SOURCE)?;
    let state = scratch.path().join("state");
    // As it is given to others, and not as it is tested: `cargo xtask dist`.
    let this = std::env::current_exe()?;
    let nacre = this.ancestors().nth(2).ok_or("not in a target folder")?.join("dist/nacre");
    // Builds what is built once, and says what is wrong if something is.
    run(command(&nacre, &["app", "run"]).arg(&app).env("NACRE_STATE", &state))?;
    let ours = strings(&[nacre.as_os_str().as_bytes(), b"app", b"run", app.as_os_str().as_bytes()])?;
    let mut environment = vec![CString::new(format!("NACRE_STATE={}", state.display()))?];
    for name in ["PATH", "HOME", "NACRE_CACHE", "XDG_CACHE_HOME", "NACRE_SOURCE"] {
        if let Some(value) = std::env::var_os(name) {
            environment.push(CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())?);
        }
    }
    let (peer, filter) = peer(programs, scratch.path(), &state)?;
    let mut times: [Vec<Duration>; 2] = Default::default();
    for round in 0..WARM_UP + ROUNDS {
        let both = [first_line(&ours, &environment, None)?, first_line(&peer, &environment, Some(&filter))?];
        if round >= WARM_UP {
            for (times, time) in times.iter_mut().zip(both) {
                times.push(time);
            }
        }
    }
    let [ours, peer] = times.map(Samples::new);
    let what = "`nacre app run` to the app's first line; `bwrap` with the same mounts, namespaces, filter";
    Ok(vec![Row::of_times(what, &ours?, &peer?)])
}

/// The words for `bwrap`, and the filter that it reads from descriptor 3.
fn peer(programs: &Programs, scratch: &Path, state: &Path) -> Result<(Vec<CString>, File)> {
    let root = scratch.join("root");
    for name in ["app/bin", "data", "tmp", "dev", "proc", "run"] {
        fs::create_dir_all(root.join(name))?;
    }
    fs::write(root.join("run/nacre"), "")?;
    let program = root.join("app/bin/line");
    // The same program: what the app was built to.
    let source = scratch.join("line/src/main.c");
    let mut cc = command(Path::new("cc"), &["-Os", "-static", "-s", "-o"]);
    run(cc.arg(&program).arg(source))?;
    let arch: Arch = std::env::consts::ARCH.parse()?;
    let path = scratch.join("filter");
    File::create(&path)?.write_all(&nacre_seccomp_policy::compile(arch, &Options::default())?)?;
    let data = state.join("apps/org.nacre.line/data");
    let socket = scratch.join("socket");
    fs::write(&socket, "")?;
    let root = root.as_os_str().as_bytes();
    let mut words: Vec<&[u8]> = vec![programs.bwrap.as_os_str().as_bytes()];
    words
        .extend(["--unshare-all", "--uid", "1000", "--gid", "1000", "--hostname", "line"].map(str::as_bytes));
    words
        .extend(["--cap-drop", "ALL", "--new-session", "--die-with-parent", "--clearenv"].map(str::as_bytes));
    words.extend([b"--ro-bind".as_slice(), root, b"/", b"--proc", b"/proc", b"--tmpfs", b"/dev"]);
    let nodes = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
    for node in nodes.map(str::as_bytes) {
        words.extend([b"--dev-bind".as_slice(), node, node]);
    }
    words.extend([b"--bind".as_slice(), data.as_os_str().as_bytes(), b"/data"]);
    words.extend([b"--ro-bind".as_slice(), socket.as_os_str().as_bytes(), b"/run/nacre"]);
    words.extend(
        ["--size", "65536", "--tmpfs", "/tmp", "--seccomp", "3", "--", "/app/bin/line"].map(str::as_bytes),
    );
    Ok((strings(&words)?, File::open(path)?))
}

fn strings(words: &[&[u8]]) -> Result<Vec<CString>> {
    Ok(words.iter().map(|word| CString::new(*word)).collect::<std::result::Result<_, _>>()?)
}

/// The time to the first line; the end must be a good one.
fn first_line(words: &[CString], environment: &[CString], filter: Option<&File>) -> Result<Duration> {
    use std::io::Seek as _;
    if let Some(mut filter) = filter {
        filter.rewind()?;
    }
    let argv: Vec<_> = words.iter().map(CString::as_c_str).collect();
    let env: Vec<_> = environment.iter().map(CString::as_c_str).collect();
    let program = argv.first().copied().ok_or("no program")?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    let begin = Instant::now();
    let (stdout, stdout_in) = std::io::pipe()?;
    let fds = [null.as_fd(), stdout_in.as_fd(), null.as_fd()];
    let fds: Vec<_> = fds.into_iter().chain(filter.map(AsFd::as_fd)).collect();
    let request = SpawnRequest {
        program,
        argv: &argv,
        env: &env,
        fds: &fds,
        pid_namespace: PidNamespace::Inherited,
        cgroup: None,
    };
    let child = spawn(&request)?;
    drop(stdout_in);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let time = begin.elapsed();
    let end = waitid(Id::PIDFd(child.pidfd.as_fd()), WaitPidFlag::WEXITED)?;
    if line == "line\n" && end == WaitStatus::Exited(child.pid, 0) {
        return Ok(time);
    }
    Err(format!("{} said {line:?} and ended with {end:?}", program.to_string_lossy()).into())
}
