//! Two disks: partition tables, slots, data, and what lies between.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use nacre_verify::key::PublicKey;
use nacre_verify::package::{IMAGE_MEMBER, MANIFEST_MEMBER, write_package};
use nacre_verify::slot::ReadAt;

use super::difference::Collector;
use super::slot::{self, SlotSide};
use super::tree::Tree;
use super::{bytes, ext4, package, tree};
use crate::inspect::check::explain;
use crate::inspect::file::FileRange;
use crate::inspect::partitions::{self, Partition};

/// One of the two.
pub(super) struct DiskSide<'a> {
    /// The file.
    pub(super) path: &'a Path,
    /// Partitions whose slot is, to the last byte, what its owner signed.
    pub(super) verified: Vec<String>,
}

/// Compares two disks. Files of apps are compared when their packages are signed with one of `keys`.
pub(super) fn compare(
    out: &mut Collector,
    a: &DiskSide<'_>,
    b: &DiskSide<'_>,
    keys: &[PublicKey],
) -> io::Result<()> {
    let (file_a, file_b) = (FileRange::whole(a.path)?, FileRange::whole(b.path)?);
    let whole = bytes::of_files(&file_a, &file_b)?;
    if whole.is_none() && file_a.len() == file_b.len() {
        return Ok(());
    }
    out.value("file size", &file_a.len(), &file_b.len());
    let (table_a, table_b) = match (partitions::read(a.path), partitions::read(b.path)) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(error), _) | (_, Err(error)) => {
            out.note("partition table", explain(&error));
            out.bytes("content", whole);
            return Ok(());
        }
    };
    let start = out.len();
    tables(out, &table_a, &table_b);
    if out.len() == start {
        out.bytes("partition table and gaps", bytes::of_ranges(&file_a, &file_b, &gaps(&table_a))?);
    }
    for (part_a, part_b) in common(&table_a, &table_b) {
        let (content_a, content_b) = (part_a.open(a.path)?, part_b.open(b.path)?);
        let name = part_a.name.clone();
        let start = out.len();
        out.within(name.as_str(), |out| {
            let differs = bytes::of_files(&content_a, &content_b)?;
            match (name.as_str(), differs) {
                (_, None) => {}
                ("slot-a" | "slot-b", Some(_)) => {
                    let side = |file, disk: &DiskSide<'_>| SlotSide {
                        file,
                        verified: disk.verified.contains(&name),
                    };
                    slot::compare(out, &side(content_a, a), &side(content_b, b))?;
                    out.fold(start);
                }
                ("data", Some(differs)) => {
                    data(out, &content_a, &content_b, keys);
                    if out.len() == start {
                        out.note("files", "all the same, but something else in the filesystem is not");
                        out.bytes("content", Some(differs));
                    }
                }
                (_, differs) => out.bytes("content", differs),
            }
            Ok::<_, io::Error>(())
        })?;
    }
    Ok(())
}

fn tables(out: &mut Collector, a: &[Partition], b: &[Partition]) {
    let describe = |partition: &Partition| {
        format!("{} bytes at {}, GUID {}", partition.bytes, partition.start, partition.uuid)
    };
    let names: BTreeSet<&String> = a.iter().chain(b).map(|partition| &partition.name).collect();
    for name in names {
        let of = |table: &[Partition]| table.iter().find(|partition| partition.name == *name).map(describe);
        out.optional(&format!("partition {name}"), of(a), of(b));
    }
}

fn common<'a>(a: &'a [Partition], b: &'a [Partition]) -> Vec<(&'a Partition, &'a Partition)> {
    let same = |part_a: &&Partition| b.iter().find(|part_b| part_b.name == part_a.name);
    a.iter().filter_map(|part_a| same(&part_a).map(|part_b| (part_a, part_b))).collect()
}

/// What is in no partition.
fn gaps(table: &[Partition]) -> Vec<(u64, u64)> {
    let mut used: Vec<(u64, u64)> =
        table.iter().map(|p| (p.start, p.start.saturating_add(p.bytes))).collect();
    used.sort_unstable();
    used.push((u64::MAX, u64::MAX));
    let mut at = 0;
    let mut gaps = Vec::new();
    for (start, end) in used {
        gaps.push((at, start));
        at = at.max(end);
    }
    gaps
}

/// The data partition. Each installed package is compared like a package file.
fn data(out: &mut Collector, a: &FileRange, b: &FileRange, keys: &[PublicKey]) {
    out.value("bytes", &a.len(), &b.len());
    let (mut a, mut b) = match (ext4::read(a), ext4::read(b)) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(error), _) | (_, Err(error)) => {
            out.note("files", explain(&error));
            return out.bytes("content", bytes::of_files(a, b).unwrap_or_default());
        }
    };
    let start = out.len();
    let installed = |tree: &Tree| {
        let manifests = tree.keys().filter_map(|path| path.strip_suffix(MANIFEST_MEMBER));
        manifests.filter(|folder| folder.starts_with("/packages/")).map(str::to_owned).collect::<Vec<_>>()
    };
    for folder in installed(&a.tree) {
        if let (Some(package_a), Some(package_b)) =
            (package_in(&a.tree, &folder), package_in(&b.tree, &folder))
        {
            out.within(folder.trim_end_matches('/'), |out| {
                let start = out.len();
                package::compare(out, &package_a, &package_b, keys);
                out.fold(start);
            });
            for name in [MANIFEST_MEMBER, IMAGE_MEMBER] {
                let path = format!("{folder}{name}");
                for tree in [&mut a.tree, &mut b.tree] {
                    // Its content is compared; all else about the file comes below.
                    if let Some(entry) = tree.get_mut(&path) {
                        entry.content.clear();
                    }
                }
            }
        }
    }
    tree::compare(out, &a.tree, &b.tree);
    // Counters and sums follow from the files: only when nothing else differs they are the reason.
    if out.len() > start {
        return;
    }
    let names: BTreeSet<&String> = a.fields.keys().chain(b.fields.keys()).collect();
    for name in names {
        out.optional(name, a.fields.get(name).cloned(), b.fields.get(name).cloned());
    }
}

/// The package file that was installed in a folder.
fn package_in(tree: &Tree, folder: &str) -> Option<Vec<u8>> {
    let content = |name: &str| tree.get(&format!("{folder}{name}")).map(|entry| entry.content.as_slice());
    write_package(content(MANIFEST_MEMBER)?, content(IMAGE_MEMBER)?).ok()
}
