//! What takes away, for good, and the app.

use std::convert::Infallible;
use std::error::Error;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nacre_sys::seccomp::Instruction;
use nacre_sys::{close_range, fd_passing, memory, seccomp, securebits, signals};
use nix::sys::prctl;
use nix::unistd::execve;

use crate::LISTENER_PACKET;
use crate::error::LaunchError;
use crate::prepared::Prepared;
use crate::step::Step;
use crate::{access, capabilities, check, limits};

/// A process that may do what the app may do, and nothing else.
#[derive(Debug)]
pub struct Sealed {
    program: Program,
}

/// What to execute, and the filter that judges it.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) path: CString,
    pub(crate) argv: Vec<CString>,
    pub(crate) env: Vec<CString>,
    pub(crate) filter: Vec<Instruction>,
}

impl Program {
    pub(crate) fn step(&self) -> Step {
        Step::Execute(self.path.to_string_lossy().into_owned())
    }
}

impl Prepared {
    /// Goes through the steps that take away, the filter last. Its listener goes over `report`: whoever holds it
    /// answers the calls that the filter denies.
    ///
    /// # Errors
    ///
    /// [`LaunchError`] names the step that failed.
    pub fn seal(self, report: BorrowedFd<'_>) -> Result<Sealed, LaunchError> {
        let mut listener = None;
        for step in self.seal {
            if let Err(cause) = seal(&step, &self.proc, &self.program, report, &mut listener) {
                return Err(LaunchError::new(step, cause));
            }
        }
        Ok(Sealed { program: self.program })
    }
}

impl Sealed {
    /// Executes the app. It comes back only if that fails.
    ///
    /// # Errors
    ///
    /// [`LaunchError`]: `EACCES` if the program is not executable, `ENOENT` if it is missing, `ENOEXEC` if
    /// it was made for another machine.
    pub fn execute(self) -> Result<Infallible, LaunchError> {
        // Rust's std ignores SIGPIPE in this process, and an app would inherit that.
        signals::reset();
        execve(&self.program.path, &self.program.argv, &self.program.env)
            .map_err(|cause| LaunchError::new(self.program.step(), cause.into()))
    }
}

// Only a launcher that can switch layers off leaves /proc open.
#[cfg_attr(not(feature = "layer-switches"), allow(unused_variables))]
fn seal(
    step: &Step,
    proc: &OwnedFd,
    program: &Program,
    report: BorrowedFd<'_>,
    listener: &mut Option<OwnedFd>,
) -> Result<(), Box<dyn Error>> {
    match step {
        Step::SecureBits => securebits::lock()?,
        Step::DropBounding => capabilities::drop_bounding()?,
        Step::DropCapabilities => capabilities::drop_all()?,
        Step::NoNewPrivs => prctl::set_no_new_privs()?,
        Step::Landlock { files, ports } => access::restrict(files, ports)?,
        Step::Rlimits { open_files } => limits::set(*open_files)?,
        Step::Check { expected } => check::kernel_agrees(expected)?,
        Step::DenyWriteExecute => memory::deny_write_execute()?,
        #[cfg(feature = "layer-switches")]
        Step::LeaveProc => {
            // A copy has no close-on-exec; nobody closes it.
            std::mem::forget(nix::unistd::dup(proc)?);
        }
        Step::CloseDescriptors => close_range::close_on_exec(3, None)?,
        Step::Filter { .. } => *listener = Some(seccomp::load_with_listener(&program.filter)?),
        Step::HandOver => {
            let listener = listener.take().ok_or("there is none")?;
            fd_passing::send(report, LISTENER_PACKET, &[listener.as_fd()])?;
        }
        #[cfg(feature = "host")]
        Step::Host(step) => step.seal()?,
        _ => return Err("it does not belong to the seal".into()),
    }
    Ok(())
}
