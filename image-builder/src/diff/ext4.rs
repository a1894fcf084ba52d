//! Files of the data partition, read by debugfs, which needs no root and mounts nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use nacre_verify::slot::ReadAt;
use tempfile::NamedTempFile;

use super::tree::{Entry, Tree};
use crate::failure::{Exit, Failure, OrFail};
use crate::inspect::file::FileRange;
use crate::programs::{self, Program};

/// Inode of the root folder (kernel documentation: filesystems/ext4/special_inodes.rst).
const ROOT_INODE: u64 = 2;
/// Files and folders that are looked at: far more than a data partition has.
const MAX_ENTRIES: usize = 4096;

/// What an ext4 filesystem says of itself and what is in it.
#[derive(Debug)]
pub(super) struct Ext4 {
    /// Fields of the superblock, by name.
    pub(super) fields: BTreeMap<String, String>,
    /// The files.
    pub(super) tree: Tree,
}

/// Reads all of it.
pub(super) fn read(partition: &FileRange) -> Result<Ext4, Failure> {
    let step = || "can't read the data partition".to_owned();
    let mut copy = NamedTempFile::new().or_fail(Exit::Internal, step)?;
    copy_into(partition, &mut copy).or_fail(Exit::Internal, step)?;
    let header = ask(&copy, "show_super_stats -h")?;
    let fields: BTreeMap<String, String> = String::from_utf8_lossy(&header)
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    // debugfs ends well whatever it was given.
    if fields.is_empty() {
        return Err(Failure::new(Exit::BadInput, step()).because("it is not an ext4 filesystem"));
    }
    let mut tree = Tree::new();
    let (mut seen, mut folders) = (BTreeSet::from([ROOT_INODE]), vec![(String::new(), ROOT_INODE)]);
    while let Some((at, folder)) = folders.pop() {
        let listing = ask(&copy, &format!("ls -p <{folder}>"))?;
        for line in String::from_utf8_lossy(&listing).lines().filter_map(Line::parse) {
            if matches!(line.name, "." | "..") || line.inode == 0 || tree.len() == MAX_ENTRIES {
                continue;
            }
            let path = format!("{at}/{}", line.name);
            let mut content = Vec::new();
            let kind = match line.mode & 0o170_000 {
                0o040_000 => {
                    // A damaged filesystem may have a folder in itself.
                    if seen.insert(line.inode) {
                        folders.push((path.clone(), line.inode));
                    }
                    "folder"
                }
                0o100_000 => {
                    if line.bytes <= partition.len() {
                        content = ask(&copy, &format!("cat <{}>", line.inode))?;
                    }
                    "file"
                }
                0o120_000 => "link",
                _ => "special file",
            };
            let mode = format!("{:04o}", line.mode & 0o7777);
            let owner = Some(line.owner.clone());
            tree.insert(path, Entry { kind, mode, owner, time: None, target: None, content });
        }
    }
    Ok(Ext4 { fields, tree })
}

fn copy_into(partition: &FileRange, copy: &mut NamedTempFile) -> io::Result<()> {
    const PIECE: u64 = 1 << 20;
    let mut at = 0;
    while at < partition.len() {
        let bytes = PIECE.min(partition.len() - at);
        copy.write_all(&partition.read(at, bytes)?)?;
        at += bytes;
    }
    copy.flush()
}

fn ask(filesystem: &NamedTempFile, request: &str) -> Result<Vec<u8>, Failure> {
    let mut debugfs = Program::Debugfs.command()?;
    debugfs.arg("-R").arg(request).arg(filesystem.path());
    programs::run(&mut debugfs, || "can't read the data partition".to_owned())
}

/// A line of `ls -p`: `/inode/mode/uid/gid/name/bytes/`.
struct Line<'a> {
    inode: u64,
    mode: u32,
    owner: String,
    name: &'a str,
    bytes: u64,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.strip_prefix('/')?.strip_suffix('/')?.splitn(5, '/');
        let mut field = || fields.next();
        let (inode, mode, uid, gid) = (field()?, field()?, field()?, field()?);
        // A folder's size is left out. A name may have anything in it.
        let (name, bytes) = field()?.rsplit_once('/')?;
        Some(Self {
            inode: inode.parse().ok()?,
            mode: u32::from_str_radix(mode, 8).ok()?,
            owner: format!("{uid}:{gid}"),
            name,
            bytes: if bytes.is_empty() { 0 } else { bytes.parse().ok()? },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn line_of_a_listing_is_read_and_anything_else_is_not() {
        let line = Line::parse("/13/100644/0/20000/app/x.img/4096/").unwrap();
        assert_eq!((line.inode, line.mode, line.name, line.bytes), (13, 0o100_644, "app/x.img", 4096));
        assert_eq!(line.owner, "0:20000");
        assert_eq!(Line::parse("/2/040755/0/0/.//").unwrap().bytes, 0);
        for bad in ["", "/", "//", "/1/2/3/4/", "/x/100644/0/0/n/1/", "/1/9/0/0/n/1/", "/1/100644/0/0/n/-1/"]
        {
            assert!(Line::parse(bad).is_none(), "{bad}");
        }
    }
}
