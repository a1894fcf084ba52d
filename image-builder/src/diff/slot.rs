//! Two slots: what each says of itself, then part by part.

use std::io;

use nacre_manifest::device::{self, ImageInfo};
use nacre_verify::key::PublicKey;
use nacre_verify::key_set::KeySet;
use nacre_verify::slot::{ENVELOPE_AREA_BYTES, EnvelopeArea, ReadAt, Slot};

use super::difference::Collector;
use super::{bytes, squashfs, tree};
use crate::inspect::claim;
use crate::inspect::file::FileRange;
use crate::inspect::root_files::IMAGE_INFO;

/// One of the two.
pub(super) struct SlotSide {
    /// Its bytes.
    pub(super) file: FileRange,
    /// Whether it is, to the last byte, what its owner signed.
    pub(super) verified: bool,
}

/// Compares two slots.
pub(super) fn compare(out: &mut Collector, a: &SlotSide, b: &SlotSide) -> io::Result<()> {
    let whole = bytes::of_files(&a.file, &b.file)?;
    if whole.is_none() && a.file.len() == b.file.len() {
        return Ok(());
    }
    out.value("file size", &a.file.len(), &b.file.len());
    let (claim_a, claim_b) = (claim::read(&a.file), claim::read(&b.file));
    out.unreadable("envelope", claim_a.is_some(), claim_b.is_some());
    let (Some((slot_a, keys_a)), Some((slot_b, keys_b))) = (claim_a, claim_b) else {
        out.bytes("content", whole);
        return Ok(());
    };
    let start = out.len();
    fields(out, &slot_a, &slot_b);
    out.within("keys", |out| key_sets(out, &keys_a, &keys_b));
    let says_the_same = out.len() == start;
    root(out, (a, &slot_a), (b, &slot_b))?;
    hashed_parts(out, (&a.file, &slot_a), (&b.file, &slot_b))?;
    if slot_a.parts == slot_b.parts && slot_a.slot_bytes == slot_b.slot_bytes {
        out.bytes("padding", bytes::of_ranges(&a.file, &b.file, &gaps(&slot_a))?);
    }
    envelope(out, &a.file, &b.file, says_the_same)
}

fn fields(out: &mut Collector, a: &Slot, b: &Slot) {
    out.value("image", &a.image, &b.image);
    out.value("version", &a.version, &b.version);
    out.value("rollback index", &a.rollback_index, &b.rollback_index);
    out.value("profile", &a.profile, &b.profile);
    out.value("board", &a.board, &b.board);
    out.value("board sha256", &a.board_digest, &b.board_digest);
    out.value("arch", &a.arch, &b.arch);
    out.value("slot size", &a.slot_bytes, &b.slot_bytes);
    out.value("kernel arguments", &a.arguments, &b.arguments);
    let critical = |slot: &Slot| {
        let line = |app: &nacre_verify::slot::CriticalApp| {
            format!("{}, rollback index {} or higher", app.app, app.min_rollback_index)
        };
        slot.critical.iter().map(line).collect::<Vec<_>>()
    };
    out.lists("critical app", &critical(a), &critical(b));
}

fn key_sets(out: &mut Collector, a: &KeySet, b: &KeySet) {
    out.value("version", &a.version, &b.version);
    out.value("rollback index", &a.rollback_index, &b.rollback_index);
    out.value("development", &a.development, &b.development);
    let ids = |keys: &[PublicKey]| keys.iter().map(|key| key.id().to_string()).collect::<Vec<_>>();
    out.lists("os key", &ids(&a.os), &ids(&b.os));
    out.lists("app key", &ids(&a.app), &ids(&b.app));
    out.lists("capability key", &ids(&a.capability), &ids(&b.capability));
    let revoked = |set: &KeySet| set.revoked.iter().map(ToString::to_string).collect::<Vec<_>>();
    out.lists("revoked key", &revoked(a), &revoked(b));
}

/// Root filesystem and hash tree, which follows from it.
fn root(out: &mut Collector, a: (&SlotSide, &Slot), b: (&SlotSide, &Slot)) -> io::Result<()> {
    let place = "root filesystem";
    let read = |(side, slot): (&SlotSide, &Slot)| side.file.read(0, slot.parts.rootfs.bytes);
    let (root_a, root_b) = (read(a)?, read(b)?);
    if root_a == root_b {
        let of =
            |(side, slot): (&SlotSide, &Slot)| side.file.read(slot.parts.tree.offset, slot.parts.tree.bytes);
        out.bytes("hash tree", bytes::of_slices(&of(a)?, &of(b)?));
        out.value("root hash", &a.1.parts.rootfs.root_hash, &b.1.parts.rootfs.root_hash);
        return Ok(());
    }
    out.within(place, |out| {
        out.value("bytes", &root_a.len(), &root_b.len());
        let packed = bytes::of_slices(&root_a, &root_b);
        if !(a.0.verified && b.0.verified) {
            out.note("files", "not compared: only those of verified slots are read");
            out.bytes("content", packed);
            return;
        }
        let start = out.len();
        match (squashfs::read(root_a), squashfs::read(root_b)) {
            (Ok(files_a), Ok(files_b)) => {
                image_infos(out, &files_a, &files_b);
                tree::compare(out, &files_a, &files_b);
            }
            (Err(error), _) | (_, Err(error)) => out.note("files", error.to_string()),
        }
        if out.len() == start {
            out.note("files", "all the same, but packed in another way");
        }
        if out
            .found
            .get(start..)
            .is_some_and(|new| new.iter().all(|difference| difference.subject == "files"))
        {
            out.bytes("content", packed);
        }
    });
    Ok(())
}

/// What the image says of itself beyond the slot's envelope.
fn image_infos(out: &mut Collector, a: &tree::Tree, b: &tree::Tree) {
    let read = |files: &tree::Tree| -> Option<ImageInfo> {
        files.get(IMAGE_INFO).and_then(|file| device::decode(&file.content).ok())
    };
    if let (Some(a), Some(b)) = (read(a), read(b)) {
        out.lists("time server", &a.time_servers, &b.time_servers);
        out.lists("sandbox layer off", &a.all_layers_off(), &b.all_layers_off());
        out.value("control kernel", &a.control_kernel, &b.control_kernel);
    }
}

fn hashed_parts(out: &mut Collector, a: (&FileRange, &Slot), b: (&FileRange, &Slot)) -> io::Result<()> {
    let parts = |slot: &Slot| [("kernel", slot.parts.kernel), ("device tree", slot.parts.device_tree)];
    for ((name, part_a), (_, part_b)) in parts(a.1).into_iter().zip(parts(b.1)) {
        let (content_a, content_b) =
            (a.0.read(part_a.offset, part_a.bytes)?, b.0.read(part_b.offset, part_b.bytes)?);
        out.within(name, |out| {
            out.value("bytes", &part_a.bytes, &part_b.bytes);
            out.value("sha256", &part_a.sha256, &part_b.sha256);
            out.bytes("content", bytes::of_slices(&content_a, &content_b));
        });
    }
    Ok(())
}

/// What is in no part and not in the envelope.
fn gaps(slot: &Slot) -> Vec<(u64, u64)> {
    let parts = &slot.parts;
    let mut used = [
        (0, parts.rootfs.bytes),
        (parts.tree.offset, parts.tree.bytes),
        (parts.kernel.offset, parts.kernel.bytes),
        (parts.device_tree.offset, parts.device_tree.bytes),
        (slot.slot_bytes.saturating_sub(ENVELOPE_AREA_BYTES), ENVELOPE_AREA_BYTES),
    ];
    used.sort_unstable();
    let mut at = 0;
    let mut gaps = Vec::new();
    for (offset, bytes) in used {
        gaps.push((at, offset));
        at = at.max(offset.saturating_add(bytes));
    }
    gaps
}

/// The envelopes: their payloads are compared already, what is left are the signatures.
fn envelope(out: &mut Collector, a: &FileRange, b: &FileRange, says_the_same: bool) -> io::Result<()> {
    let read = |file: &FileRange| {
        file.read(file.len().saturating_sub(ENVELOPE_AREA_BYTES), ENVELOPE_AREA_BYTES.min(file.len()))
    };
    let (area_a, area_b) = (read(a)?, read(b)?);
    let (Ok(parsed_a), Ok(parsed_b)) = (EnvelopeArea::parse(&area_a), EnvelopeArea::parse(&area_b)) else {
        out.bytes("envelope", bytes::of_slices(&area_a, &area_b));
        return Ok(());
    };
    let mut explained = !says_the_same;
    for (name, a, b) in [
        ("signature of the slot", parsed_a.slot, parsed_b.slot),
        ("signature of the key set", parsed_a.key_set, parsed_b.key_set),
    ] {
        // With another payload goes another signature.
        if a != b && claim::payload(a) == claim::payload(b) {
            out.note(name, "another key or another form, for the same content");
            explained = true;
        }
    }
    let follows = parsed_a.slot != parsed_b.slot || parsed_a.key_set != parsed_b.key_set;
    if !explained && !follows {
        out.bytes("envelope", bytes::of_slices(&area_a, &area_b));
    }
    Ok(())
}
