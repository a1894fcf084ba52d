//! What an executable is for: just enough of the ELF header (System V ABI, chapters 4 and 5) to refuse a
//! program that the board couldn't start.

/// Why a file can't run on the board. Every field is read with a bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckElfError {
    /// Not an ELF file, or cut short: a header or the content of a segment is not in it.
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
    /// A segment is writable and executable, or its header doesn't say that the stack isn't.
    #[error("it has {0}")]
    WritableExecutable(&'static str),
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

/// Whether a program may ask for memory that is writable and executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeMemory {
    /// It may not.
    Guarded,
    /// Its manifest says so.
    WritableExecutable,
}

impl CodeMemory {
    /// As `memory.writable-executable` says.
    pub fn of(writable_executable: bool) -> Self {
        if writable_executable { Self::WritableExecutable } else { Self::Guarded }
    }
}

const ET_EXEC: u64 = 2;
const ET_DYN: u64 = 3;
const PT_LOAD: u64 = 1;
const PT_INTERP: u64 = 3;
const PT_GNU_STACK: u64 = 0x6474_e551;
/// `p_flags`: executable, and executable and writable.
const PF_X: u64 = 1;
const PF_WX: u64 = 3;
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

/// Checks that `bytes` are a static executable of this kind, without memory that is writable and executable, unless it
/// may have that.
///
/// A program without `PT_GNU_STACK` counts as one that wants an executable stack: Linux then makes every
/// readable page of it executable (`READ_IMPLIES_EXEC`), and no seccomp filter sees that.
pub fn check(bytes: &[u8], wanted: ElfKind, memory: CodeMemory) -> Result<(), CheckElfError> {
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
    let mut stack_is_stated = false;
    for index in 0..entries {
        let at = table.checked_add(index * entry_size).ok_or(CheckElfError::NotElf)?;
        let (offset, size) = if wide {
            (header.number(at.saturating_add(8), 8)?, header.number(at.saturating_add(32), 8)?)
        } else {
            (header.number(at.saturating_add(4), 4)?, header.number(at.saturating_add(16), 4)?)
        };
        let end = offset.checked_add(size).and_then(|end| usize::try_from(end).ok());
        if end.is_none_or(|end| end > bytes.len()) {
            return Err(CheckElfError::NotElf);
        }
        let flags = header.number(at.saturating_add(if wide { 4 } else { 24 }), 4)?;
        match header.number(at, 4)? {
            PT_INTERP => return Err(CheckElfError::NotStatic { interpreter: text(bytes, offset, size) }),
            PT_LOAD | PT_GNU_STACK if memory == CodeMemory::WritableExecutable => {}
            PT_LOAD if flags & PF_WX == PF_WX => {
                return Err(CheckElfError::WritableExecutable("a segment that is writable and executable"));
            }
            PT_GNU_STACK if flags & PF_X != 0 => {
                return Err(CheckElfError::WritableExecutable("an executable stack"));
            }
            PT_GNU_STACK => stack_is_stated = true,
            _ => {}
        }
    }
    if stack_is_stated || memory == CodeMemory::WritableExecutable {
        Ok(())
    } else {
        Err(CheckElfError::WritableExecutable("no header that says its stack is not executable"))
    }
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
    fn check(bytes: &[u8], wanted: ElfKind) -> Result<(), CheckElfError> {
        super::check(bytes, wanted, CodeMemory::Guarded)
    }

    const X86: ElfKind = ElfKind { name: "x86_64", machine: 62, wide: true };

    /// A 32-bit little-endian ELF with a program header of the given type, one for the stack, and a text.
    fn elf32(machine: u16, kind: u16, segment: u32) -> Vec<u8> {
        elf32_with(machine, kind, [(segment, 5), (0x6474_e551, 6)])
    }

    /// The same with two program headers of the given types and flags.
    fn elf32_with(machine: u16, kind: u16, segments: [(u32, u32); 2]) -> Vec<u8> {
        let mut out = vec![0u8; 52 + 64];
        out[..7].copy_from_slice(b"\x7fELF\x01\x01\x01");
        out[16..18].copy_from_slice(&kind.to_le_bytes());
        out[18..20].copy_from_slice(&machine.to_le_bytes());
        out[28..32].copy_from_slice(&52u32.to_le_bytes());
        out[42..44].copy_from_slice(&32u16.to_le_bytes());
        out[44..46].copy_from_slice(&2u16.to_le_bytes());
        for (header, (segment, flags)) in out[52..].chunks_exact_mut(32).zip(segments) {
            header[..4].copy_from_slice(&segment.to_le_bytes());
            header[4..8].copy_from_slice(&116u32.to_le_bytes());
            header[16..20].copy_from_slice(&12u32.to_le_bytes());
            header[24..28].copy_from_slice(&flags.to_le_bytes());
        }
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
    fn elf_with_writable_executable_memory_is_refused() {
        const STACK: u32 = 0x6474_e551;
        let judge = |segments| check(&elf32_with(40, 2, segments), ARM);
        assert_eq!(judge([(1, 5), (STACK, 6)]), Ok(()));
        for segments in [[(1, 7), (STACK, 6)], [(1, 5), (STACK, 7)], [(1, 5), (1, 6)]] {
            let refused = judge(segments);
            assert!(
                matches!(refused, Err(CheckElfError::WritableExecutable(_))),
                "{segments:?}: {refused:?}"
            );
            let granted = super::check(&elf32_with(40, 2, segments), ARM, CodeMemory::WritableExecutable);
            assert_eq!(granted, Ok(()), "{segments:?}");
        }
    }

    #[test]
    fn elf_cut_anywhere_never_panics_and_never_passes() {
        let whole = elf32(40, 2, 3);
        for end in 0..whole.len() {
            assert!(check(&whole[..end], ARM).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn elf_without_the_end_of_a_segment_is_not_complete() {
        let whole = elf32(40, 2, 1);
        assert_eq!(check(&whole, ARM), Ok(()));
        for end in 0..whole.len() {
            assert_eq!(check(&whole[..end], ARM), Err(CheckElfError::NotElf), "{end} bytes");
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
