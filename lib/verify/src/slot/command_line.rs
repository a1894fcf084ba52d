//! The kernel's command line, made from a slot's signed description.
//!
//! What decides which root filesystem is mounted is not stored a second time as text: it is made from the
//! parts, so it cannot disagree with what was verified (kernel documentation:
//! admin-guide/device-mapper/dm-init.rst and verity.rst).

use alloc::format;
use alloc::string::String;
use core::fmt;

use super::payload::{PART_ALIGNMENT, Slot};

/// The one open place in the command line: which partition the slot is in.
const OPEN_PLACE: &str = "@SLOT@";

/// Longest extra arguments, in bytes: the whole line must fit ARM's COMMAND_LINE_SIZE of 1024.
const MAX_ARGUMENTS_BYTES: usize = 384;

/// Unit of a device-mapper table, in bytes.
const SECTOR_BYTES: u64 = 512;

/// Which of the two slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotLetter {
    /// Partition `slot-a`.
    A,
    /// Partition `slot-b`.
    B,
}

impl fmt::Display for SlotLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

/// What is wrong with extra arguments for the kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidArguments {
    /// Longer than 384 bytes.
    #[error("longer than {MAX_ARGUMENTS_BYTES} bytes")]
    TooLong,
    /// Not visible ASCII in words with one space between, or with a quotation mark.
    #[error("not words of visible ASCII with one space between, without quotation marks")]
    Text,
    /// An argument that the OS sets itself.
    #[error("`{0}` is set by the OS")]
    Reserved(String),
}

/// Why a command line cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RenderCommandLineError {
    /// Not a UUID as in a GPT partition entry, 8-4-4-4-12 hexadecimal digits.
    #[error("the partition's UUID is not one")]
    PartUuid,
}

impl Slot {
    /// The command line with `@SLOT@` in each place where the partition has to be named.
    ///
    /// The extra arguments come first: of an argument that is there twice the kernel takes the last. Corruption
    /// and read errors under dm-verity panic, and after a panic the kernel restarts in a second.
    pub fn command_line_template(&self) -> String {
        let rootfs = &self.parts.rootfs;
        let sectors = rootfs.bytes / SECTOR_BYTES;
        let blocks = rootfs.bytes / PART_ALIGNMENT;
        let tree_block = self.parts.tree.offset / PART_ALIGNMENT;
        let space = if self.arguments.is_empty() { "" } else { " " };
        format!(
            "{}{space}dm-mod.create=\"root,,,ro,0 {sectors} verity 1 {OPEN_PLACE} {OPEN_PLACE} {PART_ALIGNMENT} \
             {PART_ALIGNMENT} {blocks} {tree_block} sha256 {} - 2 panic_on_corruption panic_on_error\" \
             dm-mod.waitfor={OPEN_PLACE} root=/dev/dm-0 ro init=/sbin/init panic=1",
            self.arguments, rootfs.root_hash,
        )
    }

    /// The command line for the slot in this partition, with `nacre.slot=a` or `b` at the end.
    ///
    /// # Errors
    /// When `partuuid` is not a UUID.
    pub fn render_command_line(
        &self,
        partuuid: &str,
        letter: SlotLetter,
    ) -> Result<String, RenderCommandLineError> {
        if !is_uuid(partuuid) {
            return Err(RenderCommandLineError::PartUuid);
        }
        let line = self.command_line_template().replace(OPEN_PLACE, &format!("PARTUUID={partuuid}"));
        Ok(format!("{line} nacre.slot={letter}"))
    }
}

/// Refuses extra arguments that could change which root filesystem or program is started.
pub(super) fn check_arguments(arguments: &str) -> Result<(), InvalidArguments> {
    if arguments.len() > MAX_ARGUMENTS_BYTES {
        return Err(InvalidArguments::TooLong);
    }
    if arguments.is_empty() {
        return Ok(());
    }
    for word in arguments.split(' ') {
        if word.is_empty() || !word.bytes().all(|b| b.is_ascii_graphic() && b != b'"') {
            return Err(InvalidArguments::Text);
        }
        if is_reserved(word) {
            return Err(InvalidArguments::Reserved(word.into()));
        }
    }
    Ok(())
}

/// Whether the OS sets an argument itself. The kernel takes `-` and `_` in names as the same; `--` would
/// turn what follows into arguments of init.
fn is_reserved(word: &str) -> bool {
    const NAMES: [&str; 8] = ["root", "ro", "rw", "init", "rdinit", "initrd", "panic", "__"];
    const PREFIXES: [&str; 3] = ["dm_mod.", "dm_verity.", "nacre."];
    let name = word.split('=').next().unwrap_or(word).replace('-', "_");
    NAMES.contains(&name.as_str())
        || PREFIXES.iter().any(|p| name.starts_with(p))
        || word.contains(OPEN_PLACE)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::super::payload::example;
    use super::*;

    const UUID: &str = "01234567-89ab-cdef-0123-456789ABCDEF";

    #[test]
    fn command_line_is_made_from_parts_and_slot() {
        let mut slot = example();
        slot.arguments = "console=ttyAMA0 quiet".into();
        let part = format!("PARTUUID={UUID}");
        let hash = slot.parts.rootfs.root_hash;
        let table = format!(
            "0 16 verity 1 {part} {part} 4096 4096 2 2 sha256 {hash} - 2 panic_on_corruption panic_on_error"
        );
        let expected = format!(
            "console=ttyAMA0 quiet dm-mod.create=\"root,,,ro,{table}\" dm-mod.waitfor={part} root=/dev/dm-0 ro \
             init=/sbin/init panic=1 nacre.slot=b"
        );
        assert_eq!(slot.render_command_line(UUID, SlotLetter::B), Ok(expected));
        assert_eq!(slot.command_line_template().matches(OPEN_PLACE).count(), 3);
        slot.arguments.clear();
        let line = slot.render_command_line(UUID, SlotLetter::A).expect("a UUID");
        assert!(line.starts_with("dm-mod.create=") && line.ends_with(" nacre.slot=a"), "{line}");
    }

    #[test]
    fn longest_command_line_fits_the_kernel() {
        let mut slot = example();
        slot.arguments = "x".repeat(MAX_ARGUMENTS_BYTES);
        assert_eq!(check_arguments(&slot.arguments), Ok(()));
        slot.parts.rootfs.bytes = super::super::MAX_SLOT_BYTES;
        slot.parts.tree.offset = super::super::MAX_SLOT_BYTES;
        assert!(slot.render_command_line(UUID, SlotLetter::A).expect("a UUID").len() < 1024);
    }

    #[test]
    fn partuuid_that_is_none_is_refused() {
        let injected = "01234567-89ab-cdef-0123-456789ABCDE init=/x";
        for bad in ["", "/dev/vda", injected, "0123456789ab-cdef-0123-456789ABCDEF-", &UUID[1..]] {
            let refused = example().render_command_line(bad, SlotLetter::A);
            assert_eq!(refused, Err(RenderCommandLineError::PartUuid), "{bad}");
        }
    }

    #[test]
    fn arguments_table_matches() {
        let good = ["", "console=ttyAMA0", "quiet loglevel=3", "rootwait", "printk.time=1", "a=b,c=d;e"];
        for arguments in good {
            assert_eq!(check_arguments(arguments), Ok(()), "{arguments}");
        }
        for arguments in [" ", "a  b", " a", "a ", "a\nb", "a\tb", "a=\"b\"", "é", "\0"] {
            assert_eq!(check_arguments(arguments), Err(InvalidArguments::Text), "{arguments:?}");
        }
        let reserved = [
            "root=/dev/vda",
            "ro",
            "rw",
            "init=/bin/sh",
            "rdinit=/x",
            "initrd=1,2",
            "panic=0",
            "--",
            "dm-mod.create=x",
            "dm_mod.create=x",
            "dm-mod.waitfor=x",
            "dm_verity.x=1",
            "nacre.slot=a",
            "x=@SLOT@",
        ];
        for word in reserved {
            let expected = Err(InvalidArguments::Reserved(word.into()));
            assert_eq!(check_arguments(&format!("quiet {word}")), expected);
        }
        assert_eq!(check_arguments(&"x".repeat(385)), Err(InvalidArguments::TooLong));
    }
}
