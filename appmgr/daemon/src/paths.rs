//! Where things are on the device. Tests put them elsewhere.

use std::path::PathBuf;

/// Folders and files of the app manager.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    /// What the running OS knows of its own image.
    pub(crate) image_info: PathBuf,
    /// One folder per installed app: `manifest.cose` and `app.img`.
    pub(crate) packages: PathBuf,
    /// A package that is being received, or one that was replaced: what is here is not installed.
    pub(crate) incoming: PathBuf,
    /// One folder per app: its own data.
    pub(crate) app_data: PathBuf,
    /// Where the app manager keeps its own records.
    pub(crate) state: PathBuf,
    /// One folder per app: where its image is mounted; and `dev`.
    pub(crate) mounts: PathBuf,
    /// The socket that apps connect to.
    pub(crate) socket: PathBuf,
    /// Root of the cgroup v2 tree.
    pub(crate) cgroups: PathBuf,
    /// How willingly the kernel kills this process for want of memory.
    pub(crate) oom_score: PathBuf,
}

impl Paths {
    /// Those of a device.
    pub(crate) fn device() -> Self {
        Self {
            image_info: "/etc/nacre/image.cbor".into(),
            packages: "/data/packages".into(),
            incoming: "/data/incoming".into(),
            app_data: "/data/apps".into(),
            state: "/data/state".into(),
            mounts: "/run/apps".into(),
            socket: "/run/nacre.sock".into(),
            cgroups: "/sys/fs/cgroup".into(),
            oom_score: "/proc/self/oom_score_adj".into(),
        }
    }
}
