//! The launcher as appmgr starts it: descriptors 0 to 4, and one line on the last when a step fails.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use nacre_sandbox::LaunchSpec;
use nacre_sys::spawn::{PidNamespace, SpawnRequest, spawn};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

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
    }
}

/// Starts the launcher with `bytes` as its description; what it reports, and how it ended.
fn launch(bytes: &[u8]) -> (String, WaitStatus) {
    let name = std::ffi::CString::new(env!("CARGO_BIN_EXE_sandbox")).unwrap();
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let mut description =
        File::from(nix::sys::memfd::memfd_create(c"spec", nix::sys::memfd::MFdFlags::MFD_CLOEXEC).unwrap());
    description.write_all(bytes).unwrap();
    let (mut report, writer) = std::io::pipe().unwrap();
    let fds = [null.as_fd(), null.as_fd(), null.as_fd(), description.as_fd(), writer.as_fd()];
    let child = spawn(&SpawnRequest {
        program: &name,
        argv: &[&name],
        env: &[],
        fds: &fds,
        pid_namespace: PidNamespace::Inherited,
        cgroup: None,
    })
    .unwrap();
    drop(writer);
    let mut text = String::new();
    report.read_to_string(&mut text).unwrap();
    let end = waitid(Id::PIDFd(child.pidfd.as_fd()), WaitPidFlag::WEXITED).unwrap();
    assert_eq!(end, WaitStatus::Exited(child.pid, 1));
    (text, end)
}

#[test]
fn description_that_is_not_cbor_is_reported_in_one_line() {
    let (report, _) = launch(b"\xff\xff");
    assert!(report.starts_with("decode the launch description: "), "{report}");
    assert_eq!(report.matches('\n').count(), 1);
    assert!(report.ends_with('\n'));
}

#[test]
fn description_that_is_too_long_is_reported() {
    let (report, _) = launch(&vec![0; 70_000]);
    assert_eq!(report, "decode the launch description: longer than 65536 bytes\n");
}

#[test]
fn control_characters_of_an_app_do_not_reach_the_report() {
    let mut spec = spec();
    spec.argv = vec!["/tmp/\u{1b}[2J\nfake line".to_owned()];
    let (report, _) = launch(&spec.encode());
    assert_eq!(
        report,
        "plan the launch of org.nacre.test: the program `/tmp/?[2J?fake line` is not under /app/\n"
    );
}

#[test]
fn step_that_fails_is_named_with_its_cause() {
    let (report, _) = launch(&spec().encode());
    // Without root the first step fails, with it the first mount: nothing is there to be mounted.
    let expected = [
        "unshare mount net ipc uts cgroup: EPERM: Operation not permitted\n",
        "mount /nonexistent/root on /nonexistent/root nosuid,ro,nodev: No such file or directory (os error 2)\n",
    ];
    assert!(expected.contains(&report.as_str()), "{report}");
}
