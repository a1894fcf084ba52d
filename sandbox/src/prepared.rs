//! What needs root: the app's own world, made and entered.

use std::error::Error;
use std::os::fd::OwnedFd;

use nacre_sys::{credentials, securebits};
use nix::fcntl::{OFlag, open, openat};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, chdir, sethostname, write};

use crate::error::LaunchError;
use crate::plan::Plan;
use crate::sealed::Program;
use crate::step::{Namespace, Step};
use crate::{capabilities, mounts, user_namespace};

/// A process in the app's namespaces, with the app's uid and root, still unrestricted within them.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) proc: OwnedFd,
    pub(crate) seal: Vec<Step>,
    pub(crate) program: Program,
}

impl Plan {
    /// Goes through the steps that need root. `network` is the namespace that was made for an app which has one.
    ///
    /// # Errors
    ///
    /// [`LaunchError`] names the step that failed. The process is then good for nothing but to report it.
    pub fn prepare(self, network: Option<OwnedFd>) -> Result<Prepared, LaunchError> {
        let proc = hold_proc().map_err(|cause| LaunchError::new(Step::HoldProc, cause))?;
        for step in self.prepare {
            if let Err(cause) = prepare(&step, &proc, network.as_ref()) {
                return Err(LaunchError::new(step, cause));
            }
        }
        Ok(Prepared { proc, seal: self.seal, program: self.program })
    }
}

/// The OS's `/proc`: the app's own is read-only and shows processes only.
fn hold_proc() -> Result<OwnedFd, Box<dyn Error>> {
    Ok(open("/proc", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?)
}

/// Writes one of the kernel's files below the held `/proc`, whole, with one call.
pub(crate) fn write_proc(proc: &OwnedFd, path: &str, text: &str) -> Result<(), Box<dyn Error>> {
    let file = openat(proc, path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    write(&file, text.as_bytes())?;
    Ok(())
}

fn prepare(step: &Step, proc: &OwnedFd, network: Option<&OwnedFd>) -> Result<(), Box<dyn Error>> {
    match step {
        Step::Unshare(namespaces) => unshare(flags_of(namespaces))?,
        Step::JoinNetwork => {
            setns(network.ok_or("none was handed over")?, CloneFlags::CLONE_NEWNET)?;
        }
        Step::PrivateMounts => mounts::make_private()?,
        Step::Mount(mount) => mounts::mount(mount)?,
        Step::Enter(root) => chdir(root.as_str())?,
        Step::Pivot => mounts::pivot()?,
        Step::Hostname(name) => sethostname(name)?,
        Step::OomScore(score) => write_proc(proc, "self/oom_score_adj", &score.to_string())?,
        Step::SecureBits => securebits::lock()?,
        Step::DropBounding => capabilities::drop_bounding()?,
        // Of this thread only: the launcher has no other, which the kernel demands for the user namespace that follows
        // (unshare(2), EINVAL).
        Step::Identity(id) => credentials::become_user(Uid::from_raw(*id), Gid::from_raw(*id))?,
        Step::UserNamespace { inside, outside } => user_namespace::enter(proc, *inside, *outside)?,
        Step::NoUserNamespaces => user_namespace::allow_none_inside(proc)?,
        #[cfg(feature = "host")]
        Step::Host(step) => step.prepare(proc)?,
        // Done before all others; it has a place in the list so that plans show it.
        Step::HoldProc => {}
        _ => return Err("it does not belong to the preparation".into()),
    }
    Ok(())
}

fn flags_of(namespaces: &[Namespace]) -> CloneFlags {
    namespaces
        .iter()
        .map(|namespace| match namespace {
            Namespace::Mount => CloneFlags::CLONE_NEWNS,
            Namespace::Network => CloneFlags::CLONE_NEWNET,
            Namespace::Ipc => CloneFlags::CLONE_NEWIPC,
            Namespace::Uts => CloneFlags::CLONE_NEWUTS,
            Namespace::Cgroup => CloneFlags::CLONE_NEWCGROUP,
        })
        .collect()
}
