//! The end: of the app manager, of what is left, of the system.

use std::fs;
use std::time::Duration;

use nix::mount::{MsFlags, mount, umount};
use nix::sys::reboot::{RebootMode, reboot, set_cad_enabled};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, sync};

use crate::console::log;

/// How the system ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Restart.
    Reboot,
    /// Power off.
    PowerOff,
}

/// Ctrl-Alt-Del reaches PID 1 as SIGINT instead of resetting the machine at once (reboot(2)).
pub(crate) fn forbid_ctrl_alt_del() {
    if let Err(error) = set_cad_enabled(false) {
        log(&format!("disable ctrl-alt-del: {error}"));
    }
}

/// Asks the app manager to stop all apps and go.
pub(crate) fn terminate(pid: u32) {
    let Ok(pid) = i32::try_from(pid) else { return };
    if let Err(error) = kill(Pid::from_raw(pid), Signal::SIGTERM) {
        log(&format!("stop the app manager: {error}"));
    }
}

/// Kills every app at once, through the cgroup that holds them all (cgroup-v2, `cgroup.kill`).
pub(crate) fn kill_apps() {
    match fs::write("/sys/fs/cgroup/apps/cgroup.kill", "1") {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => log(&format!("kill the apps: {error}")),
        _ => {}
    }
}

/// Ends what is left, writes everything to disk, and restarts or powers off. Never returns: should
/// the kernel refuse, PID 1 ends, which is a panic and so a restart.
pub(crate) fn end(ending: Ending) {
    kill_apps();
    // Every process but this one.
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    sync();
    // The kill is not instant: until the last process has let go, the filesystem is busy.
    for _ in 0..20 {
        crate::signals::reap();
        if umount("/data").is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    // Busy or not mounted: read-only at least leaves a clean journal.
    let _ =
        mount(None::<&str>, "/data", None::<&str>, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, None::<&str>);
    sync();
    let mode = match ending {
        Ending::Reboot => {
            log("restarting");
            RebootMode::RB_AUTOBOOT
        }
        Ending::PowerOff => {
            log("powering off");
            RebootMode::RB_POWER_OFF
        }
    };
    let Err(error) = reboot(mode);
    log(&format!("{mode:?}: {error}"));
}
