//! `sizes.json`: how large the image is, by part and by file, and the same as a table.

use nacre_verify::slot::{ENVELOPE_AREA_BYTES, Slot};
use serde::{Deserialize, Serialize};

/// All sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Version of this file's form.
    pub format: u32,
    /// Name of the image.
    pub image: String,
    /// Its version.
    pub version: String,
    /// Its board.
    pub board: String,
    /// What the board gives a slot.
    pub slot_bytes: u64,
    /// What of it is used without any app: kernel, device tree, root filesystem, tree, envelope.
    pub slot_bytes_without_apps: u64,
    /// The whole disk.
    pub disk_bytes: u64,
    /// The data partition.
    pub data_bytes: u64,
    /// Parts of the slot in their order.
    pub parts: Vec<Part>,
    /// Files of the root filesystem, before compression, by path.
    pub files: Vec<FileSize>,
    /// Apps by component id.
    pub apps: Vec<AppSize>,
}

/// A part of the slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// `rootfs`, `tree`, `kernel`, `device-tree`, `envelope`, `free`.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSize {
    /// Absolute path.
    pub path: String,
    /// Its size before compression.
    pub bytes: u64,
}

/// An app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppSize {
    /// Component id.
    pub app: String,
    /// Version for people.
    pub version: String,
    /// The package file that travels.
    pub package_bytes: u64,
    /// Its filesystem image.
    pub image_bytes: u64,
    /// Its files, before compression.
    pub files: Vec<FileSize>,
}

impl Sizes {
    /// Version of the form that is written.
    pub const FORMAT: u32 = 1;

    /// Parts of a slot in their order; padding to whole blocks counts as free.
    pub fn parts_of(slot: &Slot) -> Vec<Part> {
        let p = &slot.parts;
        let mut parts = vec![
            Part { name: "rootfs".into(), bytes: p.rootfs.bytes },
            Part { name: "tree".into(), bytes: p.tree.bytes },
            Part { name: "kernel".into(), bytes: p.kernel.bytes },
            Part { name: "device-tree".into(), bytes: p.device_tree.bytes },
            Part { name: "envelope".into(), bytes: ENVELOPE_AREA_BYTES },
        ];
        let used: u64 = parts.iter().map(|p| p.bytes).sum();
        parts.push(Part { name: "free".into(), bytes: slot.slot_bytes.saturating_sub(used) });
        parts
    }

    /// The table for the terminal; ends with a line feed.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let mut row = |name: &str, bytes: u64| out.push_str(&line(name, bytes));
        row(&format!("{} {} for {}: slot", self.image, self.version, self.board), self.slot_bytes);
        for part in &self.parts {
            row(&format!("  {}", part.name), part.bytes);
            if part.name == "rootfs" {
                for file in &self.files {
                    row(&format!("    {} (unpacked)", file.path), file.bytes);
                }
            }
        }
        row("slot without apps", self.slot_bytes_without_apps);
        for app in &self.apps {
            app.rows(&mut row);
        }
        row("data partition", self.data_bytes);
        row("disk", self.disk_bytes);
        out
    }
}

impl AppSize {
    /// The table for the terminal; ends with a line feed.
    pub fn table(&self) -> String {
        let mut out = String::new();
        self.rows(&mut |name, bytes| out.push_str(&line(name, bytes)));
        out
    }

    fn rows(&self, row: &mut impl FnMut(&str, u64)) {
        row(&format!("{} {}: package", self.app, self.version), self.package_bytes);
        for file in &self.files {
            row(&format!("    {} (unpacked)", file.path), file.bytes);
        }
    }
}

fn line(name: &str, bytes: u64) -> String {
    format!("{name:<44}{:>12}\n", grouped(bytes))
}

/// Digits in groups of three, with a narrow sign that a program can't mistake.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_grouped_from_the_right() {
        let table = [(0, "0"), (999, "999"), (1000, "1 000"), (4_194_304, "4 194 304")];
        for (number, text) in table {
            assert_eq!(grouped(number), text);
        }
    }
}
