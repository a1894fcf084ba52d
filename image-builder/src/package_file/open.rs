//! Taking a package apart, whoever signed it.

use std::io;
use std::path::{Path, PathBuf};

use nacre_manifest::device::{self, Manifest};
use nacre_verify::package::{InvalidPayload, MalformedArchive, Payload, members};
use nacre_verify::slot::ReadAt as _;

use crate::inspect::check::MAX_PACKAGE_BYTES;
use crate::inspect::claim;
use crate::inspect::file::FileRange;
use crate::inspect::subject::{self, FindSubjectsError, Kind, Subject};

/// Why a file can't be read as a package.
#[derive(Debug, thiserror::Error)]
pub enum ReadPackageError {
    /// Nothing of the kind is there.
    #[error("looking for a package")]
    Find(#[from] FindSubjectsError),
    /// A folder, a slot or a disk.
    #[error("`{}` is {what}, not an app package", path.display())]
    Other {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// It can't be read now.
    #[error("reading `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Larger than a package may be.
    #[error("`{}` has {bytes} bytes, more than any package", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Its content is no package's.
    #[error("`{}` is not a whole app package", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ReadContentError,
    },
}

/// Why bytes are not the content of a package.
#[derive(Debug, thiserror::Error)]
pub enum ReadContentError {
    /// Not an archive of the two members.
    #[error("read the package's archive")]
    Archive(#[from] MalformedArchive),
    /// No envelope around the manifest.
    #[error("manifest.cose is not a signed envelope")]
    Envelope,
    /// Not the content of a package.
    #[error("decode the package's content")]
    Payload(#[source] minicbor::decode::Error),
    /// Content that breaks its rules.
    #[error("check the package's content")]
    Invalid(#[from] InvalidPayload),
    /// The right content, written another way.
    #[error("the package's content is not in the deterministic encoding")]
    NotDeterministic,
    /// No manifest that this program knows.
    #[error("decode the app's manifest")]
    Manifest(#[from] device::DecodeError),
    /// The manifest and what is signed beside it don't agree; the device refuses such a package.
    #[error("the app's manifest and its signed description differ in {0}")]
    Contradiction(&'static str),
}

/// What is signed of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// All of it.
    pub payload: Payload,
    /// The manifest in it.
    pub manifest: Manifest,
}

impl Content {
    /// Checks what the device will check when it opens the package.
    ///
    /// # Errors
    /// When it would refuse it.
    pub fn of(payload: Payload) -> Result<Self, ReadContentError> {
        let manifest: Manifest = device::decode(&payload.manifest)?;
        for (same, what) in [
            (manifest.app.as_str() == payload.component, "the app's name"),
            (manifest.version == payload.version, "the version"),
            (manifest.rollback_index == payload.rollback_index, "the rollback index"),
        ] {
            if !same {
                return Err(ReadContentError::Contradiction(what));
            }
        }
        Ok(Self { payload, manifest })
    }

    /// `org.example.tool 1.0.0`
    pub fn name(&self) -> String {
        format!("{} {}", self.payload.component, self.payload.version)
    }
}

/// A package, taken apart. Nothing says that anybody trusted signed it.
#[derive(Debug)]
pub struct PackageFile {
    /// Where it is.
    pub path: PathBuf,
    /// The whole file.
    pub bytes: Vec<u8>,
    /// What it says.
    pub content: Content,
    /// The app's filesystem.
    pub image: Vec<u8>,
    /// The signed member: what it says, with a signature.
    pub manifest_cose: Vec<u8>,
}

impl PackageFile {
    /// Reads it.
    ///
    /// # Errors
    /// When it is not there, or its structure is not that of a package.
    pub fn read(path: &Path) -> Result<Self, ReadPackageError> {
        let bytes = read_bytes(path)?;
        let broken = |source| ReadPackageError::Content { path: path.to_owned(), source };
        let (content, manifest_cose, image) = take_apart(&bytes).map_err(broken)?;
        Ok(Self { path: path.to_owned(), bytes, content, image, manifest_cose })
    }

    /// Its name without folders.
    pub fn name(&self) -> String {
        subject(&self.path).name()
    }

    /// Whether its filesystem is the one that is signed with the rest.
    pub fn image_fits(&self) -> bool {
        let mut of_image = self.content.payload.clone();
        of_image.describe_image(&self.image);
        of_image == self.content.payload
    }
}

/// A package among the things that can be verified.
pub fn subject(path: &Path) -> Subject {
    Subject { kind: Kind::Package, path: path.to_owned() }
}

/// The bytes of a file that is a package by its content or its name.
///
/// # Errors
/// When it is something else, larger than any package, or can't be read.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, ReadPackageError> {
    let other = |what| Err(ReadPackageError::Other { path: path.to_owned(), what });
    if path.is_dir() {
        return other("a folder");
    }
    match subject::find(path)?.first().map(|subject| subject.kind) {
        Some(Kind::Slot) => return other("a slot"),
        Some(Kind::Disk) => return other("a disk"),
        _ => {}
    }
    let io = |source| ReadPackageError::Io { path: path.to_owned(), source };
    let file = FileRange::whole(path).map_err(io)?;
    let bytes = file.len();
    if bytes > MAX_PACKAGE_BYTES {
        return Err(ReadPackageError::TooLarge { path: path.to_owned(), bytes });
    }
    file.read(0, bytes).map_err(io)
}

type Parts = (Content, Vec<u8>, Vec<u8>);

fn take_apart(bytes: &[u8]) -> Result<Parts, ReadContentError> {
    let (manifest, image) = members(bytes)?;
    let part = |range| bytes.get(range).map(<[u8]>::to_vec).unwrap_or_default();
    let (manifest, image) = (part(manifest), part(image));
    let claimed = claim::payload(&manifest).ok_or(ReadContentError::Envelope)?;
    let payload: Payload = minicbor::decode(claimed).map_err(ReadContentError::Payload)?;
    if payload.encode()? != claimed {
        return Err(ReadContentError::NotDeterministic);
    }
    Ok((Content::of(payload)?, manifest, image))
}
