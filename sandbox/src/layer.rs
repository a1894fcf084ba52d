//! The layers around an app, by the names with which a test image can switch them off.

use std::fmt;

/// A layer: steps that only make sense together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Network, IPC, UTS and cgroup namespaces.
    Namespaces,
    /// Mount namespace with the app's image as its root.
    Pivot,
    /// The app's own uid and gid.
    Uid,
    /// User namespace in which only this uid exists.
    UserNamespace,
    /// No capabilities, and no way to get some.
    Capabilities,
    /// `no_new_privs`.
    NoNewPrivs,
    /// Landlock.
    Landlock,
    /// rlimits and OOM score.
    Rlimits,
    /// Descriptors above 2 closed.
    Descriptors,
    /// The seccomp filter.
    Seccomp,
    /// No memory becomes executable after it could be written.
    Memory,
}

impl Layer {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Pivot => "pivot",
            Self::Uid => "uid",
            Self::UserNamespace => "user-namespace",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivs => "no-new-privs",
            Self::Landlock => "landlock",
            Self::Rlimits => "rlimits",
            Self::Descriptors => "descriptors",
            Self::Seccomp => "seccomp",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which layers are on.
#[cfg(not(feature = "layer-switches"))]
#[derive(Debug, Clone)]
pub(crate) struct Layers;

#[cfg(not(feature = "layer-switches"))]
impl Layers {
    /// All of them. A list that switches any off is refused: this launcher has no code for it.
    pub(crate) fn new(off: &[String]) -> Result<Self, LayersError> {
        if off.is_empty() { Ok(Self) } else { Err(LayersError::NotSwitchable) }
    }

    #[allow(clippy::unused_self)] // The launcher with switches looks at itself here.
    pub(crate) const fn has(&self, _: Layer) -> bool {
        true
    }
}

/// The layers around an app that others make: netd, and the app manager.
#[cfg(feature = "layer-switches")]
const MADE_ELSEWHERE: [&str; 3] = ["packet-filter", "cgroup", "quota"];

/// Which layers are on.
#[cfg(feature = "layer-switches")]
#[derive(Debug, Clone)]
pub(crate) struct Layers {
    off: Vec<Layer>,
}

#[cfg(feature = "layer-switches")]
impl Layers {
    const ALL: [Layer; 11] = [
        Layer::Namespaces,
        Layer::Pivot,
        Layer::Uid,
        Layer::UserNamespace,
        Layer::Capabilities,
        Layer::NoNewPrivs,
        Layer::Landlock,
        Layer::Rlimits,
        Layer::Descriptors,
        Layer::Seccomp,
        Layer::Memory,
    ];

    /// All but those named; `all` names every one.
    pub(crate) fn new(off: &[String]) -> Result<Self, LayersError> {
        if off.iter().any(|name| name == "all") {
            return Ok(Self { off: Self::ALL.to_vec() });
        }
        let layer_of = |name: &String| {
            let found = Self::ALL.into_iter().find(|layer| layer.name() == name);
            found.ok_or_else(|| LayersError::Unknown(name.clone()))
        };
        let own = off.iter().filter(|name| !MADE_ELSEWHERE.contains(&name.as_str()));
        Ok(Self { off: own.map(layer_of).collect::<Result<_, _>>()? })
    }

    pub(crate) fn has(&self, layer: Layer) -> bool {
        !self.off.contains(&layer)
    }
}

/// Why a list of layers to switch off is refused.
#[derive(Debug, thiserror::Error)]
pub enum LayersError {
    /// Layers cannot be switched off here.
    #[cfg(not(feature = "layer-switches"))]
    #[error("this launcher cannot switch layers off")]
    NotSwitchable,
    /// No layer has this name.
    #[cfg(feature = "layer-switches")]
    #[error("there is no layer `{0}`")]
    Unknown(String),
}
