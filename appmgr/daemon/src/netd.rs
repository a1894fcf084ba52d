//! netd's process, and the socket pair that ties it to the app manager.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nacre_appmgr_core::end::End;
use nacre_manifest::device::Limits;
use nacre_sys::fd_passing;
use nacre_sys::pidfd;
use nacre_sys::spawn::{PidNamespace, SpawnError, SpawnRequest, spawn};
use nacre_wire::message::{self, MAX_MESSAGE};
use nacre_wire::net::{self, Report};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, socketpair};

use crate::cgroup::{Cgroup, CgroupError};
use crate::launch::{LaunchError, output_pipe};
use crate::log_capture::Capture;
use crate::process;

/// The program, on the verified root filesystem.
const PROGRAM: &std::ffi::CStr = c"/sbin/netd";

/// What it may use up: what comes from the network cannot make it take more.
const LIMITS: Limits =
    Limits { memory_bytes: 2 << 20, tasks: 2, cpu_permille: 1000, open_files: 64, tmp_bytes: 0 };

/// Why netd was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartNetdError {
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error("make its socket pair")]
    Socket(#[source] Errno),
    #[error("make its pipes")]
    Pipe(#[source] io::Error),
    #[error(transparent)]
    Output(#[from] LaunchError),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

/// One run of netd.
#[derive(Debug)]
pub(crate) struct Netd {
    pidfd: OwnedFd,
    socket: OwnedFd,
    /// Standard output and error in one: a panic's text, normally nothing.
    output: Capture,
    cgroup: Cgroup,
    oom_kills_before: u64,
}

/// What came from netd.
#[derive(Debug)]
pub(crate) enum Received {
    /// A report.
    Report(Report),
    /// Nothing is there now.
    Nothing,
    /// It has closed its end, so it ends or should.
    Closed,
    /// No report of this protocol, in words.
    Bad(String),
}

impl Netd {
    /// Starts it in a group of its own. What an earlier one left there is killed.
    pub(crate) fn start(group: &Path) -> Result<Self, StartNetdError> {
        let cgroup = Cgroup::create(group.to_owned(), &LIMITS)?;
        let (socket, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
                .map_err(StartNetdError::Socket)?;
        // Its writer is dropped at once: standard input is at its end.
        let (stdin, _) = io::pipe().map_err(StartNetdError::Pipe)?;
        let (output, output_in) = output_pipe()?;
        let oom_kills_before = cgroup.oom_kills();
        let spawned = spawn(&SpawnRequest {
            program: PROGRAM,
            argv: &[PROGRAM],
            env: &[],
            fds: &[stdin.as_fd(), output_in.as_fd(), output_in.as_fd(), theirs.as_fd()],
            pid_namespace: PidNamespace::New,
            cgroup: Some(cgroup.folder()),
        })?;
        Ok(Self { pidfd: spawned.pidfd, socket, output: Capture::new(output), cgroup, oom_kills_before })
    }

    /// Readable when the process has ended.
    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Readable when it says something.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What it writes where nobody should.
    pub(crate) fn output(&mut self) -> &mut Capture {
        &mut self.output
    }

    /// Takes the next packet.
    pub(crate) fn receive(&self) -> Received {
        let mut packet = [0; MAX_MESSAGE];
        // With MSG_TRUNC the kernel gives the packet's own length, also of one that is cut. Descriptors, should
        // it send any, are closed by the kernel: nobody asks for them here.
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        match recv(self.socket.as_raw_fd(), &mut packet, flags) {
            Ok(0) => Received::Closed,
            Ok(length) => match packet.get(..length).map(message::decode::<Report>) {
                Some(Ok(report)) => Received::Report(report),
                Some(Err(error)) => Received::Bad(format!("says what is no report ({error})")),
                None => Received::Bad(format!("says what is no report ({length} bytes)")),
            },
            Err(Errno::EAGAIN | Errno::EINTR) => Received::Nothing,
            Err(_) => Received::Closed,
        }
    }

    /// Kills it. That it is gone already is no error.
    pub(crate) fn kill(&self) {
        let _ = pidfd::send_signal(&self.pidfd, Signal::SIGKILL);
    }

    /// How it ended, once it has.
    pub(crate) fn end(&self) -> Option<End> {
        let end = process::end_of(&self.pidfd)?;
        let killed = end == End::Signalled(Signal::SIGKILL as i32);
        let for_memory = killed && self.cgroup.oom_kills() > self.oom_kills_before;
        Some(if for_memory { End::OutOfMemory } else { end })
    }

    /// Its last words, at most so many lines.
    pub(crate) fn finish(self, most: usize) -> Vec<String> {
        self.output.finish(most)
    }
}

/// Sends a packet, with these descriptors, or fails at once: what is not read yet is never much.
pub(crate) fn send(socket: BorrowedFd<'_>, packet: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    if packet.len() > net::MAX_PACKET {
        return Err(Errno::EMSGSIZE);
    }
    fd_passing::send(socket, packet, fds)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use nacre_wire::net::Order;
    use nix::sys::socket;

    use super::*;

    /// A netd whose part at the socket is played by the test, in front of a process that runs a shell script.
    fn netd(script: &std::ffi::CStr) -> (Netd, OwnedFd, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let group = folder.path().join("netd");
        fs::create_dir(&group).unwrap();
        for file in ["memory.max", "memory.oom.group", "pids.max", "cpu.max", "cgroup.kill"] {
            fs::write(group.join(file), "").unwrap();
        }
        let cgroup = Cgroup::create(group, &LIMITS).unwrap();
        let (socket, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let (output, output_in) = output_pipe().unwrap();
        let argv = [c"/bin/sh", c"-c", script];
        let request = SpawnRequest {
            program: argv[0],
            argv: &argv,
            env: &[],
            fds: &[output_in.as_fd(), output_in.as_fd(), output_in.as_fd()],
            pid_namespace: PidNamespace::Inherited,
            cgroup: None,
        };
        let pidfd = spawn(&request).unwrap().pidfd;
        (Netd { pidfd, socket, output: Capture::new(output), cgroup, oom_kills_before: 0 }, theirs, folder)
    }

    fn wait(netd: &Netd) -> End {
        loop {
            if let Some(end) = netd.end() {
                return end;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    /// Children that other tests of this process are just starting hold a copy of each descriptor until they execute.
    fn soon(mut is_so: impl FnMut() -> bool) {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !is_so() {
            assert!(std::time::Instant::now() < until, "it does not become so");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    #[test]
    fn order_arrives_with_its_descriptors() {
        let (netd, theirs, _folder) = netd(c"exit 0");
        let order = Order::Join { app: 1, name: "a".into(), network: vec![7; net::MAX_POLICY] };
        let (reader, mut writer) = io::pipe().unwrap();
        let packet = message::encode(&order).unwrap();
        send(netd.socket(), &packet, &[reader.as_fd()]).unwrap();
        let mut buffer = vec![0; net::MAX_PACKET];
        let received = fd_passing::receive(&theirs, &mut buffer).unwrap();
        assert_eq!(message::decode::<Order>(&buffer[..received.length]).unwrap(), order);
        writer.write_all(b"x").unwrap();
        let got = nix::unistd::read(&received.fds[0], &mut buffer).unwrap();
        assert_eq!((got, received.fds.len()), (1, 1));
        assert_eq!(send(netd.socket(), &[0; net::MAX_PACKET + 1], &[]), Err(Errno::EMSGSIZE));
        drop(theirs);
        soon(|| send(netd.socket(), &packet, &[]) == Err(Errno::EPIPE));
    }

    #[test]
    fn netd_that_never_reads_does_not_hold_the_app_manager_up() {
        let (netd, _theirs, _folder) = netd(c"exit 0");
        let packet = vec![0; net::MAX_PACKET];
        let refused = (0..1000).find_map(|_| send(netd.socket(), &packet, &[]).err());
        assert_eq!(refused, Some(Errno::EAGAIN));
    }

    #[test]
    fn reports_are_told_from_anything_else() {
        let (netd, theirs, _folder) = netd(c"exit 0");
        let say = |bytes: &[u8]| {
            socket::send(theirs.as_raw_fd(), bytes, MsgFlags::empty()).unwrap();
            netd.receive()
        };
        assert!(matches!(netd.receive(), Received::Nothing));
        let report = Report::Online { address: [10, 0, 2, 15], prefix: 24 };
        let said = say(&message::encode(&report).unwrap());
        assert!(matches!(said, Received::Report(got) if got == report));
        for bad in [&b"x"[..], &[0xff; 100], &[0; MAX_MESSAGE + 1], &[0; 2 * MAX_MESSAGE]] {
            assert!(matches!(say(bad), Received::Bad(_)));
        }
        drop(theirs);
        soon(|| matches!(netd.receive(), Received::Closed));
    }

    #[test]
    fn ends_are_told_apart_and_last_words_come_out() {
        let (one, _theirs, _folder) = netd(c"echo thread main panicked; exit 101");
        assert_eq!(wait(&one), End::Exited(101));
        assert_eq!(one.finish(4), ["thread main panicked"]);
        let (two, _theirs, _folder) = netd(c"sleep 60");
        assert_eq!(two.end(), None);
        two.kill();
        assert_eq!(wait(&two), End::Signalled(9));
        let (three, _theirs, folder) = netd(c"sleep 60");
        fs::write(folder.path().join("netd/memory.events"), "oom_kill 1\n").unwrap();
        three.kill();
        assert_eq!(wait(&three), End::OutOfMemory);
    }
}
