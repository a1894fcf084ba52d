//! The layers around an app that are the app manager's own, and whether they are on.

use nacre_manifest::device::Limits;
use nacre_sys::spawn::PidNamespace;

/// Which of them an app has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnLayers {
    #[cfg(feature = "layer-switches")]
    off: Off,
}

#[cfg(feature = "layer-switches")]
#[derive(Debug, Clone, Copy, Default)]
struct Off {
    pid_namespace: bool,
    cgroup: bool,
    quota: bool,
}

#[cfg(not(feature = "layer-switches"))]
#[allow(clippy::unused_self)] // The app manager with switches looks at itself here.
impl OwnLayers {
    /// All of them. That the image switches none off was seen when its description was read.
    pub(crate) const fn new(_: &[String]) -> Self {
        Self {}
    }

    /// Where an app's processes are numbered.
    pub(crate) const fn pid_namespace(self) -> PidNamespace {
        PidNamespace::New
    }

    /// What its cgroup allows.
    pub(crate) const fn limits(self, limits: &Limits) -> Limits {
        *limits
    }

    /// What its uid may store.
    pub(crate) const fn data_bytes(self, bytes: u64) -> u64 {
        bytes
    }
}

#[cfg(feature = "layer-switches")]
impl OwnLayers {
    /// All but those named.
    pub(crate) fn new(off: &[String]) -> Self {
        let off = |name: &str| off.iter().any(|layer| layer == name || layer == "all");
        Self { off: Off { pid_namespace: off("namespaces"), cgroup: off("cgroup"), quota: off("quota") } }
    }

    pub(crate) const fn pid_namespace(self) -> PidNamespace {
        if self.off.pid_namespace { PidNamespace::Inherited } else { PidNamespace::New }
    }

    pub(crate) const fn limits(self, limits: &Limits) -> Limits {
        if self.off.cgroup {
            Limits { memory_bytes: 1 << 30, tasks: 4096, cpu_permille: 1000, ..*limits }
        } else {
            *limits
        }
    }

    pub(crate) const fn data_bytes(self, bytes: u64) -> u64 {
        if self.off.quota { 1 << 30 } else { bytes }
    }
}
