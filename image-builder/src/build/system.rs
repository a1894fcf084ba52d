//! The OS side of an image: its programs and root filesystem, and the signed slot around them.

use nacre_manifest::device::{self, ImageInfo, PublicKey};
use nacre_manifest::image::{KernelChoice, Profile};
use nacre_verify::digest::Digest;
use nacre_verify::key::SigningKey;
use nacre_verify::slot::{Contents, CriticalApp, Parts, Slot};

use super::{Inputs, Site, length, write};
use crate::device_programs::{self, LayerSwitches, NetworkOfApps};
use crate::failure::Failure;
use crate::keys::KeyFolder;
use crate::root_image::{self, RootFile};
use crate::sizes::FileSize;
use crate::slot;
use crate::toolchain::Architecture;
use crate::workspace::Workspace;

/// A slot, signed and written.
pub(super) struct System {
    /// Its description.
    pub(super) slot: Slot,
    /// The slot itself.
    pub(super) bytes: Vec<u8>,
    /// What is in its root filesystem.
    pub(super) files: Vec<FileSize>,
}

/// Compiles the OS's own programs.
pub(super) fn programs(site: &Site, workspace: &Workspace) -> Result<Vec<RootFile>, Failure> {
    let recipe = &site.inputs.recipe;
    let all_on = recipe.layers_off.is_empty() && recipe.layers_off_of.is_empty();
    let switches = if all_on { LayerSwitches::Absent } else { LayerSwitches::Present };
    let (network, into) = (site.inputs.network(), site.scratch.join("programs"));
    device_programs::build(site.toolchain, workspace, network, switches, &into, site.terminal)
}

impl System {
    /// Puts programs and kernel together, signs the slot and writes it.
    pub(super) fn assemble(
        site: &Site,
        mut files: Vec<RootFile>,
        kernel: &[u8],
        key: &SigningKey,
    ) -> Result<Self, Failure> {
        let info = device::encode(&site.inputs.image_info(site.keys));
        files.push(RootFile { path: "/etc/nacre/image.cbor", mode: 0o644, content: info });
        let root = root_image::make(&files)?;
        let contents = Contents { rootfs: &root, kernel, device_tree: &[] };
        let description = site.inputs.slot(site.toolchain.architecture, Parts::of(&contents));
        let (slot, bytes) = slot::assemble(description, &contents, site.keys, key)?;
        write(site.output, "slot.img", &bytes)?;
        let mut files: Vec<FileSize> =
            files.iter().map(|f| FileSize { path: f.path.to_owned(), bytes: length(&f.content) }).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { slot, bytes, files })
    }
}

impl Inputs {
    fn network(&self) -> NetworkOfApps {
        // An image without apps is there for those that are installed later, which may have one.
        match self.apps.is_empty() || self.apps.iter().any(|app| app.manifest.network.is_some()) {
            true => NetworkOfApps::Present,
            false => NetworkOfApps::Absent,
        }
    }

    fn image_info(&self, keys: &KeyFolder) -> ImageInfo {
        let critical = self.apps.iter().filter(|app| app.manifest.critical);
        ImageInfo {
            image: self.recipe.image.clone(),
            version: self.recipe.version.clone(),
            board: self.board.board.clone(),
            development: self.recipe.profile == Profile::Development,
            development_keys: keys.set.development,
            app_keys: keys.set.app_keys().iter().map(|key| PublicKey(*key.as_bytes())).collect(),
            critical: critical
                .map(|app| device::CriticalApp {
                    app: app.manifest.app.clone(),
                    min_rollback_index: app.manifest.rollback_index,
                })
                .collect(),
            layers_off: self.recipe.layers_off.clone(),
            layers_off_of: self.recipe.layers_off_of.clone(),
            time_servers: self.recipe.time_servers.clone(),
            devices: self.board.devices.clone(),
            control_kernel: self.recipe.kernel == KernelChoice::Control,
            capability_keys: keys
                .set
                .capability_keys()
                .iter()
                .map(|key| PublicKey(*key.as_bytes()))
                .collect(),
        }
    }

    fn slot(&self, architecture: &Architecture, parts: Parts) -> Slot {
        let critical = self.apps.iter().filter(|app| app.manifest.critical);
        Slot {
            image: self.recipe.image.clone(),
            version: self.recipe.version.clone(),
            rollback_index: self.recipe.rollback_index,
            profile: match self.recipe.profile {
                Profile::Production => nacre_verify::target::Profile::Production,
                Profile::Development => nacre_verify::target::Profile::Development,
            },
            board: self.board.board.clone(),
            arch: architecture.signed,
            slot_bytes: self.board.disk.slot_bytes,
            parts,
            arguments: self.board.cmdline.clone(),
            critical: critical
                .map(|app| CriticalApp {
                    app: app.manifest.app.to_string(),
                    min_rollback_index: app.manifest.rollback_index,
                })
                .collect(),
            board_digest: Digest::of(self.board_text.as_bytes()),
        }
    }
}
