//! PID 1: mounts, hands over to the app manager, reaps, shuts down and reboots.
//!
//! It parses nothing but the kernel's own text files, waits on no less trusted process, and has no
//! panic path: what cannot be done is said on the console and answered with a restart.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]

mod cgroups;
mod clock;
mod console;
mod data_partition;
mod mounts;
mod power;
mod signals;
mod supervisor;
mod sysctl;

use std::ffi::CStr;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use nacre_sys::spawn::{PidNamespace, SpawnError, SpawnRequest, spawn};

use console::log;
use power::Ending;
use signals::{Signals, Wake};
use supervisor::{Action, Event, Supervisor};

#[cfg(all(target_arch = "arm", target_env = "musl"))]
#[global_allocator]
static HEAP: nacre_sys::allocator::Allocator = nacre_sys::allocator::Allocator::new();

/// The app manager, on the verified root filesystem.
const APP_MANAGER: &CStr = c"/sbin/appmgr";

fn main() {
    let ending = match start() {
        Ok(signals) => supervise(&signals),
        Err(error) => {
            log(&format!("boot failed: {}", nacre_diag::CauseChain(&error)));
            // Long enough to be read on a console, short enough not to drain a battery.
            std::thread::sleep(Duration::from_secs(5));
            Ending::Reboot
        }
    };
    power::end(ending);
}

/// Why the system could not be brought up.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("mount the kernel's filesystems")]
    Mounts(#[from] mounts::MountError),
    #[error("prepare the groups of processes")]
    Cgroups(#[from] cgroups::CgroupError),
    #[error("receive signals")]
    Signals(#[from] signals::SignalsError),
}

/// Everything before the app manager, in the order in which each step needs the one before it.
fn start() -> Result<Signals, StartError> {
    mounts::kernel_filesystems()?;
    cgroups::prepare(Path::new(cgroups::ROOT))?;
    power::forbid_ctrl_alt_del();
    sysctl::apply();
    if let Err(error) = nix::unistd::sethostname("nacre") {
        log(&format!("set the host name: {error}"));
    }
    if let Err(error) = clock::raise_to_floor() {
        log(&format!("set the clock: {error}"));
    }
    // Without data there are no apps; the app manager still starts, to say so and to be asked.
    if let Err(error) = data_partition::mount() {
        log(&format!("no data partition: {}", nacre_diag::CauseChain(&error)));
    }
    Ok(Signals::block()?)
}

/// Runs the app manager until somebody asks for the end.
fn supervise(signals: &Signals) -> Ending {
    let mut supervisor = Supervisor::new();
    let mut events = vec![Event::Tick];
    loop {
        for event in events {
            if let Some(ending) = supervisor.drive(event, clock::uptime, perform) {
                return ending;
            }
        }
        events = match signals.wait(supervisor.wait_for(clock::uptime())) {
            Wake::Reboot => vec![Event::Ask(Ending::Reboot)],
            Wake::PowerOff => vec![Event::Ask(Ending::PowerOff)],
            Wake::Child => signals::reap().into_iter().map(|(pid, how)| Event::Gone { pid, how }).collect(),
            Wake::Time => vec![Event::Tick],
        };
    }
}

/// Why the app manager was not started.
#[derive(Debug, thiserror::Error)]
enum StartAppManagerError {
    #[error(transparent)]
    Cgroup(#[from] cgroups::CgroupError),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

/// It gets the console and no environment; its end is seen by [`signals::reap`].
fn start_app_manager() -> Result<u32, StartAppManagerError> {
    let group = cgroups::open(Path::new(cgroups::ROOT))?;
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let spawned = spawn(&SpawnRequest {
        program: APP_MANAGER,
        argv: &[APP_MANAGER],
        env: &[],
        fds: &[stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
        pid_namespace: PidNamespace::Inherited,
        cgroup: Some(group.as_fd()),
    })?;
    Ok(spawned.pid.as_raw().unsigned_abs())
}

/// Does one thing that the supervisor decided; what came of it, if that is news.
fn perform(action: Action) -> Option<Event> {
    match action {
        Action::Spawn => Some(match start_app_manager() {
            Ok(pid) => Event::Spawned { pid },
            Err(error) => {
                log(&format!("start the app manager: {}", nacre_diag::CauseChain(&error)));
                Event::SpawnFailed
            }
        }),
        Action::Terminate { pid } => {
            power::terminate(pid);
            None
        }
        Action::KillApps => {
            power::kill_apps();
            None
        }
        Action::Log(text) => {
            log(&text);
            None
        }
        Action::End(_) => None,
    }
}
