//! Starting the app: the launcher's own copy, as process 1 of a new PID namespace, becomes it.

use std::error::Error;
use std::io::{self, PipeReader};
use std::os::fd::{AsFd, OwnedFd};

use nacre_diag::CauseChain;
use nacre_manifest::device::{Manifest, Protocol};
use nacre_sandbox::host::{Caller, Content, Host, HostFile};
use nacre_sandbox::{LaunchSpec, NetworkSpec, Plan, carry_out};
use nacre_sys::fork::{ForkRequest, fork};
use nacre_sys::spawn::{PidNamespace, Spawned};
use nacre_wire::host_run::{HostRun, RunContent};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket, socketpair};
use nix::unistd::chown;

use crate::host::Machine;
use crate::words::{Exit, Failure};

/// An app that is being started.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) process: Spawned,
    pub(crate) stdout: PipeReader,
    pub(crate) stderr: PipeReader,
    /// Brings the filter's listener, or one line of text if a step fails; ends when the app runs.
    pub(crate) report: OwnedFd,
    /// What `/run/nacre` will be, without a name yet.
    pub(crate) socket: OwnedFd,
}

/// Starts it.
pub(crate) fn start(run: &HostRun, manifest: &Manifest, machine: &Machine) -> Result<Started, Failure> {
    let failed = |cause: &dyn Error| {
        Failure::new(Exit::Internal, format!("can't start {}", manifest.app)).because(CauseChain(cause))
    };
    let kernel = |errno: Errno| failed(&errno);
    let spec = describe(run, manifest, machine);
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).map_err(kernel)?;
    let plan = Plan::on_host(&spec, &host(run, manifest, machine)).map_err(|error| failed(&error))?;
    if let (Caller::Root, Some(data)) = (machine.caller, &run.data) {
        chown(data.as_str(), Some(spec.uid.into()), Some(spec.uid.into())).map_err(kernel)?;
    }
    let (report, report_in) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).map_err(kernel)?;
    let pipe = || io::pipe().map_err(|error| failed(&error));
    // Its writer is dropped at once: standard input is at its end, as on a device.
    let (stdin, _) = pipe()?;
    let ((stdout, stdout_in), (stderr, stderr_in)) = (pipe()?, pipe()?);
    for reader in [&stdout, &stderr] {
        fcntl(reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(kernel)?;
    }
    let request = ForkRequest {
        streams: [stdin.as_fd(), stdout_in.as_fd(), stderr_in.as_fd()],
        fds: &[report_in.as_fd(), socket.as_fd()],
        pid_namespace: match machine.caller {
            Caller::Root => PidNamespace::New,
            Caller::User => PidNamespace::NewWithUsers,
        },
        cgroup: None,
    };
    let process = fork(&request, move |fds| {
        let mut fds = fds.into_iter();
        // The socket stays open as `SOCKET_FD` for as long as the plan is carried out.
        if let (Some(manager), Some(_socket)) = (fds.next(), fds.next()) {
            carry_out(plan, manager, None);
        }
        1
    });
    let process = process.map_err(|error| {
        let hint = "a user namespace is needed: see `sysctl user.max_user_namespaces`, or run it as root";
        failed(&error).hint(hint)
    })?;
    Ok(Started { process, stdout, stderr, report, socket })
}

fn describe(run: &HostRun, manifest: &Manifest, machine: &Machine) -> LaunchSpec {
    let tcp = |port: &nacre_manifest::device::Port| (port.protocol == Protocol::Tcp).then_some(port.number);
    let network = manifest.network.as_ref().map(|network| NetworkSpec {
        bind: network.listen.iter().filter_map(tcp).collect(),
        connect: network.connect.iter().filter_map(|remote| tcp(&remote.port)).collect(),
    });
    LaunchSpec {
        app: manifest.app.clone(),
        argv: manifest.run.iter().chain(&run.arguments).cloned().collect(),
        uid: machine.app_uid(manifest.app.as_str()),
        root: run.root.clone(),
        data: run.data.clone(),
        // The tree has both of its own.
        dev: "/dev".to_owned(),
        socket: "/run/nacre".to_owned(),
        tmp_bytes: manifest.limits.tmp_bytes,
        open_files: manifest.limits.open_files,
        filter: run.filter.clone(),
        layers_off: Vec::new(),
        network,
        writable_executable: manifest.writable_executable,
    }
}

fn host(run: &HostRun, manifest: &Manifest, machine: &Machine) -> Host {
    let files = run.files.iter().map(|file| HostFile {
        path: file.path.clone(),
        program: file.program,
        content: match &file.content {
            RunContent::File(path) => Content::File(path.clone()),
            RunContent::Bytes(bytes) => Content::Bytes(bytes.clone()),
        },
    });
    Host {
        caller: machine.caller,
        landlock: machine.landlock,
        memory: machine.memory,
        files: files.collect(),
        tasks: Some(manifest.limits.tasks),
    }
}
