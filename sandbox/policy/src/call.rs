//! One allowed call.

use crate::Arch;

/// A call that an app may make.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Its name in the kernel's table.
    pub name: &'static str,
    /// Its number on 32-bit ARM (arch/arm/tools/syscall.tbl; asm/unistd.h for the private ones).
    pub armv7: Option<u32>,
    /// Its number on 64-bit x86 (arch/x86/entry/syscalls/syscall_64.tbl).
    pub x86_64: Option<u32>,
    /// The arguments with which it is allowed: one of these sets must hold in full. Empty: any.
    pub if_any: &'static [&'static [Condition]],
    /// More such sets, for an app whose manifest grants something.
    pub or_with: &'static [(Grant, &'static [&'static [Condition]])],
    /// Why an app needs it, and what the condition keeps out.
    pub reason: &'static str,
}

/// Something that a manifest grants and that widens what may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// `network`.
    Network,
    /// `devices.gpio`.
    Gpio,
    /// `devices.uart`.
    Uart,
    /// `memory.writable-executable`.
    WritableExecutable,
}

/// What one argument must be.
#[derive(Debug, Clone, Copy)]
pub struct Condition {
    /// Which argument, from 0.
    pub argument: u8,
    /// What it must be.
    pub test: Test,
}

/// What an argument must be. All but [`Test::Null`] look at the low 32 bits: each of these arguments is
/// an `int` or a set of low bits to the kernel, which ignores the rest.
#[derive(Debug, Clone, Copy)]
pub enum Test {
    /// This value.
    Is(u32),
    /// This value in the bits of the mask.
    Masked {
        /// The bits that count.
        mask: u32,
        /// Their value.
        value: u32,
    },
    /// A null pointer, in its full width.
    Null,
}

impl Call {
    /// Its number on `arch`, if it exists there and is allowed there.
    pub const fn number(&self, arch: Arch) -> Option<u32> {
        match arch {
            Arch::Armv7 => self.armv7,
            Arch::X86_64 => self.x86_64,
        }
    }

    /// The same call, allowed only with these arguments.
    pub(crate) const fn if_any(self, if_any: &'static [&'static [Condition]]) -> Self {
        Self { if_any, ..self }
    }

    /// The same call, allowed with these arguments as well in an app whose manifest grants something.
    pub(crate) const fn or_with(self, or_with: &'static [(Grant, &'static [&'static [Condition]])]) -> Self {
        Self { or_with, ..self }
    }
}

/// A call that exists on both architectures.
pub(crate) const fn on_both(name: &'static str, armv7: u32, x86_64: u32, reason: &'static str) -> Call {
    Call { name, armv7: Some(armv7), x86_64: Some(x86_64), if_any: &[], or_with: &[], reason }
}

/// A call that only ARM has or needs.
pub(crate) const fn on_arm(name: &'static str, armv7: u32, reason: &'static str) -> Call {
    Call { name, armv7: Some(armv7), x86_64: None, if_any: &[], or_with: &[], reason }
}

/// A call that only x86 has or needs.
pub(crate) const fn on_x86(name: &'static str, x86_64: u32, reason: &'static str) -> Call {
    Call { name, armv7: None, x86_64: Some(x86_64), if_any: &[], or_with: &[], reason }
}
