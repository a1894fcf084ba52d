//! Starting an app: what the launcher is told, and the descriptors that it gets.

use std::io::{self, PipeReader};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nacre_sandbox::{LaunchSpec, Plan, PlanError, carry_out};
use nacre_sys::fork::{ForkError, ForkRequest, fork};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use crate::app_network;
use crate::cgroup::{Cgroup, CgroupError};
use crate::layers::OwnLayers;
use crate::package_store::Package;
use crate::paths::Paths;

/// Exit code of a launcher that has told which step failed.
const STEP_FAILED: i32 = 1;

/// Bytes that the kernel keeps of an app's output until it is read: one page, instead of 16.
const PIPE_BYTES: i32 = 4096;

/// Why an app was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("make its pipes")]
    Pipe(#[source] io::Error),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    Fork(#[from] ForkError),
}

/// What came of a launch. Reading never blocks.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) stdout: PipeReader,
    pub(crate) stderr: PipeReader,
    /// Brings the filter's listener, or one line of text if a step fails; ends when the app runs.
    pub(crate) report: OwnedFd,
}

/// What the launcher needs to know, written once for all starts of an app.
pub(crate) fn describe(
    package: &Package,
    uid: u32,
    root: &Path,
    paths: &Paths,
    layers_off: &[String],
) -> LaunchSpec {
    let manifest = &package.manifest;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    LaunchSpec {
        app: manifest.app.clone(),
        argv: manifest.run.clone(),
        uid,
        root: text(root),
        data: (manifest.data_bytes > 0).then(|| text(&paths.app_data.join(manifest.app.as_str()))),
        dev: text(&paths.mounts.join("dev")),
        socket: text(&paths.socket),
        tmp_bytes: manifest.limits.tmp_bytes,
        open_files: manifest.limits.open_files,
        filter: package.filter.clone(),
        layers_off: layers_off.to_vec(),
        network: manifest.network.as_ref().map(app_network::describe),
        writable_executable: manifest.writable_executable,
    }
}

/// Starts the launcher, a copy of this process, as process 1 of a new PID namespace, in the app's cgroup. `network` is
/// the app's network namespace, if it has one of its own.
pub(crate) fn launch(
    spec: &LaunchSpec,
    network: Option<BorrowedFd<'_>>,
    cgroup: &Cgroup,
    layers: OwnLayers,
) -> Result<Launched, LaunchError> {
    let plan = Plan::new(spec)?;
    // Its writer is dropped at once: standard input is at its end.
    let (stdin, _) = io::pipe().map_err(LaunchError::Pipe)?;
    let (stdout, stdout_in) = output_pipe()?;
    let (stderr, stderr_in) = output_pipe()?;
    let (report, report_in) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .map_err(|errno| LaunchError::Pipe(errno.into()))?;
    let fds: Vec<BorrowedFd<'_>> = [report_in.as_fd()].into_iter().chain(network).collect();
    let request = ForkRequest {
        streams: [stdin.as_fd(), stdout_in.as_fd(), stderr_in.as_fd()],
        fds: &fds,
        pid_namespace: layers.pid_namespace(),
        cgroup: Some(cgroup.folder()),
    };
    let launcher = fork(&request, move |fds| {
        let mut fds = fds.into_iter();
        if let Some(manager) = fds.next() {
            carry_out(plan, manager, fds.next());
        }
        STEP_FAILED
    })?;
    Ok(Launched { pid: launcher.pid.as_raw(), pidfd: launcher.pidfd, stdout, stderr, report })
}

/// A small pipe that is read without blocking and written with blocking.
pub(crate) fn output_pipe() -> Result<(PipeReader, io::PipeWriter), LaunchError> {
    let pipe_error = |errno: Errno| LaunchError::Pipe(errno.into());
    let (reader, writer) = io::pipe().map_err(LaunchError::Pipe)?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(pipe_error)?;
    fcntl(&reader, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES)).map_err(pipe_error)?;
    Ok((reader, writer))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn output_pipe_reader_does_not_block() {
        let (mut reader, mut writer) = output_pipe().unwrap();
        let error = reader.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        writer.write_all(b"hi").unwrap();
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), 2);
    }
}
