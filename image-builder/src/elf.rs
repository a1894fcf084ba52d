//! What an executable is for: just enough of the ELF header (System V ABI, chapters 4 and 5) to refuse a
//! program that the board couldn't start.

/// Why a file can't run on the board. Every field is read with a bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckElfError {
    /// Not an ELF file, or cut short.
    #[error("it is not a complete ELF executable")]
    NotElf,
    /// ELF, but a library, an object or a core dump.
    #[error("it is an ELF file, but not an executable")]
    NotExecutable,
    /// Made for something else.
    #[error("it is for {found}, the board is {wanted}")]
    WrongArchitecture {
        /// What it was made for.
        found: String,
        /// What the board is.
        wanted: &'static str,
    },
    /// Needs a loader, and the device has none.
    #[error("it is linked dynamically (it asks for `{interpreter}`), and the device has no loader")]
    NotStatic {
        /// The program interpreter that it names.
        interpreter: String,
    },
}

/// What the header of an executable must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElfKind {
    /// Name for messages: `armv7`.
    pub name: &'static str,
    /// `e_machine`.
    pub machine: u16,
    /// 64-bit class.
    pub wide: bool,
}

const ET_EXEC: u64 = 2;
const ET_DYN: u64 = 3;
const PT_INTERP: u64 = 3;
/// More program headers than any linker writes; a bound on the walk.
const MAX_PROGRAM_HEADERS: u64 = 128;

struct Reader<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl Reader<'_> {
    fn number(&self, offset: u64, size: u8) -> Result<u64, CheckElfError> {
        let start = usize::try_from(offset).map_err(|_| CheckElfError::NotElf)?;
        let end = start.checked_add(size.into()).ok_or(CheckElfError::NotElf)?;
        let field = self.bytes.get(start..end).ok_or(CheckElfError::NotElf)?;
        let fold = |n: u64, b: &u8| n << 8 | u64::from(*b);
        Ok(if self.big { field.iter().fold(0, fold) } else { field.iter().rev().fold(0, fold) })
    }
}

/// Checks that `bytes` are a static executable of this kind.
pub fn check(bytes: &[u8], wanted: ElfKind) -> Result<(), CheckElfError> {
    let ident = bytes.get(..16).ok_or(CheckElfError::NotElf)?;
    let [0x7f, b'E', b'L', b'F', class @ (1 | 2), order @ (1 | 2), ..] = *ident else {
        return Err(CheckElfError::NotElf);
    };
    let wide = class == 2;
    let header = Reader { bytes, big: order == 2 };
    let machine = header.number(18, 2)?;
    if machine != u64::from(wanted.machine) || wide != wanted.wide || header.big {
        let bits = if wide { 64 } else { 32 };
        let order = if header.big { "big-endian " } else { "" };
        let found = match (machine, wide) {
            (40, false) => format!("{order}32-bit ARM"),
            (62, true) => "x86_64".to_owned(),
            (62, false) => "x32".to_owned(),
            (3, false) => "32-bit x86".to_owned(),
            (183, true) => format!("{order}aarch64"),
            (243, _) => format!("{bits}-bit RISC-V"),
            (other, _) => format!("{order}{bits}-bit machine {other}"),
        };
        return Err(CheckElfError::WrongArchitecture { found, wanted: wanted.name });
    }
    if !matches!(header.number(16, 2)?, ET_EXEC | ET_DYN) {
        return Err(CheckElfError::NotExecutable);
    }
    let (table, entry_size, entries) = if wide {
        (header.number(32, 8)?, header.number(54, 2)?, header.number(56, 2)?)
    } else {
        (header.number(28, 4)?, header.number(42, 2)?, header.number(44, 2)?)
    };
    if entries == 0 || entries > MAX_PROGRAM_HEADERS {
        return Err(CheckElfError::NotExecutable);
    }
    for index in 0..entries {
        let at = table.checked_add(index * entry_size).ok_or(CheckElfError::NotElf)?;
        if header.number(at, 4)? != PT_INTERP {
            continue;
        }
        let (offset, size) = if wide {
            (header.number(at.saturating_add(8), 8)?, header.number(at.saturating_add(32), 8)?)
        } else {
            (header.number(at.saturating_add(4), 4)?, header.number(at.saturating_add(16), 4)?)
        };
        return Err(CheckElfError::NotStatic { interpreter: text(bytes, offset, size) });
    }
    Ok(())
}

fn text(bytes: &[u8], offset: u64, size: u64) -> String {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let size = usize::try_from(size.min(256)).unwrap_or(0);
    let field = bytes.get(start..start.saturating_add(size)).unwrap_or_default();
    let field = field.split(|b| *b == 0).next().unwrap_or_default();
    String::from_utf8_lossy(field).escape_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARM: ElfKind = ElfKind { name: "armv7", machine: 40, wide: false };
    const X86: ElfKind = ElfKind { name: "x86_64", machine: 62, wide: true };

    /// A 32-bit little-endian ELF with one program header of the given type and a text behind it.
    fn elf32(machine: u16, kind: u16, segment: u32) -> Vec<u8> {
        let mut out = vec![0u8; 52 + 32];
        out[..7].copy_from_slice(b"\x7fELF\x01\x01\x01");
        out[16..18].copy_from_slice(&kind.to_le_bytes());
        out[18..20].copy_from_slice(&machine.to_le_bytes());
        out[28..32].copy_from_slice(&52u32.to_le_bytes());
        out[42..44].copy_from_slice(&32u16.to_le_bytes());
        out[44..46].copy_from_slice(&1u16.to_le_bytes());
        out[52..56].copy_from_slice(&segment.to_le_bytes());
        out[56..60].copy_from_slice(&84u32.to_le_bytes());
        out[68..72].copy_from_slice(&12u32.to_le_bytes());
        out.extend_from_slice(b"/lib/ld.so\0\0");
        out
    }

    #[test]
    fn elf_of_each_kind_is_judged() {
        assert_eq!(check(&elf32(40, 2, 1), ARM), Ok(()));
        assert_eq!(check(&elf32(40, 3, 1), ARM), Ok(()), "static PIE");
        assert_eq!(
            check(&elf32(40, 2, 3), ARM),
            Err(CheckElfError::NotStatic { interpreter: "/lib/ld.so".into() })
        );
        assert_eq!(check(&elf32(40, 1, 1), ARM), Err(CheckElfError::NotExecutable));
        let wrong = check(&elf32(3, 2, 1), ARM).unwrap_err();
        assert_eq!(wrong.to_string(), "it is for 32-bit x86, the board is armv7");
        let wrong = check(&elf32(40, 2, 1), X86).unwrap_err();
        assert_eq!(wrong.to_string(), "it is for 32-bit ARM, the board is x86_64");
        assert_eq!(check(b"#!/bin/sh\n#  a script\n", ARM), Err(CheckElfError::NotElf));
        assert_eq!(check(b"", ARM), Err(CheckElfError::NotElf));
    }

    #[test]
    fn elf_cut_anywhere_never_panics_and_never_passes() {
        let whole = elf32(40, 2, 3);
        for end in 0..whole.len() {
            assert!(check(&whole[..end], ARM).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn elf_with_any_byte_changed_never_panics() {
        let whole = elf32(40, 2, 3);
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                let _ = check(&bytes, ARM);
            }
        }
    }

    #[test]
    fn elf_of_this_test_is_for_another_machine() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(matches!(check(&own, ARM), Err(CheckElfError::WrongArchitecture { .. })));
    }
}
