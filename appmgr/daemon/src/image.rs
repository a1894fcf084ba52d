//! What the running OS knows of its own image.

use std::io;
use std::path::{Path, PathBuf};

use nacre_manifest::device::{self, DecodeError, ImageInfo};
use nacre_sys::file;
use nacre_verify::key::{ParsePublicKeyError, PublicKey};
use nix::sys::utsname::uname;

/// Longest description that is read, in bytes: far more than any has.
const MAX_BYTES: u64 = 64 * 1024;

/// The image's description and its keys.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) info: ImageInfo,
    pub(crate) app_keys: Vec<PublicKey>,
    pub(crate) capability_keys: Vec<PublicKey>,
}

/// Why the image's description cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadImageError {
    #[error("read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("decode the image's description")]
    Decode(#[from] DecodeError),
    /// This program has no code that switches layers off.
    #[cfg(not(feature = "layer-switches"))]
    #[error("this app manager cannot switch layers off")]
    NotSwitchable,
    #[error("read the image's keys")]
    Key(#[from] ParsePublicKeyError),
}

impl Image {
    /// Reads it from the verified root filesystem.
    pub(crate) fn load(path: &Path) -> Result<Self, LoadImageError> {
        let bytes = file::read(path, MAX_BYTES)
            .map_err(|source| LoadImageError::Read { path: path.into(), source })?;
        let info: ImageInfo = device::decode_own(&bytes)?;
        #[cfg(not(feature = "layer-switches"))]
        if !info.layers_off.is_empty() || !info.layers_off_of.is_empty() {
            return Err(LoadImageError::NotSwitchable);
        }
        let app_keys = keys(&info.app_keys, &[])?;
        let capability_keys = keys(&info.capability_keys, &app_keys)?;
        Ok(Self { info, app_keys, capability_keys })
    }

    /// What the log says of it at the start; `slot` is the one that it was started from.
    pub(crate) fn announcement(&self, slot: &str) -> Vec<String> {
        let ImageInfo { image, version, board, development, .. } = &self.info;
        let profile = if *development { "development" } else { "production" };
        let slot = if slot.is_empty() { String::new() } else { format!(", slot {slot}") };
        let mut lines = vec![format!("{image} {version} for {board}, {profile} image{slot}")];
        if self.info.development_keys {
            lines.push(
                "*** SIGNED WITH DEVELOPMENT KEYS: anybody may hold them; not for a device in use ***".into(),
            );
        }
        if !self.info.layers_off.is_empty() {
            let layers = self.info.layers_off.join(", ");
            lines.push(format!("*** SANDBOX LAYERS ASKED TO BE OFF: {layers}; for tests only ***"));
        }
        for of in &self.info.layers_off_of {
            let (app, layers) = (of.app.short(), of.layers.join(", "));
            lines.push(format!("*** SANDBOX LAYERS OF {app} ASKED TO BE OFF: {layers}; for tests only ***"));
        }
        if self.info.control_kernel {
            lines.push("*** CONTROL KERNEL, open on purpose to attacks; for tests only ***".into());
        }
        lines
    }
}

/// Checks keys; one that is among the `known` is good.
fn keys(keys: &[device::PublicKey], known: &[PublicKey]) -> Result<Vec<PublicKey>, ParsePublicKeyError> {
    let checked = keys.iter().map(|key| {
        let same = known.iter().find(|known| *known.as_bytes() == key.0);
        same.map_or_else(|| PublicKey::from_bytes(&key.0), |known| Ok(*known))
    });
    checked.collect()
}

/// `a` or `b`; empty if the kernel was not told.
pub(crate) fn slot() -> String {
    kernel_argument("nacre.slot").unwrap_or_default()
}

/// Value of `name=value` on the kernel's command line.
pub(crate) fn kernel_argument(name: &str) -> Option<String> {
    // Without procfs there are none.
    let command_line = file::read_text(Path::new("/proc/cmdline"), 4096).unwrap_or_default();
    argument_of(command_line.lines().next().unwrap_or_default(), name)
}

fn argument_of(command_line: &str, name: &str) -> Option<String> {
    command_line
        .split_ascii_whitespace()
        .find_map(|word| Some(word.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

/// The kernel's, as uname(2) says.
pub(crate) fn kernel_release() -> String {
    uname().map(|names| names.release().to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nacre_manifest::device::PublicKey as Bytes;

    use super::*;

    fn info() -> ImageInfo {
        ImageInfo {
            image: "demo".into(),
            version: "0.1.0".into(),
            board: "qemu-armv7".into(),
            development: true,
            development_keys: true,
            app_keys: vec![],
            critical: vec![],
            layers_off: vec![],
            layers_off_of: vec![],
            capability_keys: vec![],
            time_servers: vec![],
            devices: nacre_manifest::device::BoardDevices::default(),
            control_kernel: false,
        }
    }

    #[test]
    fn argument_is_found_as_a_whole_word_only() {
        let line = "root=/dev/dm-0 nacre.slot=b xnacre.slot=c quiet";
        assert_eq!(argument_of(line, "nacre.slot"), Some("b".into()));
        assert_eq!(argument_of(line, "nacre"), None);
        assert_eq!(argument_of(line, "quiet"), None);
    }

    #[test]
    fn image_with_development_keys_says_so_loudly() {
        let image = Image { info: info(), app_keys: vec![], capability_keys: vec![] };
        let lines = image.announcement("a");
        assert_eq!(lines[0], "demo 0.1.0 for qemu-armv7, development image, slot a");
        assert!(lines[1].contains("SIGNED WITH DEVELOPMENT KEYS"));
    }

    #[test]
    fn image_with_a_key_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image.cbor");
        // The neutral element: anybody makes signatures that match it.
        let mut weak = [0; 32];
        weak[0] = 1;
        fs::write(&path, device::encode(&ImageInfo { app_keys: vec![Bytes(weak)], ..info() })).unwrap();
        assert!(matches!(Image::load(&path), Err(LoadImageError::Key(_))));
        fs::write(&path, b"\xa0\x00").unwrap();
        assert!(matches!(Image::load(&path), Err(LoadImageError::Decode(_))));
        assert!(matches!(Image::load(&dir.path().join("none")), Err(LoadImageError::Read { .. })));
    }
}
