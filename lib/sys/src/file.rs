//! `statx(2)` and `getdents64(2)`: what a path is, and what a folder or a small file contains.
//!
//! The standard library can do both, by way of musl's `fstatat` and `readdir`, which on ARM copy 64-bit numbers through
//! floating-point registers. The first such instruction makes the kernel turn the unit on for the process, and then
//! save 256 bytes of registers at each switch to another: the OS's programs, which don't calculate, do without.

use std::ffi::{CStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

/// What there is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// A link, a device, a socket, a pipe.
    Other,
}

/// What the kernel says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// What it is.
    pub kind: Kind,
    /// The uid of its owner.
    pub owner: u32,
    /// Length in bytes.
    pub bytes: u64,
}

/// The beginning of `struct statx`, and the rest of its 256 bytes.
#[repr(C)]
struct Statx {
    mask: u32,
    block_size: u32,
    attributes: u64,
    links: u32,
    uid: u32,
    gid: u32,
    mode: u16,
    reserved: u16,
    inode: u64,
    size: u64,
    rest: [u64; 26],
}

/// `STATX_BASIC_STATS`.
const BASIC: libc::c_uint = 0x7ff;

/// What is at a path; of a link, the link itself.
///
/// # Errors
///
/// statx(2): `ENOENT` if there is nothing.
pub fn status(path: &Path) -> io::Result<Status> {
    Ok(path.with_nix_path(|path| statx(libc::AT_FDCWD, path, libc::AT_SYMLINK_NOFOLLOW))??)
}

/// What an open descriptor refers to.
///
/// # Errors
///
/// statx(2).
pub fn status_of(file: impl AsFd) -> io::Result<Status> {
    Ok(statx(file.as_fd().as_raw_fd(), c"", libc::AT_EMPTY_PATH)?)
}

pub(crate) fn statx(folder: RawFd, path: &CStr, flags: libc::c_int) -> Result<Status, Errno> {
    let mut found = std::mem::MaybeUninit::<Statx>::zeroed();
    // SAFETY: the kernel reads a terminated path and writes one `struct statx` of 256 bytes, which `found` has room
    // for; both live for the whole call.
    let result =
        unsafe { libc::syscall(libc::SYS_statx, folder, path.as_ptr(), flags, BASIC, found.as_mut_ptr()) };
    Errno::result(result)?;
    // SAFETY: all bytes of it were zero, which is a value of each field, before the kernel filled it.
    let found = unsafe { found.assume_init() };
    let kind = match u32::from(found.mode) & libc::S_IFMT {
        libc::S_IFDIR => Kind::Folder,
        libc::S_IFREG => Kind::File,
        _ => Kind::Other,
    };
    Ok(Status { kind, owner: found.uid, bytes: found.size })
}

/// The first `most` bytes of a file. It isn't asked how long it is: the kernel's own text files don't know.
///
/// # Errors
///
/// open(2) and read(2).
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    read_open(&mut file, most)
}

/// The next `most` bytes of an open file. The standard library would ask for 32 first, then for ever more: most files
/// here are shorter than a page, and each call costs.
///
/// # Errors
///
/// read(2).
pub fn read_open(file: &mut impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut length = 0;
    while length < most {
        if length == bytes.len() {
            bytes.resize(most.min(length.saturating_add(PAGE)), 0);
        }
        match file.read(bytes.get_mut(length..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(more) => length = length.saturating_add(more),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Bytes for which memory is taken at once.
const PAGE: usize = 4096;

/// The first `most` bytes of one of the kernel's own text files; what is no UTF-8 is replaced. One that is shorter than a
/// page comes whole with the first read (kernel: `fs/seq_file.c`), so that it isn't asked for an end.
///
/// # Errors
///
/// open(2) and read(2).
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    text_of(File::open(path)?, most)
}

/// The same of one in an open folder.
///
/// # Errors
///
/// openat(2) and read(2).
pub fn read_text_in(folder: impl AsFd, path: &Path, most: u64) -> io::Result<String> {
    let file = openat(folder, path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    text_of(File::from(file), most)
}

fn text_of(mut file: File, most: u64) -> io::Result<String> {
    let bytes = match usize::try_from(most) {
        Ok(most) if most <= PAGE => {
            let mut page = [0; PAGE];
            let room = page.get_mut(..most).unwrap_or_default();
            let length = file.read(room)?;
            room.get(..length).unwrap_or_default().to_vec()
        }
        _ => read_open(&mut file, most)?,
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Bytes of entries that are taken from the kernel at once; the longest has 280.
const ENTRIES_BYTES: usize = 1024;
/// Where an entry's length stands in it (`struct linux_dirent64`).
const LENGTH_AT: usize = 16;
/// Where its name begins.
const NAME_AT: usize = 19;

/// Names of what is in a folder, without `.` and `..`, in the filesystem's order.
///
/// # Errors
///
/// `ENOTDIR` if it is no folder; open(2) and getdents64(2).
pub fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    names_in(&open_folder(folder)?)
}

/// Opens a folder for [`names_in`] and for the paths below it.
///
/// # Errors
///
/// `ENOTDIR` if it is none; open(2).
pub fn open_folder(folder: &Path) -> io::Result<OwnedFd> {
    Ok(open(folder, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?)
}

/// The names in an open folder of which nobody has read.
///
/// # Errors
///
/// getdents64(2).
pub fn names_in(folder: &OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    let mut entries = [0u8; ENTRIES_BYTES];
    loop {
        // SAFETY: the kernel writes at most as many bytes as the buffer has, which lives for the whole call.
        let length = unsafe {
            libc::syscall(libc::SYS_getdents64, folder.as_raw_fd(), entries.as_mut_ptr(), ENTRIES_BYTES)
        };
        let length = usize::try_from(Errno::result(length)?).unwrap_or_default();
        if length == 0 {
            return Ok(names);
        }
        let mut rest = entries.get(..length).unwrap_or_default();
        while let Some(&[low, high]) = rest.get(LENGTH_AT..LENGTH_AT + 2) {
            let next = usize::from(u16::from_ne_bytes([low, high]));
            let name = rest.get(NAME_AT..next).unwrap_or_default();
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            if !matches!(name, b"" | b"." | b"..") {
                names.push(OsString::from_vec(name.to_vec()));
            }
            rest = rest.get(next.max(NAME_AT)..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    #[test]
    fn structure_has_the_kernel_size() {
        assert_eq!(size_of::<Statx>(), 256);
        assert_eq!(std::mem::offset_of!(Statx, size), 40);
    }

    #[test]
    fn status_of_each_kind_is_what_the_standard_library_says() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "content").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let owner = nix::unistd::geteuid().as_raw();
        assert_eq!(status(&file).unwrap(), Status { kind: Kind::File, owner, bytes: 7 });
        assert_eq!(status_of(File::open(&link).unwrap()).unwrap(), status(&file).unwrap());
        assert_eq!(status(dir.path()).unwrap().kind, Kind::Folder);
        assert_eq!(
            (read(&file, 3).unwrap(), read_text(&file, 99).unwrap()),
            (b"con".to_vec(), "content".into())
        );
        assert_eq!(status(&link).unwrap().kind, Kind::Other);
        assert_eq!(status(Path::new("/dev/null")).unwrap().kind, Kind::Other);
        assert_eq!(status(&dir.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn names_of_a_folder_with_many_and_long_ones_are_all_there() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(names(dir.path()).unwrap(), Vec::<OsString>::new());
        let wanted: BTreeSet<OsString> =
            (0..200).map(|n| format!("{n}{}", "x".repeat(n)).into()).chain([".hidden".into()]).collect();
        for name in &wanted {
            File::create(dir.path().join(name)).unwrap();
        }
        let found = names(dir.path()).unwrap();
        assert_eq!(found.len(), wanted.len());
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted);
        assert!(names(&dir.path().join("0")).is_err());
    }
}
