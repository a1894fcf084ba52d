//! Files of a slot's root filesystem. Read only after it was verified: the reader meets no hostile bytes.

use std::io::{Cursor, Read};
use std::path::Path;

use backhand::{FilesystemReader, InnerNode};
use nacre_manifest::device::{self, ImageInfo};
use serde::Serialize;

/// Where the OS keeps what it knows of its own image.
pub(crate) const IMAGE_INFO: &str = "/etc/nacre/image.cbor";

/// Largest description of an image that is read, in bytes.
const MAX_IMAGE_INFO: u64 = 64 * 1024;

/// A file of the root filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RootFile {
    /// Absolute path.
    pub path: String,
    /// `file`, `folder`, `link`, or what else it is.
    pub kind: &'static str,
    /// Permissions, octal: `0755`.
    pub mode: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size before compression; 0 for all but files.
    pub bytes: u64,
    /// Where a link leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// Why the root filesystem cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListFilesError {
    /// Not a squashfs that this program reads.
    #[error("reading the squashfs of the root filesystem")]
    Squashfs(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The image's description cannot be read.
    #[error("reading {IMAGE_INFO} in the root filesystem")]
    ImageInfo(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Lists every file in the order of their paths, and reads the image's own description if it has one.
///
/// # Errors
/// When it is not a squashfs, or the description is damaged.
pub fn list(rootfs: Vec<u8>) -> Result<(Vec<RootFile>, Option<ImageInfo>), ListFilesError> {
    let filesystem = FilesystemReader::from_reader(Cursor::new(rootfs))
        .map_err(|error| ListFilesError::Squashfs(error.to_string().into()))?;
    let mut files = Vec::new();
    let mut info = None;
    for node in filesystem.files() {
        let mut target = None;
        let (kind, bytes) = match &node.inner {
            InnerNode::File(file) => {
                if node.fullpath == Path::new(IMAGE_INFO) {
                    let mut content = Vec::new();
                    let read = filesystem.file(file).reader().take(MAX_IMAGE_INFO).read_to_end(&mut content);
                    read.map_err(|error| ListFilesError::ImageInfo(error.into()))?;
                    let decoded = device::decode(&content);
                    info = Some(decoded.map_err(|error| ListFilesError::ImageInfo(error.into()))?);
                }
                ("file", u64::try_from(file.file_len()).unwrap_or(u64::MAX))
            }
            InnerNode::Symlink(link) => {
                target = Some(link.link.display().to_string());
                ("link", 0)
            }
            InnerNode::Dir(_) => ("folder", 0),
            InnerNode::CharacterDevice(_) => ("character device", 0),
            InnerNode::BlockDevice(_) => ("block device", 0),
            InnerNode::NamedPipe => ("pipe", 0),
            InnerNode::Socket => ("socket", 0),
        };
        files.push(RootFile {
            path: node.fullpath.display().to_string(),
            kind,
            mode: format!("{:04o}", node.header.permissions & 0o7777),
            uid: node.header.uid,
            gid: node.header.gid,
            bytes,
            target,
        });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((files, info))
}
