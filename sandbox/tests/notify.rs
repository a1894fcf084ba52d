//! Denied calls that are notified of, in this machine's own kernel: another thread takes each and answers it.
#![cfg(target_arch = "x86_64")]

use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nacre_seccomp_policy::explain::{Attempt, explain};
use nacre_seccomp_policy::{Arch, Denials, Network, Options, compile, is_watched};
use nacre_sys::seccomp;
use nacre_sys::seccomp_notify::{self, Answer, Notification, Received};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use nix::unistd::sethostname;

const OPTIONS: Options<'_> = Options {
    without: &[],
    network: Network::Absent,
    gpio: false,
    uart: false,
    writable_executable: false,
    denials: Denials::Notify,
};

/// Starts a thread under the filter and gives its listener; `body` begins once `go` says so.
fn confined<T: Send + 'static>(
    options: Options<'static>,
    body: impl FnOnce() -> T + Send + 'static,
) -> (OwnedFd, Sender<()>, thread::JoinHandle<T>) {
    let (sender, receiver) = channel();
    let (go, gone): (Sender<()>, Receiver<()>) = channel();
    let handle = thread::spawn(move || {
        let filter = compile(Arch::X86_64, &options).unwrap();
        let (instructions, _) = filter.as_chunks();
        prctl::set_no_new_privs().unwrap();
        sender.send(seccomp::load_with_listener(instructions).unwrap()).unwrap();
        gone.recv().unwrap();
        body()
    });
    (receiver.recv().unwrap(), go, handle)
}

/// Answers until the thread ends, and gives what was asked. Never waits in the kernel's own call.
fn serve<T>(
    listener: &OwnedFd,
    handle: &thread::JoinHandle<T>,
    mut judge: impl FnMut(&Notification) -> Answer,
) -> Vec<Notification> {
    let until = Instant::now() + Duration::from_secs(60);
    let mut seen = Vec::new();
    while !handle.is_finished() {
        assert!(Instant::now() < until, "a call is not answered");
        match seccomp_notify::receive(listener).unwrap() {
            Received::Call(call) => {
                assert!(seccomp_notify::is_valid(listener, call.id));
                seccomp_notify::answer(listener, call.id, judge(&call)).unwrap();
                assert!(!seccomp_notify::is_valid(listener, call.id));
                seen.push(call);
            }
            Received::Nothing => thread::sleep(Duration::from_micros(50)),
            Received::Ended => break,
        }
    }
    seen
}

fn tried(call: &Notification) -> String {
    let arch = Arch::of_audit_value(call.arch).unwrap();
    explain(&Attempt { arch, number: call.number, arguments: call.arguments }, &mut |_| None).tried
}

fn denied(call: &Notification) -> Answer {
    let arch = Arch::of_audit_value(call.arch).unwrap();
    let attempt = Attempt { arch, number: call.number, arguments: call.arguments };
    Answer::Error(explain(&attempt, &mut |_| None).why.errno())
}

#[test]
fn denied_calls_are_told_with_their_arguments_and_fail_with_the_answer() {
    let (listener, go, handle) = confined(OPTIONS, || {
        [
            unshare(CloneFlags::CLONE_NEWUSER),
            sethostname("x"),
            socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).map(drop),
            socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), None::<SockProtocol>).map(drop),
            // Allowed calls are not told.
            nix::unistd::pipe().map(drop),
        ]
    });
    go.send(()).unwrap();
    let seen = serve(&listener, &handle, denied);
    let answers = handle.join().unwrap();
    let eperm = Err(Errno::EPERM);
    assert_eq!(answers, [eperm, eperm, eperm, eperm, Ok(())]);
    assert_eq!(
        seen.iter().map(tried).collect::<Vec<_>>(),
        [
            "unshare(CLONE_NEWUSER)",
            "sethostname(?)",
            "socket(AF_INET, SOCK_STREAM, 0)",
            "socket(AF_PACKET, SOCK_RAW, 0)",
        ]
    );
}

#[test]
fn watched_calls_go_on_and_are_judged_by_the_kernel() {
    let folder = std::env::temp_dir().join(format!("nacre-notify-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let inside = folder.clone();
    let options = Options { denials: Denials::NotifyAndWatch, ..OPTIONS };
    let (listener, go, handle) = confined(options, move || {
        std::fs::write(inside.join("x"), "text").unwrap();
        assert_eq!(std::fs::read_to_string(inside.join("x")).unwrap(), "text");
        std::fs::remove_file(inside.join("x")).unwrap();
        let denied = std::fs::write("/proc/version", "x").map_err(|error| error.raw_os_error());
        (denied, unshare(CloneFlags::CLONE_NEWUSER))
    });
    go.send(()).unwrap();
    let seen = serve(&listener, &handle, |call| {
        if is_watched(Arch::X86_64, call.number) { Answer::Continue } else { denied(call) }
    });
    let (opened, unshared) = handle.join().unwrap();
    assert!(matches!(opened, Err(Some(_))), "{opened:?}");
    assert_eq!(unshared, Err(Errno::EPERM));
    let names: Vec<_> = seen
        .iter()
        .map(|call| nacre_seccomp_policy::explain::name(Arch::X86_64, call.number).unwrap())
        .collect();
    // Reading was not told.
    assert_eq!(names, ["openat", "unlink", "openat", "unshare"]);
    std::fs::remove_dir(folder).unwrap();
}

#[test]
fn denied_call_without_a_listener_fails_as_if_the_kernel_lacked_it() {
    let (listener, go, handle) = confined(OPTIONS, || {
        let first = unshare(CloneFlags::CLONE_NEWUSER);
        (first, sethostname("x"))
    });
    go.send(()).unwrap();
    // It waits in its first call when the listener goes.
    thread::sleep(Duration::from_millis(100));
    assert!(!handle.is_finished());
    drop(listener);
    let enosys = Err(Errno::ENOSYS);
    assert_eq!(handle.join().unwrap(), (enosys, enosys));
}
