//! Files of a squashfs, with their content. Read only after it was verified: the reader meets no hostile bytes.

use std::io::{Cursor, Read};

use backhand::{FilesystemReader, InnerNode};

use super::tree::{Entry, Tree};

/// Why a squashfs cannot be read, in words.
#[derive(Debug, thiserror::Error)]
#[error("not a squashfs that can be read: {0}")]
pub(super) struct ReadSquashfsError(String);

/// Reads all of it.
pub(super) fn read(image: Vec<u8>) -> Result<Tree, ReadSquashfsError> {
    let filesystem = FilesystemReader::from_reader(Cursor::new(image))
        .map_err(|error| ReadSquashfsError(error.to_string()))?;
    let mut tree = Tree::new();
    for node in filesystem.files() {
        let (mut target, mut content) = (None, Vec::new());
        let device = |number: u32| Some(format!("device {number:#x}"));
        let kind = match &node.inner {
            InnerNode::File(file) => {
                filesystem
                    .file(file)
                    .reader()
                    .read_to_end(&mut content)
                    .map_err(|error| ReadSquashfsError(error.to_string()))?;
                "file"
            }
            InnerNode::Symlink(link) => {
                target = Some(link.link.display().to_string());
                "link"
            }
            InnerNode::Dir(_) => "folder",
            InnerNode::CharacterDevice(node) => {
                target = device(node.device_number);
                "character device"
            }
            InnerNode::BlockDevice(node) => {
                target = device(node.device_number);
                "block device"
            }
            InnerNode::NamedPipe => "pipe",
            InnerNode::Socket => "socket",
        };
        let entry = Entry {
            kind,
            mode: format!("{:04o}", node.header.permissions & 0o7777),
            owner: Some(format!("{}:{}", node.header.uid, node.header.gid)),
            time: Some(i64::from(node.header.mtime)),
            target,
            content,
        };
        tree.insert(node.fullpath.display().to_string(), entry);
    }
    Ok(tree)
}
