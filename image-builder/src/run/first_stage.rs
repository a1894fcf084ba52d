//! The first stage, played on the host: verify slot a, take its kernel, make its command line.

use std::path::{Path, PathBuf};

use nacre_manifest::board::Board;
use nacre_verify::digest::Digest;
use nacre_verify::key::PublicKey;
use nacre_verify::slot::{
    Depth, HashedPart, RenderCommandLineError, SlotError, SlotLetter, VerifiedSlot, VerifyOptions,
};

use crate::board_file::{self, BoardFileError};
use crate::inspect::check::verify_with_any;
use crate::inspect::file::FileRange;
use crate::inspect::partitions::{self, Partition, ReadPartitionsError};
use crate::inspect::root_files;

/// The only slot that is started while there are no updates.
const SLOT: (&str, SlotLetter) = ("slot-a", SlotLetter::A);

/// In the root filesystem of every image of which an app has a network, and of no other.
const NETD: &str = "/sbin/netd";

/// What may be started.
#[derive(Debug)]
pub(crate) struct Bootable {
    /// The slot it comes from.
    pub(crate) slot: VerifiedSlot,
    /// The kernel's bytes, as they were signed.
    pub(crate) kernel: Vec<u8>,
    /// The device tree's bytes, as they were signed; none where the machine supplies one.
    pub(crate) device_tree: Vec<u8>,
    /// The kernel's command line.
    pub(crate) command_line: String,
    /// Whether an app of the image has a network.
    pub(crate) network: bool,
}

/// Why nothing is started.
#[derive(Debug, thiserror::Error)]
pub enum VerifyDiskError {
    /// No partition table.
    #[error("finding slot a on the disk")]
    Partitions(#[from] ReadPartitionsError),
    /// A table without the slot.
    #[error("the disk has no partition `{}`", SLOT.0)]
    NoSlot,
    /// There is no key to verify it with.
    #[error("there is no root key to verify the image with")]
    NoRootKey,
    /// The slot cannot be read.
    #[error("reading slot a of `{path}`")]
    Read {
        /// The disk.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The slot is not as its owner made it, or not for this board.
    #[error("slot a is refused")]
    Refused(#[source] SlotError),
    /// The board's description in the folder is not the one that was signed.
    #[error("the board is refused")]
    BoardFile(#[from] BoardFileError),
    /// A part was changed while it was looked at.
    #[error("the {0} in slot a changed after it was verified")]
    Changed(&'static str),
    /// The partition has no proper UUID.
    #[error("making the kernel's command line")]
    CommandLine(#[from] RenderCommandLineError),
}

/// Checks that slot a of a disk was signed with a board's description of this digest: before anything reads
/// that description, which says what program is started. The root filesystem is left to [`verify`].
///
/// # Errors
/// When slot a is refused, or was signed with another description.
pub fn check_board(disk: &Path, board_digest: Digest, roots: &[PublicKey]) -> Result<(), VerifyDiskError> {
    let options = VerifyOptions { depth: Depth::Boot, ..VerifyOptions::default() };
    open(disk, board_digest, roots, &options).map(|_| ())
}

/// Verifies slot a of a disk for a board, whose description has this digest.
pub(crate) fn verify(
    disk: &Path,
    board: &Board,
    board_digest: Digest,
    roots: &[PublicKey],
) -> Result<Bootable, VerifyDiskError> {
    let read = |source| VerifyDiskError::Read { path: disk.to_owned(), source };
    let options = VerifyOptions {
        board: Some(&board.board),
        arch: board.arch.as_str().parse().ok(),
        ..VerifyOptions::default()
    };
    let (slot, partition, file) = open(disk, board_digest, roots, &options)?;
    let parts = &slot.slot.parts;
    let kernel = take(&file, &parts.kernel).map_err(read)?.ok_or(VerifyDiskError::Changed("kernel"))?;
    let device_tree =
        take(&file, &parts.device_tree).map_err(read)?.ok_or(VerifyDiskError::Changed("device tree"))?;
    let command_line = slot.slot.render_command_line(&partition.uuid, SLOT.1)?;
    let rootfs = file.read(0, parts.rootfs.bytes).map_err(read)?;
    // A filesystem that only the guest can read is none that was built here: no netd is known of in it.
    let network = root_files::list(rootfs).is_ok_and(|(files, _)| files.iter().any(|f| f.path == NETD));
    Ok(Bootable { slot, kernel, device_tree, command_line, network })
}

/// Verifies slot a and what it says of the board's description.
fn open(
    disk: &Path,
    board_digest: Digest,
    roots: &[PublicKey],
    options: &VerifyOptions<'_>,
) -> Result<(VerifiedSlot, Partition, FileRange), VerifyDiskError> {
    let partitions = partitions::read(disk)?;
    let partition = partitions.into_iter().find(|p| p.name == SLOT.0).ok_or(VerifyDiskError::NoSlot)?;
    let mut file =
        partition.open(disk).map_err(|source| VerifyDiskError::Read { path: disk.to_owned(), source })?;
    let slot = verify_with_any(&mut file, roots, options)
        .ok_or(VerifyDiskError::NoRootKey)?
        .map_err(VerifyDiskError::Refused)?;
    board_file::check(board_digest, slot.slot.board_digest)?;
    Ok((slot, partition, file))
}

/// Reads a part and holds what was read, not what was verified before, against its hash.
fn take(file: &FileRange, part: &HashedPart) -> std::io::Result<Option<Vec<u8>>> {
    let bytes = file.read(part.offset, part.bytes)?;
    Ok((Digest::of(&bytes) == part.sha256).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use nacre_verify::slot::Contents;

    use super::*;
    use crate::inspect::tests::{slot, slot_of, trust, write_disk};
    use crate::root_image::{self, RootFile};
    use crate::run::tests::BOARD;

    fn signed() -> Digest {
        Digest::of(BOARD.as_bytes())
    }

    fn board(text: &str) -> Board {
        nacre_manifest::board::parse(text, "board.yaml").unwrap()
    }

    #[test]
    fn first_stage_takes_what_was_signed_and_names_the_partition() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("disk.img");
        write_disk(&disk, &slot().1);
        let bootable = verify(&disk, &board(BOARD), signed(), &trust().roots).unwrap();
        assert_eq!(bootable.kernel, [7; 10_000]);
        assert_eq!(bootable.device_tree, [8; 100]);
        let uuid = crate::guid::derive("qemu-armv7", "demo", "slot-a");
        assert_eq!(bootable.command_line.matches(&format!("PARTUUID={uuid}")).count(), 3);
        assert!(bootable.command_line.ends_with(" nacre.slot=a"));
    }

    #[test]
    fn first_stage_knows_a_network_by_netd_in_the_root_filesystem() {
        for (path, expected) in [("/sbin/netd", true), ("/sbin/appmgr", false)] {
            let dir = tempfile::tempdir().unwrap();
            let disk = dir.path().join("disk.img");
            let program = RootFile { path, mode: 0o755, content: b"program".to_vec() };
            let rootfs = root_image::make(&[program]).unwrap();
            write_disk(&disk, &slot_of(&Contents { rootfs: &rootfs, kernel: &[7], device_tree: &[] }).1);
            let bootable = verify(&disk, &board(BOARD), signed(), &trust().roots).unwrap();
            assert_eq!(bootable.network, expected, "{path}");
        }
    }

    #[test]
    fn first_stage_refuses_a_changed_slot_another_board_and_other_keys() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("disk.img");
        let (_, mut bytes) = slot();
        write_disk(&disk, &bytes);
        let roots = trust().roots;
        let other = board(&BOARD.replace("qemu-armv7", "other"));
        assert!(matches!(
            verify(&disk, &other, signed(), &roots),
            Err(VerifyDiskError::Refused(SlotError::WrongTarget { what: "board", .. }))
        ));
        assert!(matches!(
            verify(&disk, &board(BOARD), signed(), roots.get(..1).unwrap()),
            Err(VerifyDiskError::Refused(SlotError::KeySet(_)))
        ));
        assert!(matches!(verify(&disk, &board(BOARD), signed(), &[]), Err(VerifyDiskError::NoRootKey)));
        bytes[4096] ^= 1;
        std::fs::remove_file(&disk).unwrap();
        write_disk(&disk, &bytes);
        assert!(matches!(
            verify(&disk, &board(BOARD), signed(), &roots),
            Err(VerifyDiskError::Refused(SlotError::RootFilesystem { block: 1 }))
        ));
    }

    #[test]
    fn first_stage_refuses_another_description_of_the_board() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("disk.img");
        write_disk(&disk, &slot().1);
        let roots = trust().roots;
        check_board(&disk, signed(), &roots).unwrap();
        let found = Digest::of(BOARD.replace("virt", "none").as_bytes());
        let expected = BoardFileError { found, signed: signed() };
        let refused = check_board(&disk, found, &roots);
        assert!(
            matches!(refused, Err(VerifyDiskError::BoardFile(error)) if error == expected),
            "{refused:?}"
        );
        let refused = verify(&disk, &board(BOARD), found, &roots);
        assert!(
            matches!(refused, Err(VerifyDiskError::BoardFile(error)) if error == expected),
            "{refused:?}"
        );
    }
}
