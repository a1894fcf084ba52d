//! The architectures that a filter can be made for.

use std::fmt;
use std::str::FromStr;

/// An architecture, by the name that packages and boards use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// 32-bit ARM, EABI, little-endian.
    Armv7,
    /// 64-bit x86; neither its 32-bit nor its x32 calls.
    X86_64,
}

/// A text that names no architecture of this system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no architecture: `armv7` and `x86_64` are")]
pub struct ParseArchError(String);

impl Arch {
    /// `AUDIT_ARCH_*` of linux/audit.h: what the kernel puts into `struct seccomp_data`.
    pub const fn audit_value(self) -> u32 {
        match self {
            Self::Armv7 => 0x4000_0028,
            Self::X86_64 => 0xc000_003e,
        }
    }
}

impl Arch {
    /// That of this program, if filters are made for it.
    pub const NATIVE: Option<Self> = if cfg!(target_arch = "arm") {
        Some(Self::Armv7)
    } else if cfg!(target_arch = "x86_64") {
        Some(Self::X86_64)
    } else {
        None
    };

    /// The architecture of an `AUDIT_ARCH_*` value.
    pub const fn of_audit_value(value: u32) -> Option<Self> {
        match value {
            0x4000_0028 => Some(Self::Armv7),
            0xc000_003e => Some(Self::X86_64),
            _ => None,
        }
    }
}

impl FromStr for Arch {
    type Err = ParseArchError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "armv7" => Ok(Self::Armv7),
            "x86_64" => Ok(Self::X86_64),
            _ => Err(ParseArchError(text.chars().take(40).collect())),
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Armv7 => "armv7",
            Self::X86_64 => "x86_64",
        })
    }
}
