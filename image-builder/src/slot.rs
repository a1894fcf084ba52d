//! The slot: root filesystem, hash tree, kernel, device tree and envelopes in one signed piece.

use nacre_verify::envelope::{self, Kind};
use nacre_verify::key::SigningKey;
use nacre_verify::slot::{
    Contents, EnvelopeArea, Parts, Slot, VerifyOptions, WriteSlotError, verify_slot, write_slot,
};

use crate::failure::{Exit, Failure, OrFail};
use crate::keys::KeyFolder;

/// Signs a slot and puts it together. `slot` is complete but for its parts, which are taken from `contents`.
pub fn assemble(
    mut slot: Slot,
    contents: &Contents,
    keys: &KeyFolder,
    os_key: &SigningKey,
) -> Result<(Slot, Vec<u8>), Failure> {
    slot.parts = Parts::of(contents);
    let needed = slot.parts.slot_bytes_needed();
    if needed > slot.slot_bytes {
        return Err(too_large(&slot, contents));
    }
    let step = || "can't put the slot together".to_owned();
    let payload = slot.encode().or_fail(Exit::BadInput, step)?;
    let signed = envelope::sign(Kind::Slot, &payload, os_key);
    let area = EnvelopeArea { key_set: &keys.signed_set, slot: &signed };
    let bytes = match write_slot(&slot, contents, &area) {
        Err(WriteSlotError::TooLarge { .. }) => return Err(too_large(&slot, contents)),
        written => written.or_fail(Exit::Internal, step)?,
    };
    // The device will judge by the same code: nothing leaves that it would refuse.
    verify_slot(&bytes, &keys.root, &VerifyOptions::default()).or_fail(Exit::VerificationFailed, || {
        "the slot does not verify right after it was made".to_owned()
    })?;
    Ok((slot, bytes))
}

fn too_large(slot: &Slot, contents: &Contents) -> Failure {
    let needed = slot.parts.slot_bytes_needed();
    let missing = needed.saturating_sub(slot.slot_bytes);
    Failure::new(
        Exit::BadInput,
        format!(
            "the slot needs {needed} bytes, and the board gives it {}: {missing} too many",
            slot.slot_bytes
        ),
    )
    .because(format!(
        "root filesystem {}, hash tree {}, kernel {}, device tree {}, envelope 65536",
        slot.parts.rootfs.bytes,
        slot.parts.tree.bytes,
        contents.kernel.len(),
        contents.device_tree.len()
    ))
    .hint("take options out of the kernel's fragments, or give the slot more room in the board")
}
