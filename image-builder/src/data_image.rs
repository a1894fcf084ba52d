//! The data partition's first filesystem: ext4 with quota and fs-verity, made without root and always the
//! same for the same content.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use nacre_verify::fs_verity::{DESCRIPTOR_BYTES, Metadata, PACKAGE_BLOCK};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::failure::{Exit, Failure, OrFail};
use crate::programs::{self, Program};

/// Block size: small, because most files are, and because fs-verity hashes in blocks of it.
pub const BLOCK_BYTES: u32 = 1024;
const _: () = assert!(PACKAGE_BLOCK.bytes() == BLOCK_BYTES as usize);
/// Journal: the least that mke2fs allows at this block size.
const JOURNAL_MIB: u32 = 1;
/// The same, in bytes.
pub(crate) const JOURNAL_BYTES: u64 = (JOURNAL_MIB as u64) << 20;
/// Files and folders that there can be at the least.
const LEAST_INODES: u64 = 256;
/// Inodes that ext4 keeps for itself (`EXT4_GOOD_OLD_FIRST_INO`), with `lost+found`.
const EXT4_INODES: u64 = 11;
/// Files and folders of the OS beside the packages: its records, and what replaces them.
pub(crate) const OS_INODES: u64 = 16;
/// The same in bytes, with the blocks of its folders.
pub(crate) const OS_BYTES: u64 = 64 << 10;
/// Everything is of this second (2025-01-01): mke2fs and debugfs take it from the environment.
const FAKE_TIME: &str = "1735689600";
/// What the filesystem uses, and no more: each is in the device's kernel.
const FEATURES: &str = "none,has_journal,ext_attr,dir_index,filetype,extent,sparse_super,large_file,extra_isize,metadata_csum,verity";
/// Instead of the host's /etc/mke2fs.conf: what is not on the command line is off.
const CONFIGURATION: &str = "[defaults]\n\tbase_features = none\n[fs_types]\n\
    \text4 = {\n\t\tfeatures = none\n\t}\n\tsmall = {\n\t\tinode_size = 256\n\t}\n";

/// One thing in the filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A folder, owned by root, with these permissions.
    Folder(u32),
    /// A file, owned by root, with these permissions and the content of a file of the host.
    File(u32, PathBuf),
    /// The same with fs-verity: nobody can write it, and the kernel checks each block that it reads of it.
    Verified(u32, PathBuf),
}

/// Content of the filesystem: paths without leading slash, parents before children.
pub type Content = [(String, Entry)];

/// Makes the filesystem, in memory: each of the programs below waits for the disk otherwise, several times.
/// It has room for `inodes` files and folders beside the content. `scratch` is a folder.
pub fn make(bytes: u64, inodes: u64, uuid: &str, content: &Content, scratch: &Path) -> Result<File, Failure> {
    let step = || "can't make the data filesystem".to_owned();
    let file = memfd_create(c"data.img", MFdFlags::MFD_CLOEXEC).or_fail(Exit::Internal, step)?;
    let file = File::from(file);
    file.set_len(bytes).or_fail(Exit::Internal, step)?;
    // The name by which the programs find it (proc_pid_fd(5)).
    let path = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
    let count = u64::try_from(content.len()).unwrap_or(u64::MAX);
    let inodes = [inodes, count, EXT4_INODES, OS_INODES].into_iter().fold(0, u64::saturating_add);
    // mke2fs rounds down to whole bytes of a group's bitmap.
    fill(&path, inodes.max(LEAST_INODES).next_multiple_of(8), uuid, content, scratch)?;
    Ok(file)
}

/// What is left on a filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Free {
    /// Bytes in whole blocks.
    pub bytes: u64,
    /// The part of them that the kernel keeps back, for what it must write at any rate (`ext4_calculate_resv_clusters`
    /// in fs/ext4/super.c).
    pub reserved_bytes: u64,
    /// Files and folders.
    pub inodes: u64,
}

/// Reads what is left from the superblock (kernel: `filesystems/ext4/super.rst`).
pub fn free(image: &File) -> Result<Free, Failure> {
    let step = || "can't read the data filesystem back".to_owned();
    let mut superblock = [0; 20];
    image.read_exact_at(&mut superblock, 1024).or_fail(Exit::Internal, step)?;
    let number = |at: usize| {
        let bytes = superblock.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u64::from(bytes.map_or(0, u32::from_le_bytes))
    };
    let (blocks, free_blocks, inodes) = (number(4), number(12), number(16));
    let block = u64::from(BLOCK_BYTES);
    Ok(Free { bytes: free_blocks * block, reserved_bytes: (blocks / 50).min(4096) * block, inodes })
}

fn fill(path: &Path, inodes: u64, uuid: &str, content: &Content, scratch: &Path) -> Result<(), Failure> {
    let step = || "can't make the data filesystem".to_owned();
    let configuration = scratch.join("mke2fs.conf");
    fs::write(&configuration, CONFIGURATION).or_fail(Exit::Internal, step)?;

    let mut make = Program::Mke2fs.command()?;
    make.env("MKE2FS_CONFIG", &configuration).env("E2FSPROGS_FAKE_TIME", FAKE_TIME);
    make.args([
        "-q",
        "-F",
        "-t",
        "ext4",
        "-m",
        "0",
        "-e",
        "remount-ro",
        "-I",
        "256",
        "-O",
        FEATURES,
        "-L",
        "data",
        "-U",
        uuid,
    ]);
    make.args(["-b", &BLOCK_BYTES.to_string(), "-N", &inodes.to_string()]);
    make.args(["-J", &format!("size={JOURNAL_MIB}")]);
    make.arg("-E")
        .arg(format!("hash_seed={uuid},lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0"));
    make.arg(path);
    programs::run(&mut make, step)?;

    let commands = scratch.join("debugfs.commands");
    fs::write(&commands, script(content, scratch)?).or_fail(Exit::Internal, step)?;
    let mut write = Program::Debugfs.command()?;
    write.env("E2FSPROGS_FAKE_TIME", FAKE_TIME).arg("-w").arg("-f").arg(&commands).arg(path);
    let written = programs::run(&mut write, step);
    // Not every debugfs ends with an error when a command of its script failed (no space): read back what
    // was written. What does not fit is said in better words than its own.
    verify_content(path, content, scratch)?;
    written?;

    // Last, so that the quota file counts what was written before.
    let mut quota = Program::Tune2fs.command()?;
    quota.env("E2FSPROGS_FAKE_TIME", FAKE_TIME).env("MKE2FS_CONFIG", &configuration);
    quota.args(["-O", "quota", "-Q", "usrquota,^grpquota,^prjquota"]).arg(path);
    programs::run(&mut quota, step)?;

    check(path)
}

/// Has e2fsck judge the filesystem, changing nothing.
pub fn check(path: &Path) -> Result<(), Failure> {
    let mut judge = Program::E2fsck.command()?;
    judge.arg("-fn").arg(path);
    programs::run(&mut judge, || {
        format!("e2fsck finds fault with the data filesystem `{}`", path.display())
    })?;
    Ok(())
}

fn script(content: &Content, scratch: &Path) -> Result<String, Failure> {
    let mut script = String::new();
    for (number, (name, entry)) in content.iter().enumerate() {
        let quoted = quote(name)?;
        let (mode, kind) = match entry {
            Entry::Folder(mode) => {
                let _ = writeln!(script, "mkdir {quoted}");
                (mode, 0o040_000)
            }
            Entry::File(mode, from) => {
                let _ = writeln!(script, "write {} {quoted}", quote(&from.to_string_lossy())?);
                (mode, 0o100_000)
            }
            Entry::Verified(mode, from) => {
                let content = read(from)?;
                let whole = scratch.join(format!("debugfs.write-{number}"));
                let bytes = with_verity(&content);
                fs::write(&whole, bytes)
                    .or_fail(Exit::Internal, || format!("can't write `{}`", whole.display()))?;
                let _ = writeln!(script, "write {} {quoted}", quote(&whole.to_string_lossy())?);
                let _ = writeln!(script, "sif {quoted} size {}", content.len());
                let _ = writeln!(script, "sif {quoted} flags {VERIFIED_FILE:#x}");
                (mode, 0o100_000)
            }
        };
        let _ = writeln!(script, "sif {quoted} mode 0{:o}", kind | mode);
        let _ = writeln!(script, "sif {quoted} uid 0\nsif {quoted} gid 0");
    }
    Ok(script)
}

/// Where ext4 keeps a file's fs-verity metadata: behind the content, at the next multiple of this
/// (kernel documentation: filesystems/ext4/verity.rst).
const VERITY_ALIGNMENT: usize = 65_536;
/// `EXT4_EXTENTS_FL` and `EXT4_VERITY_FL`, the flags of a file with fs-verity.
const VERIFIED_FILE: u32 = 0x0008_0000 | 0x0010_0000;

/// The content with what ext4 keeps behind it, which is beyond the file's size: the Merkle tree; in the next block the
/// descriptor; its length at the end of the last block. What lies between becomes a hole.
fn with_verity(content: &[u8]) -> Vec<u8> {
    let Metadata { tree, descriptor } = Metadata::of(content, PACKAGE_BLOCK);
    let mut bytes = content.to_vec();
    bytes.resize(content.len().next_multiple_of(VERITY_ALIGNMENT), 0);
    bytes.extend(tree);
    bytes.extend(descriptor);
    let length = u32::try_from(DESCRIPTOR_BYTES).unwrap_or(u32::MAX).to_le_bytes();
    bytes.resize((bytes.len() + length.len()).next_multiple_of(PACKAGE_BLOCK.bytes()) - length.len(), 0);
    bytes.extend(length);
    bytes
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).or_fail(Exit::Internal, || format!("can't read `{}`", path.display()))
}

/// debugfs takes a word in double quotes, and has no way to write a quote inside.
fn quote(word: &str) -> Result<String, Failure> {
    if word.chars().any(|c| c == '"' || c.is_control()) {
        return Err(Failure::new(
            Exit::BadInput,
            format!("the path {word:?} has a quote or a control character"),
        ));
    }
    Ok(format!("\"{word}\""))
}

fn verify_content(path: &Path, content: &Content, scratch: &Path) -> Result<(), Failure> {
    let step = || "can't read the data filesystem back".to_owned();
    let files = || {
        (0..).zip(content).filter_map(|(number, (name, entry))| match entry {
            Entry::File(_, from) | Entry::Verified(_, from) => {
                Some((name, from, scratch.join(format!("debugfs.read-{number}"))))
            }
            Entry::Folder(_) => None,
        })
    };
    let mut script = String::new();
    for (name, _, to) in files() {
        let _ = writeln!(script, "dump {} {}", quote(name)?, quote(&to.to_string_lossy())?);
    }
    let commands = scratch.join("debugfs.readings");
    fs::write(&commands, script).or_fail(Exit::Internal, step)?;
    // What is missing or short is found below.
    let _ = programs::run(Program::Debugfs.command()?.arg("-f").arg(&commands).arg(path), step);
    for (name, from, dumped) in files() {
        let wanted = read(from)?;
        if fs::read(dumped).unwrap_or_default() != wanted {
            let size = wanted.len();
            return Err(Failure::new(
                Exit::BadInput,
                format!("`{name}` of {size} bytes does not fit into the data partition"),
            )
            .hint("make the apps smaller, or the board's disk larger"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "6e616372-6500-8000-8000-00000000d474";

    fn write(folder: &Path, name: &str, bytes: u64, package: &[u8]) -> Result<PathBuf, Failure> {
        let image = folder.join(format!("{name}.app.img"));
        fs::write(&image, package).unwrap();
        let content = vec![
            ("packages".to_owned(), Entry::Folder(0o755)),
            ("packages/org.nacre.x".to_owned(), Entry::Folder(0o700)),
            ("packages/org.nacre.x/app.img".to_owned(), Entry::Verified(0o644, image)),
        ];
        let path = folder.join(name);
        let mut made = make(bytes, 400, UUID, &content, folder)?;
        std::io::copy(&mut made, &mut File::create(&path).unwrap()).unwrap();
        Ok(path)
    }

    #[test]
    fn data_image_twice_is_the_same_and_has_owners_and_modes() {
        let folder = tempfile::tempdir().unwrap();
        let package: Vec<u8> = (0..200_000u32).map(|n| n.to_le_bytes()[1]).collect();
        let first = write(folder.path(), "first", 7 << 20, &package).unwrap();
        let second = write(folder.path(), "second", 7 << 20, &package).unwrap();
        assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());

        let stat = |name: &str| {
            let mut command = Program::Debugfs.command().unwrap();
            command.arg("-R").arg(format!("stat {name}")).arg(&first);
            String::from_utf8(programs::run(&mut command, || "stat".into()).unwrap()).unwrap()
        };
        let file = stat("packages/org.nacre.x/app.img");
        assert!(file.contains("Mode:  0644") && file.contains("User:     0   Group:     0"), "{file}");
        assert!(file.contains("Flags: 0x180000") && file.contains("Size: 200000"), "{file}");
        assert!(stat("packages/org.nacre.x").contains("Mode:  0700"));
    }

    #[test]
    fn data_image_file_with_verity_has_tree_and_descriptor_where_the_kernel_looks() {
        for (length, tree_blocks) in [(1, 0), (1024, 0), (1025, 1), (70_000, 4), (65_536, 3)] {
            let content: Vec<u8> = (0..length).map(|n: u32| n.to_le_bytes()[0] | 1).collect();
            let bytes = with_verity(&content);
            let start = content.len().next_multiple_of(65_536);
            assert_eq!(bytes.len(), start + (tree_blocks + 1) * 1024, "{length}");
            assert_eq!(bytes.get(bytes.len() - 4..), Some(&256u32.to_le_bytes()[..]));
            // ext4_get_verity_descriptor_location: at the block's beginning.
            let descriptor = bytes.get(bytes.len() - 1024..bytes.len() - 768).unwrap();
            let digest = nacre_verify::fs_verity::digest(&content, PACKAGE_BLOCK);
            assert_eq!(nacre_verify::digest::Digest::of(descriptor), digest, "{length}");
        }
    }

    #[test]
    fn free_room_is_what_the_filesystem_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "free", 7 << 20, &[7; 100_000]).unwrap();
        let free = free(&File::open(&path).unwrap()).unwrap();
        let mut command = Program::Debugfs.command().unwrap();
        command.arg("-R").arg("stats").arg(&path);
        let said = String::from_utf8(programs::run(&mut command, || "stats".into()).unwrap()).unwrap();
        let figure = |name: &str| -> u64 {
            let line = said.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.trim().parse().ok()).unwrap_or_else(|| panic!("{name} in {said}"))
        };
        assert_eq!((free.bytes, free.inodes), (figure("Free blocks:") << 10, figure("Free inodes:")));
        assert_eq!(free.reserved_bytes, figure("Block count:") / 50 * 1024);
        assert!(free.inodes >= 400 + OS_INODES, "{free:?}");
    }

    #[test]
    fn data_image_too_small_for_its_content_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let failure = write(folder.path(), "small", 3 << 20, &vec![7; 4 << 20]).unwrap_err();
        assert!(failure.to_string().contains("does not fit"), "{failure}");
    }

    #[test]
    fn data_image_path_with_a_quote_is_refused() {
        assert!(quote("a\"b").is_err() && quote("a\nb").is_err());
        assert_eq!(quote("a b").unwrap(), "\"a b\"");
    }
}
