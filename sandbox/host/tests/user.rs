//! The launcher as a user without any right starts it, and as root does.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nacre_manifest::device::{self, Devices, Limits, Manifest, Restart, RestartPolicy};
use nacre_seccomp_policy::{Arch, Denials, Options, compile};
use nacre_wire::host_run::{HostRun, RunContent, RunFile};

/// Somebody who is not root.
const USER: u32 = 1234;

/// Says who it is, what it sees and what it may do.
const PROGRAM: &str = r#"
use std::fs;
fn main() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    for name in ["Uid:", "CapEff:", "CapBnd:", "Seccomp:", "NoNewPrivs:"] {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        println!("{}", line.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let mut names: Vec<String> = fs::read_dir("/").unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    println!("{}", names.join(" "));
    let done = |what: &str, done: std::io::Result<()>| println!("{what}: {}", done.map_or_else(|e| e.kind().to_string(), |()| "done".into()));
    done("data", fs::write("/data/x", "x"));
    done("tmp", fs::write("/tmp/x", "x"));
    done("app", fs::write("/app/x", "x"));
    done("null", fs::write("/dev/null", "x"));
    done("socket", std::net::TcpListener::bind("127.0.0.1:0").map(drop));
    std::process::exit(9);
}
"#;

struct Place(tempfile::TempDir);

impl Place {
    fn new(owner: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["root", "data"] {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            if owner != nix::unistd::geteuid().as_raw() {
                chown(&path, Some(owner), Some(owner)).expect("this test needs root");
            }
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self) -> PathBuf {
        let (source, program) = (self.path("main.rs"), self.path("program"));
        fs::write(&source, PROGRAM).unwrap();
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args([
            "--edition",
            "2024",
            "-Copt-level=s",
            "-Cpanic=abort",
            "-Ctarget-feature=+crt-static",
            "-o",
        ]);
        assert!(rustc.arg(&program).arg(source).status().expect("rustc").success());
        program
    }

    fn launcher(&self) -> PathBuf {
        // A build folder may be closed to others.
        let path = self.path("nacre-launch");
        fs::copy(env!("CARGO_BIN_EXE_nacre-launch"), &path).unwrap();
        path
    }
}

fn manifest() -> Manifest {
    Manifest {
        app: "com.example.who".parse().unwrap(),
        version: "1.0.0".into(),
        rollback_index: 1,
        run: vec!["/app/bin/who".into()],
        critical: false,
        restart: Restart {
            policy: RestartPolicy::Never,
            backoff_min_ms: 1,
            backoff_max_ms: 1,
            limit_count: 1,
            limit_window_ms: 1,
        },
        limits: Limits {
            memory_bytes: 4 << 20,
            tasks: 4,
            cpu_permille: 500,
            open_files: 16,
            tmp_bytes: 65_536,
        },
        data_bytes: 65_536,
        system: vec![],
        peers: vec![],
        network: None,
        health: None,
        devices: Devices::default(),
        events: vec![],
        writable_executable: false,
    }
}

fn run(place: &Place, program: &Path, user: Option<u32>) -> Output {
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    let options = Options { denials: Denials::NotifyAndWatch, ..Options::default() };
    let content = RunContent::File(text(program.to_owned()));
    let description = HostRun {
        manifest: device::encode(&manifest()),
        filter: compile(Arch::X86_64, &options).unwrap(),
        arguments: vec![],
        files: vec![RunFile { path: "/app/bin/who".into(), program: true, content }],
        root: text(place.path("root")),
        data: Some(text(place.path("data"))),
        strict: false,
        colour: false,
        denials: None,
    };
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(&description.encode()).unwrap();
    input.rewind().unwrap();
    let launcher = place.launcher();
    let mut command = match user {
        None => Command::new(launcher),
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()]);
            command.arg(launcher);
            command
        }
    };
    command.stdin(input).output().expect("it starts")
}

#[cfg(target_arch = "x86_64")]
#[test]
fn app_of_a_user_and_of_root_is_in_the_same_sandbox() {
    for user in [None, Some(USER)] {
        let place = Place::new(user.unwrap_or(0));
        let output = run(&place, &place.program(), user);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(9), "{said}");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "Uid: 1000 1000 1000 1000\nCapEff: 0000000000000000\nCapBnd: 0000000000000000\nSeccomp: 2\n\
             NoNewPrivs: 1\napp data dev proc run tmp\ndata: done\ntmp: done\napp: read-only filesystem or storage medium\n\
             null: done\nsocket: permission denied\n",
            "{said}"
        );
        assert_eq!(fs::read(place.path("data/x")).unwrap(), b"x");
        assert_eq!(fs::read_dir(place.path("root")).unwrap().count(), 0, "nothing is left on the host");
        assert_eq!(said.contains("a uid of its own: it has yours (1234)"), user.is_some(), "{said}");
        for line in [
            "denied: open /app/x for writing (landlock) — never allowed",
            "denied: socket(AF_INET, SOCK_STREAM, 0) (seccomp) — add \"tcp:HOST:PORT\" under \
             network.connect in who/nacre.yaml",
        ] {
            assert!(said.contains(line), "no `{line}` in:\n{said}");
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn app_whose_program_is_missing_is_not_started_and_the_step_is_told() {
    let place = Place::new(0);
    let output = run(&place, &place.path("nowhere"), None);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: can't start com.example.who\nCaused by: make the app's tree"), "{said}");
}

#[test]
fn launcher_without_a_description_says_who_starts_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_nacre-launch"))
        .stdin(std::process::Stdio::null())
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("hint: `nacre app run` starts this program"));
}
