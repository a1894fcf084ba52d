//! The launcher as appmgr starts it: a fork, with one line over its socket when a step fails. A fork needs a process of
//! one thread, which the test harness has not: these tests are a program of their own.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use nacre_sandbox::{LaunchSpec, MAX_REPORT_BYTES, NetworkSpec, Plan, carry_out};
use nacre_sys::fork::{ForkRequest, fork};
use nacre_sys::netns;
use nacre_sys::spawn::PidNamespace;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

fn main() {
    assert!(nix::unistd::geteuid().is_root(), "{NEEDS_ROOT}");
    control_characters_of_an_app_do_not_reach_the_report();
    text_that_is_too_long_is_cut_within_no_character();
    step_that_fails_is_named_with_its_cause();
    network_that_is_not_handed_over_is_missed();
    app_with_a_network_is_in_its_namespace_with_its_ports_alone();
    println!("launcher: 5 passed");
}

fn spec() -> LaunchSpec {
    LaunchSpec {
        app: "org.nacre.test".parse().unwrap(),
        argv: vec!["/app/bin/test".to_owned()],
        uid: 20_000,
        root: "/nonexistent/root".to_owned(),
        data: None,
        dev: "/nonexistent/dev".to_owned(),
        socket: "/nonexistent/socket".to_owned(),
        tmp_bytes: 0,
        open_files: 16,
        filter: vec![0; 8],
        layers_off: Vec::new(),
        network: None,
        writable_executable: false,
    }
}

/// What came of a launch.
struct Launched {
    report: String,
    output: String,
    code: i32,
}

/// Starts the launcher, with what else it is given.
fn run(spec: &LaunchSpec, network: Option<BorrowedFd<'_>>) -> Launched {
    let plan = Plan::new(spec).unwrap();
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let (report, report_in) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let mut report = File::from(report);
    let (mut output, output_in) = std::io::pipe().unwrap();
    let fds: Vec<_> = [report_in.as_fd()].into_iter().chain(network).collect();
    let request = ForkRequest {
        streams: [null.as_fd(), output_in.as_fd(), output_in.as_fd()],
        fds: &fds,
        pid_namespace: PidNamespace::Inherited,
        cgroup: None,
    };
    let child = fork(&request, move |fds| {
        let mut fds = fds.into_iter();
        carry_out(plan, fds.next().unwrap(), fds.next());
        1
    })
    .unwrap();
    drop((report_in, output_in));
    let mut launched = Launched { report: String::new(), output: String::new(), code: -1 };
    let mut packet = [0; MAX_REPORT_BYTES];
    while let length @ 1.. = report.read(&mut packet).unwrap() {
        launched.report.push_str(std::str::from_utf8(&packet[..length]).unwrap());
    }
    // The packet that brings the filter's listener, which nobody takes here.
    launched.report = launched.report.trim_start_matches('\0').to_owned();
    output.read_to_string(&mut launched.output).unwrap();
    match waitid(Id::PIDFd(child.pidfd.as_fd()), WaitPidFlag::WEXITED).unwrap() {
        WaitStatus::Exited(_, code) => launched.code = code,
        other => panic!("{other:?}: {}", launched.report),
    }
    launched
}

/// What the launcher reports of a launch that fails.
fn launch(spec: &LaunchSpec) -> String {
    let launched = run(spec, None);
    assert_eq!(launched.code, 1);
    launched.report
}

fn control_characters_of_an_app_do_not_reach_the_report() {
    let mut spec = spec();
    spec.root = "/nonexistent/\u{1b}[2J\nfake line".to_owned();
    let report = launch(&spec);
    assert!(report.contains("/nonexistent/?[2J?fake line nosuid"), "{report}");
    assert!(report.ends_with('\n') && report.matches(char::is_control).count() == 1, "{report}");
}

fn text_that_is_too_long_is_cut_within_no_character() {
    let mut spec = spec();
    spec.root = format!("/nonexistent/x{}", "\u{e4}".repeat(MAX_REPORT_BYTES));
    let report = launch(&spec);
    assert!(report.len() >= MAX_REPORT_BYTES - 1 && report.len() <= MAX_REPORT_BYTES, "{}", report.len());
    assert!(report.ends_with("\u{e4}\n"), "{report}");
}

fn step_that_fails_is_named_with_its_cause() {
    let report = launch(&spec());
    let nothing_there =
        "mount /nonexistent/root on /nonexistent/root nosuid,ro,nodev: No such file or directory";
    assert_eq!(report, format!("{nothing_there} (os error 2)\n"));
}

const NEEDS_ROOT: &str = "this test needs root: it makes namespaces and changes its uid";

fn network_that_is_not_handed_over_is_missed() {
    let network = Some(NetworkSpec { bind: vec![], connect: vec![] });
    let report = launch(&LaunchSpec { network, ..spec() });
    assert_eq!(report, "join the app's network namespace: none was handed over\n");
    // Nor is any other descriptor taken for one.
    let null = File::open("/dev/null").unwrap();
    let network = Some(NetworkSpec { bind: vec![], connect: vec![] });
    let report = run(&LaunchSpec { network, ..spec() }, Some(null.as_fd())).report;
    assert_eq!(report, "join the app's network namespace: EINVAL: Invalid argument\n");
}

/// A tree with the program `programs/network.rs`, linked statically, and a launch of it.
fn world(folder: &Path) -> LaunchSpec {
    // The app's uid has to get there.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let root = folder.join("root");
    for name in ["app/bin", "data", "tmp", "dev", "proc", "run"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::write(root.join("run/nacre"), "").unwrap();
    let program = root.join("app/bin/network");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/network.rs");
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition", "2024", "-Copt-level=s", "-Cpanic=abort", "-Ctarget-feature=+crt-static", "-o"]);
    assert!(rustc.arg(&program).arg(source).status().expect("rustc").success());
    let [dev, socket] = ["dev", "nacre.sock"].map(|name| folder.join(name));
    fs::create_dir(&dev).unwrap();
    fs::write(&socket, "").unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    LaunchSpec {
        argv: vec!["/app/bin/network".to_owned()],
        root: text(&root),
        dev: text(&dev),
        socket: text(&socket),
        // One instruction, BPF_RET with SECCOMP_RET_ALLOW: it is not the filter that is tried here.
        filter: vec![6, 0, 0, 0, 0, 0, 0xff, 0x7f],
        ..spec()
    }
}

fn app_with_a_network_is_in_its_namespace_with_its_ports_alone() {
    let folder = tempfile::tempdir().unwrap();
    let spec = world(folder.path());
    // As the app manager makes it: an app that listens on a low port needs no capability for it.
    let namespace = netns::make(&[("net/ipv4/ip_unprivileged_port_start", "0")]).unwrap();
    let network = NetworkSpec { bind: vec![80], connect: vec![80, 443] };
    let with = run(&LaunchSpec { network: Some(network), ..spec.clone() }, Some(namespace.namespace.as_fd()));
    assert_eq!(
        (with.report.as_str(), with.code, with.output.as_str()),
        (
            "",
            0,
            "bind 80: done\nbind 8081: permission denied\nconnect 80: done\nconnect 443: connection refused\n\
             connect 8081: permission denied\noutside: network unreachable\n"
        )
    );
    // Without a network it gets a namespace of its own, whatever was handed over.
    let without = run(&spec, Some(namespace.namespace.as_fd()));
    assert_eq!((without.report.as_str(), without.code), ("", 0));
    assert_eq!(without.output.matches("permission denied").count(), 6, "{}", without.output);
}
