//! A fork needs a process of one thread, which the test harness has not: this test is a program of its own.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};

use nacre_sys::fork::{EXIT_PANICKED, ForkError, ForkRequest, fork};
use nacre_sys::spawn::{PidNamespace, Spawned};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

fn main() {
    child_has_its_descriptors_and_no_other();
    child_that_panics_ends_there();
    caller_with_two_threads_is_refused();
    println!("fork: 3 passed");
}

fn wait(child: &Spawned) -> WaitStatus {
    waitid(Id::PIDFd(child.pidfd.as_fd()), WaitPidFlag::WEXITED).unwrap()
}

fn child_has_its_descriptors_and_no_other() {
    let null = fs::File::options().read(true).write(true).open("/dev/null").unwrap();
    for (pid_namespace, is_first) in [(PidNamespace::New, true), (PidNamespace::Inherited, false)] {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let text = String::from("made by the caller");
        let request =
            ForkRequest { streams: [null.as_fd(); 3], fds: &[writer.as_fd()], pid_namespace, cgroup: None };
        let child = fork(&request, |fds| {
            let number = fds[0].as_raw_fd();
            let mut writer = fs::File::from(fds.into_iter().next().unwrap());
            let flags = fcntl(&writer, FcntlArg::F_GETFD).unwrap();
            // The reading of the folder has one open itself.
            let open = fs::read_dir("/proc/self/fd").unwrap().count();
            let first = std::process::id() == 1;
            writeln!(writer, "{text}: number {number}, flags {flags}, {open} open, first {first}").unwrap();
            7
        });
        let child = child.expect("this test needs root (CAP_SYS_ADMIN)");
        drop(writer);
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        assert_eq!(said, format!("made by the caller: number 3, flags 1, 5 open, first {is_first}\n"));
        assert_eq!(wait(&child), WaitStatus::Exited(child.pid, 7));
    }
}

fn child_that_panics_ends_there() {
    let null = fs::File::options().read(true).write(true).open("/dev/null").unwrap();
    let request = ForkRequest {
        streams: [null.as_fd(); 3],
        fds: &[],
        pid_namespace: PidNamespace::Inherited,
        cgroup: None,
    };
    let child = fork(&request, |_| panic!("what a defect would do")).unwrap();
    assert_eq!(wait(&child), WaitStatus::Exited(child.pid, EXIT_PANICKED));
}

fn caller_with_two_threads_is_refused() {
    let null = fs::File::options().read(true).write(true).open("/dev/null").unwrap();
    let (hold, wait) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || wait.recv());
    let request = ForkRequest {
        streams: [null.as_fd(); 3],
        fds: &[],
        pid_namespace: PidNamespace::Inherited,
        cgroup: None,
    };
    assert!(matches!(fork(&request, |_| 0), Err(ForkError::Threads(_))));
    drop(hold);
    let _ = other.join();
    assert!(fork(&request, |_| 0).is_ok());
}
