//! Processor architectures that Nacre knows.

use std::fmt;
use std::str::FromStr;

/// A processor architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arch {
    /// 32-bit ARM, version 7, hard float.
    Armv7,
    /// 64-bit x86.
    X86_64,
}

/// Why a text is not an architecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an architecture: it is one of armv7, x86_64")]
pub struct ParseArchError(String);

impl Arch {
    /// Every architecture.
    pub const ALL: [Self; 2] = [Self::Armv7, Self::X86_64];

    /// The name that recipes, packages and slots use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Armv7 => "armv7",
            Self::X86_64 => "x86_64",
        }
    }

    /// Rust's target triple for programs of the device (static, musl).
    pub const fn rust_target(self) -> &'static str {
        match self {
            Self::Armv7 => "armv7-unknown-linux-musleabihf",
            Self::X86_64 => "x86_64-unknown-linux-musl",
        }
    }

    /// `ARCH=` of the kernel's build (`Documentation/kbuild/kbuild.rst`); also the folder below `arch/`
    /// that holds `boot/`.
    pub const fn kernel_arch(self) -> &'static str {
        match self {
            Self::Armv7 => "arm",
            Self::X86_64 => "x86",
        }
    }

    /// `e_machine` of an ELF program for it (ELF specification, `EM_ARM` and `EM_X86_64`).
    pub const fn elf_machine(self) -> u16 {
        match self {
            Self::Armv7 => 40,
            Self::X86_64 => 62,
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Arch {
    type Err = ParseArchError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|arch| arch.as_str() == text)
            .ok_or_else(|| ParseArchError(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::Arch;

    #[test]
    fn arch_name_parsed_is_the_arch() {
        for arch in Arch::ALL {
            assert_eq!(arch.as_str().parse(), Ok(arch));
        }
        let error = "arm".parse::<Arch>().expect_err("`arm` is no architecture of ours");
        assert_eq!(error.to_string(), "`arm` is not an architecture: it is one of armv7, x86_64");
    }
}
