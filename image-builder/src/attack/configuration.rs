//! The images that are attacked: which layers the hostile app has around it in each.

use std::fmt;

use nacre_manifest::device::LAYERS;

/// Name of the layer that is the kernel's own configuration.
pub const KERNEL_CONFIG: &str = "kernel-config";

/// One image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Configuration {
    /// As it ships: every layer.
    AllLayers,
    /// No layer at all, on the kernel that has what ours leaves out: what doesn't win here proves nothing.
    Control,
    /// Every layer but one.
    Without(&'static str),
}

impl Configuration {
    /// The layers that can be off alone, in the order of the table.
    pub fn layers() -> impl Iterator<Item = &'static str> {
        LAYERS.into_iter().filter(|layer| *layer != "all").chain([KERNEL_CONFIG])
    }

    /// What stands under `testing` in the recipe of its image.
    pub(super) fn testing(self, attacker: &str, witness: &str, kernels: Kernels) -> String {
        let (everywhere, own) = match self {
            Self::AllLayers | Self::Without(KERNEL_CONFIG) => ("", ""),
            Self::Control => ("packet-filter", "all"),
            // netd filters for all apps or for none.
            Self::Without(layer @ "packet-filter") => (layer, ""),
            Self::Without(layer) => ("", layer),
        };
        let kernel = if self.has_control_kernel(kernels) { "control" } else { "product" };
        let attacker = if own.is_empty() { String::new() } else { format!(", {attacker}: [{own}]") };
        format!(
            "testing: {{ layers-off: [{everywhere}], apps: {{ {witness}: [all]{attacker} }}, kernel: {kernel} }}\n"
        )
    }

    /// Name of its folder.
    pub(super) fn folder(self) -> String {
        match self {
            Self::AllLayers => "all-layers".to_owned(),
            Self::Control => "control".to_owned(),
            Self::Without(layer) => format!("without-{layer}"),
        }
    }

    /// Whether its kernel is the control kernel.
    pub(super) fn has_control_kernel(self, kernels: Kernels) -> bool {
        kernels == Kernels::Both && matches!(self, Self::Control | Self::Without(KERNEL_CONFIG))
    }
}

/// Which kernels the twins have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernels {
    /// The image's, and the control kernel where the image's is a layer that is off.
    Both,
    /// The image's alone: attacks on what that leaves out can't be proven, and are left out.
    Own,
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllLayers => f.write_str("all layers"),
            Self::Control => f.write_str("no layer (control)"),
            Self::Without(layer) => write!(f, "without {layer}"),
        }
    }
}
