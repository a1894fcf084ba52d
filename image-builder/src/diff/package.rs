//! Two app packages: what they say, what the app may do, and the files in it.

use nacre_manifest::describe::describe;
use nacre_manifest::device::{self, Manifest};
use nacre_verify::digest::Digest;
use nacre_verify::key::PublicKey;
use nacre_verify::package::{Payload, members, open_package};

use super::difference::Collector;
use super::{bytes, erofs, tree};
use crate::inspect::check::explain;
use crate::inspect::claim;

/// Compares two package files. Files in the app are compared when both packages are signed with one of `keys`.
pub(super) fn compare(out: &mut Collector, a: &[u8], b: &[u8], keys: &[PublicKey]) {
    if a == b {
        return;
    }
    let (read_a, read_b) = (Read::from(a), Read::from(b));
    out.unreadable("manifest", read_a.is_some(), read_b.is_some());
    let (Some(read_a), Some(read_b)) = (read_a, read_b) else {
        out.value("bytes", &a.len(), &b.len());
        out.bytes("content", bytes::of_slices(a, b));
        return;
    };
    let start = out.len();
    fields(out, &read_a.payload, &read_b.payload);
    manifests(out, &read_a.payload.manifest, &read_b.payload.manifest);
    if read_a.image != read_b.image {
        let verified = open_package(a, keys).is_ok() && open_package(b, keys).is_ok();
        out.within("image", |out| image(out, read_a.image, read_b.image, verified));
    }
    if out.len() > start {
        return;
    }
    if claim::payload(read_a.manifest) == claim::payload(read_b.manifest) {
        out.note("signature", "another key or another form, for the same content");
    } else {
        out.bytes("content", bytes::of_slices(a, b));
    }
}

/// What a package says, whoever signed it.
struct Read<'a> {
    payload: Payload,
    manifest: &'a [u8],
    image: &'a [u8],
}

impl<'a> Read<'a> {
    fn from(bytes: &'a [u8]) -> Option<Self> {
        let (manifest, image) = members(bytes).ok()?;
        let (manifest, image) = (bytes.get(manifest)?, bytes.get(image)?);
        let payload: Payload = minicbor::decode(claim::payload(manifest)?).ok()?;
        Some(Self { payload, manifest, image })
    }
}

fn fields(out: &mut Collector, a: &Payload, b: &Payload) {
    out.value("app", &a.component, &b.component);
    out.value("version", &a.version, &b.version);
    out.value("rollback index", &a.rollback_index, &b.rollback_index);
    out.value("arch", &a.arch, &b.arch);
    out.value("image bytes", &a.image_bytes, &b.image_bytes);
    out.value("image digest", &a.image_digest, &b.image_digest);
    let filter = |payload: &Payload| {
        format!("{} instructions, sha256 {}", payload.filter.len() / 8, Digest::of(&payload.filter))
    };
    out.value("seccomp filter", &filter(a), &filter(b));
}

fn manifests(out: &mut Collector, a: &[u8], b: &[u8]) {
    if a == b {
        return;
    }
    let start = out.len();
    match (device::decode::<Manifest>(a), device::decode::<Manifest>(b)) {
        (Ok(a), Ok(b)) => out.lists("permission", &describe(&a), &describe(&b)),
        (Err(error), _) | (_, Err(error)) => out.note("manifest", explain(&error)),
    }
    // What is not said in the sentences.
    if out.len() == start {
        out.bytes("manifest", bytes::of_slices(a, b));
        out.value("manifest bytes", &a.len(), &b.len());
    }
}

fn image(out: &mut Collector, a: &[u8], b: &[u8], verified: bool) {
    let packed = bytes::of_slices(a, b);
    if !verified {
        out.note("files", "not compared: only those of verified packages are read");
        return out.bytes("content", packed);
    }
    match (erofs::read(a), erofs::read(b)) {
        (Ok(files_a), Ok(files_b)) if files_a == files_b => {
            out.note("files", "all the same, but packed in another way");
            out.bytes("content", packed);
        }
        (Ok(files_a), Ok(files_b)) => tree::compare(out, &files_a, &files_b),
        (Err(error), _) | (_, Err(error)) => {
            out.note("files", explain(&error));
            out.bytes("content", packed);
        }
    }
}
