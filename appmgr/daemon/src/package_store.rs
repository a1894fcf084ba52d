//! Installed packages: which there are, and whether each is what an app key signed.

use std::io;
use std::path::{Path, PathBuf};

use nacre_manifest::component::ComponentId;
use nacre_manifest::device::{self, DecodeError, Manifest};
use nacre_sys::file::{names, read_open};
use nacre_verify::key::PublicKey;
use nacre_verify::package::{
    IMAGE_MEMBER, MANIFEST_MEMBER, MAX_MANIFEST_BYTES, VerifyManifestError, verify_manifest,
};
use nacre_verify::target::Arch;

use crate::plain_file;

/// What programs of this device are made for.
#[cfg(target_arch = "arm")]
const ARCH: Arch = Arch::Armv7;
/// What programs of this device are made for.
#[cfg(target_arch = "x86_64")]
const ARCH: Arch = Arch::X86_64;

/// A package whose signature is good. Its image is still to be measured and mounted.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) manifest: Manifest,
    pub(crate) filter: Vec<u8>,
    pub(crate) image: PathBuf,
    pub(crate) image_bytes: u64,
    /// fs-verity digest that the image must have.
    pub(crate) image_digest: [u8; 32],
}

/// Why a package is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenPackageError {
    #[error("read {file}")]
    Read { file: &'static str, source: io::Error },
    #[error("verify {MANIFEST_MEMBER}")]
    Verify(#[from] VerifyManifestError),
    #[error("decode the app's manifest")]
    Manifest(#[from] DecodeError),
    #[error("it is a package of {0}")]
    OtherApp(String),
    #[error("its manifest and its signed description differ in {0}")]
    Contradiction(&'static str),
    #[error("it is made for {0} and not for {ARCH}")]
    OtherArch(Arch),
}

/// Names of the folders with packages, in order; names that are no component id come separately.
pub(crate) fn scan(packages: &Path) -> io::Result<(Vec<ComponentId>, Vec<String>)> {
    let (mut apps, mut others) = (Vec::new(), Vec::new());
    for name in names(packages)? {
        match name.to_str().and_then(|name| name.parse().ok()) {
            Some(id) => apps.push(id),
            None => others.push(name.to_string_lossy().into_owned()),
        }
    }
    apps.sort();
    Ok((apps, others))
}

/// Reads and verifies the signed part of the package of an app.
pub(crate) fn open(
    folder: &Path,
    app: &ComponentId,
    keys: &[PublicKey],
) -> Result<Package, OpenPackageError> {
    let package = open_any(folder, keys)?;
    let found = &package.manifest.app;
    if found == app { Ok(package) } else { Err(OpenPackageError::OtherApp(found.to_string())) }
}

/// Reads and verifies the signed part of a package, whichever app it is of.
pub(crate) fn open_any(folder: &Path, keys: &[PublicKey]) -> Result<Package, OpenPackageError> {
    let bytes = read_bounded(&folder.join(MANIFEST_MEMBER), MAX_MANIFEST_BYTES + 1)
        .map_err(|source| OpenPackageError::Read { file: MANIFEST_MEMBER, source })?;
    let (payload, _) = verify_manifest(&bytes, keys)?;
    let manifest: Manifest = device::decode(&payload.manifest)?;
    for (same, what) in [
        (manifest.app.as_str() == payload.component, "the app's name"),
        (manifest.version == payload.version, "the version"),
        (manifest.rollback_index == payload.rollback_index, "the rollback index"),
    ] {
        if !same {
            return Err(OpenPackageError::Contradiction(what));
        }
    }
    if payload.arch != ARCH {
        return Err(OpenPackageError::OtherArch(payload.arch));
    }
    Ok(Package {
        manifest,
        filter: payload.filter,
        image: folder.join(IMAGE_MEMBER),
        image_bytes: payload.image_bytes,
        image_digest: payload.image_digest.0,
    })
}

fn read_bounded(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    read_open(&mut plain_file::open(path)?, u64::try_from(most).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nacre_manifest::device::{Limits, Restart, RestartPolicy};
    use nacre_verify::digest::Digest;
    use nacre_verify::key::SigningKey;
    use nacre_verify::package::Payload;

    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            app: "org.nacre.recorder".parse().unwrap(),
            version: "1.0.0".into(),
            rollback_index: 2,
            run: vec!["/app/bin/recorder".into()],
            critical: false,
            restart: Restart {
                policy: RestartPolicy::Always,
                backoff_min_ms: 1_000,
                backoff_max_ms: 60_000,
                limit_count: 5,
                limit_window_ms: 600_000,
            },
            limits: Limits {
                memory_bytes: 1 << 20,
                tasks: 4,
                cpu_permille: 250,
                open_files: 16,
                tmp_bytes: 0,
            },
            data_bytes: 0,
            system: vec![],
            peers: vec![],
            network: None,
            health: None,
            devices: device::Devices::default(),
            events: Vec::new(),
            writable_executable: false,
        }
    }

    fn payload(manifest: &Manifest) -> Payload {
        let filter = vec![6, 0, 0, 0, 0, 0, 0xff, 0x7f];
        Payload {
            component: "org.nacre.recorder".into(),
            version: "1.0.0".into(),
            rollback_index: 2,
            arch: ARCH,
            manifest: device::encode(manifest),
            image_bytes: 4096,
            image_digest: Digest([7; 32]),
            filter_sha256: Digest::of(&filter),
            filter,
        }
    }

    fn open_bytes(bytes: &[u8], key: &SigningKey) -> Result<Package, OpenPackageError> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(MANIFEST_MEMBER), bytes).unwrap();
        open(dir.path(), &"org.nacre.recorder".parse().unwrap(), &[PublicKey::of(key)])
    }

    #[test]
    fn package_signed_by_an_app_key_is_opened() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let package = open_bytes(&payload(&manifest()).sign(&key).unwrap(), &key).unwrap();
        assert_eq!(package.manifest, manifest());
        assert_eq!((package.image_bytes, package.image_digest), (4096, [7; 32]));
    }

    #[test]
    fn package_with_anything_wrong_is_refused_with_the_reason() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let other_arch = if ARCH == Arch::Armv7 { Arch::X86_64 } else { Arch::Armv7 };
        let good = payload(&manifest());
        let cases = [
            (
                Payload { component: "org.nacre.other".into(), ..good.clone() },
                "its manifest and its signed description differ in the app's name",
            ),
            (
                payload(&Manifest { app: "org.nacre.other".parse().unwrap(), ..manifest() }),
                "its manifest and its signed description differ in the app's name",
            ),
            (
                Payload {
                    component: "org.nacre.other".into(),
                    ..payload(&Manifest { app: "org.nacre.other".parse().unwrap(), ..manifest() })
                },
                "it is a package of org.nacre.other",
            ),
            (
                Payload { rollback_index: 3, ..good.clone() },
                "its manifest and its signed description differ in the rollback index",
            ),
            (Payload { manifest: vec![0xa0], ..good.clone() }, "decode the app's manifest"),
        ];
        for (payload, text) in cases {
            let error = open_bytes(&payload.sign(&key).unwrap(), &key).unwrap_err();
            assert_eq!(error.to_string(), text);
        }
        let foreign = Payload { arch: other_arch, ..good.clone() }.sign(&key).unwrap();
        assert!(matches!(open_bytes(&foreign, &key), Err(OpenPackageError::OtherArch(_))));
        let stranger = good.sign(&SigningKey::from_bytes(&[2; 32])).unwrap();
        assert!(matches!(open_bytes(&stranger, &key), Err(OpenPackageError::Verify(_))));
        let too_long = vec![0; MAX_MANIFEST_BYTES + 10];
        assert!(matches!(open_bytes(&too_long, &key), Err(OpenPackageError::Verify(_))));
    }

    #[test]
    fn package_without_its_signed_part_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = open(dir.path(), &"a.b".parse().unwrap(), &[]).unwrap_err();
        assert_eq!(error.to_string(), "read manifest.cose");
    }

    #[test]
    fn scan_folders_with_other_names_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["org.nacre.b", "org.nacre.a", "lost+found"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let (apps, others) = scan(dir.path()).unwrap();
        assert_eq!(apps.iter().map(ComponentId::as_str).collect::<Vec<_>>(), ["org.nacre.a", "org.nacre.b"]);
        assert_eq!(others, ["lost+found"]);
    }
}
