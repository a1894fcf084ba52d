//! The apps' side of an image: their packages, and the data partition on which they are installed.

use std::fs::File;
use std::sync::mpsc::Sender;

use nacre_manifest::image::Profile;
use nacre_seccomp_policy::Denials;
use nacre_verify::key::SigningKey;

use super::compile::Maker;
use super::package::{Package, Packer, Seal};
use super::{Site, storage, write};
use crate::data_image::{self, Entry};
use crate::disk::Layout;
use crate::failure::Failure;
use crate::guid;
use crate::toolchain::Optimization;

/// Apps, built and installed.
pub(super) struct Apps {
    /// One for each.
    pub(super) packages: Vec<Package>,
    /// The data partition's filesystem.
    pub(super) data: File,
}

impl Apps {
    /// Builds and writes the packages, says so to `compiled`, and installs them.
    pub(super) fn build(
        site: &Site,
        key: &SigningKey,
        layout: &Layout,
        compiled: Sender<()>,
    ) -> Result<Self, Failure> {
        let inputs = site.inputs;
        let packer = Packer {
            maker: Maker {
                toolchain: Some(site.toolchain),
                architecture: site.toolchain.architecture,
                // Who tries something out builds again and again; what ships is built to be small.
                optimization: match inputs.recipe.profile {
                    Profile::Development => Optimization::EachCrate,
                    Profile::Production => Optimization::WholeProgram,
                },
                terminal: site.terminal,
            },
            seal: Seal {
                architecture: site.toolchain.architecture,
                // The development twin explains also what Landlock denies; what ships is not watched at its work.
                denials: match inputs.recipe.profile {
                    Profile::Development => Denials::NotifyAndWatch,
                    Profile::Production => Denials::Notify,
                },
                key,
                trusted: &site.keys.set.app_keys(),
                scratch: site.scratch,
            },
        };
        let packages =
            inputs.apps.iter().map(|app| Package::build(app, &packer)).collect::<Result<Vec<_>, _>>()?;
        // Nobody listens where building the system failed, which is then what the build ends with.
        let _ = compiled.send(());
        let folder = |path: &str, mode: u32| (path.to_owned(), Entry::Folder(mode));
        let mut content = vec![folder("packages", 0o755), folder("apps", 0o755), folder("state", 0o700)];
        for package in &packages {
            write(site.output, &format!("{}.app", package.component), &package.archive)?;
            content.extend(package.on_data(site.scratch)?);
        }
        let uuid = guid::derive(&inputs.board.board, &inputs.recipe.image, "data-filesystem");
        let inodes = storage::promised_inodes(&inputs.apps);
        let data = data_image::make(layout.data_bytes, inodes, &uuid, &content, site.scratch)?;
        storage::check(&inputs.apps, &inputs.board, data_image::free(&data)?)?;
        Ok(Self { packages, data })
    }
}
