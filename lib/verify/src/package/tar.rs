//! The package's archive: a ustar file (POSIX.1-1988, `pax(1)`) that has one form.
//!
//! Two regular files of mode 0644, owner 0:0 without names, time 0, each padded with zeros to 512 bytes, then
//! two blocks of zeros. GNU tar writes the same bytes with `--format=ustar --numeric-owner --owner=0
//! --group=0 --mtime=@0 --mode=0644 -b1`. The reader knows the header that must be there but for the size,
//! and compares: links, folders, other names, extensions and appended members don't exist for it.

use alloc::vec::Vec;
use core::ops::Range;

use super::{IMAGE_MEMBER, MANIFEST_MEMBER, MAX_IMAGE_BYTES, MAX_MANIFEST_BYTES};

const BLOCK_BYTES: usize = 512;
/// Where the size is in a header: 11 octal digits and a zero byte.
const SIZE_RANGE: Range<usize> = 124..136;
/// What the checksum field counts as while the checksum is taken.
const BLANK_CHECKSUM: &[u8; 8] = b"        ";

/// The two members of a package's archive.
#[derive(Debug)]
pub(super) struct Members<'a> {
    pub(super) manifest: &'a [u8],
    pub(super) manifest_range: Range<usize>,
    pub(super) image: &'a [u8],
    pub(super) image_range: Range<usize>,
}

/// Why an archive is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedArchive {
    /// It ends before its content does.
    #[error("the archive is cut off in {0}")]
    CutOff(&'static str),
    /// A header that is not the one that this member must have.
    #[error("the archive has no proper header for {0}")]
    Header(&'static str),
    /// A member that is empty or larger than it may be.
    #[error("{member} cannot have {bytes} bytes")]
    MemberBytes {
        /// Name of the member.
        member: &'static str,
        /// Its size.
        bytes: usize,
    },
    /// Something where zeros must be.
    #[error("the archive's padding after {0} is not zero")]
    Padding(&'static str),
    /// More or less than two blocks of zeros at the end.
    #[error("the archive does not end after {IMAGE_MEMBER}")]
    End,
}

/// Why an archive cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{member} cannot have {bytes} bytes")]
pub struct WriteArchiveError {
    /// Name of the member.
    pub member: &'static str,
    /// Its size, in bytes.
    pub bytes: usize,
}

/// One of the two members: its name and largest size.
#[derive(Clone, Copy)]
struct Member {
    name: &'static str,
    max_bytes: usize,
}

const MANIFEST: Member = Member { name: MANIFEST_MEMBER, max_bytes: MAX_MANIFEST_BYTES };
const IMAGE: Member = Member { name: IMAGE_MEMBER, max_bytes: MAX_IMAGE_BYTES };

pub(super) fn write(manifest: &[u8], image: &[u8]) -> Result<Vec<u8>, WriteArchiveError> {
    let mut out = Vec::new();
    for (member, content) in [(MANIFEST, manifest), (IMAGE, image)] {
        let bytes = content.len();
        if !member.allows(bytes) {
            return Err(WriteArchiveError { member: member.name, bytes });
        }
        out.extend_from_slice(&header(member.name, bytes));
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(BLOCK_BYTES), 0);
    }
    out.extend_from_slice(&[0; BLOCK_BYTES]);
    out.extend_from_slice(&[0; BLOCK_BYTES]);
    Ok(out)
}

pub(super) fn read(bytes: &[u8]) -> Result<Members<'_>, MalformedArchive> {
    let mut rest = Rest { bytes, at: 0 };
    let (manifest, manifest_range) = rest.take_member(MANIFEST)?;
    let (image, image_range) = rest.take_member(IMAGE)?;
    let end = bytes.get(rest.at..).unwrap_or_default();
    if end != [0; 2 * BLOCK_BYTES] {
        return Err(MalformedArchive::End);
    }
    Ok(Members { manifest, manifest_range, image, image_range })
}

/// What is left to read of an archive.
struct Rest<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn take_member(&mut self, member: Member) -> Result<(&'a [u8], Range<usize>), MalformedArchive> {
        let name = member.name;
        let found = self.take(BLOCK_BYTES).ok_or(MalformedArchive::CutOff(name))?;
        let bytes = found.get(SIZE_RANGE).and_then(parse_size).ok_or(MalformedArchive::Header(name))?;
        if found != header(name, bytes) {
            return Err(MalformedArchive::Header(name));
        }
        if !member.allows(bytes) {
            return Err(MalformedArchive::MemberBytes { member: name, bytes });
        }
        let start = self.at;
        let content = self.take(bytes).ok_or(MalformedArchive::CutOff(name))?;
        let range = start..self.at;
        let missing = bytes.next_multiple_of(BLOCK_BYTES).saturating_sub(bytes);
        let padding = self.take(missing).ok_or(MalformedArchive::CutOff(name))?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(MalformedArchive::Padding(name));
        }
        Ok((content, range))
    }
}

impl Member {
    fn allows(self, bytes: usize) -> bool {
        (1..=self.max_bytes).contains(&bytes)
    }
}

/// The header of a member: 512 bytes, fields in the order of `ustar`.
fn header(name: &str, bytes: usize) -> Vec<u8> {
    let before = [
        padded(name.as_bytes(), 100), // name
        padded(b"0000644", 8),        // mode
        padded(b"0000000", 8),        // uid
        padded(b"0000000", 8),        // gid
        octal(bytes),                 // size
        padded(b"00000000000", 12),   // mtime
    ]
    .concat();
    let after = [
        padded(b"0", 1),       // typeflag: regular file
        padded(b"", 100),      // linkname
        padded(b"ustar", 6),   // magic
        padded(b"00", 2),      // version
        padded(b"", 32),       // uname
        padded(b"", 32),       // gname
        padded(b"0000000", 8), // devmajor
        padded(b"0000000", 8), // devminor
        padded(b"", 155 + 12), // prefix, and what a block has left
    ]
    .concat();
    let sum: u32 = before.iter().chain(BLANK_CHECKSUM).chain(&after).map(|byte| u32::from(*byte)).sum();
    // chksum: 6 octal digits, a zero byte, a space
    let checksum = alloc::format!("{sum:06o}\0 ");
    [before, checksum.into_bytes(), after].concat()
}

fn padded(text: &[u8], bytes: usize) -> Vec<u8> {
    let mut field = text.to_vec();
    field.resize(bytes, 0);
    field
}

/// A size field; of a size of more than 11 digits nothing comes of it, since no member may be that large.
fn octal(bytes: usize) -> Vec<u8> {
    padded(alloc::format!("{bytes:011o}").as_bytes(), 12)
}

fn parse_size(field: &[u8]) -> Option<usize> {
    let (end, digits) = field.split_last()?;
    if *end != 0 {
        return None;
    }
    digits.iter().try_fold(0_usize, |size, digit| match digit {
        b'0'..=b'7' => size.checked_mul(8)?.checked_add(usize::from(digit.checked_sub(b'0')?)),
        _ => None,
    })
}
