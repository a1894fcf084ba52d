//! What a signed thing is made for: architecture and profile.

use core::fmt;
use core::str::FromStr;

use minicbor::{Decode, Encode};

/// Instruction set of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arch {
    /// 32-bit ARM, ARMv7-A with hard float.
    Armv7,
    /// 64-bit x86.
    X86_64,
}

/// A text that names no architecture known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown architecture (known: armv7, x86_64)")]
pub struct ParseArchError;

impl Arch {
    /// Its name: `armv7` or `x86_64`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Armv7 => "armv7",
            Self::X86_64 => "x86_64",
        }
    }
}

impl FromStr for Arch {
    type Err = ParseArchError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "armv7" => Ok(Self::Armv7),
            "x86_64" => Ok(Self::X86_64),
            _ => Err(ParseArchError),
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<C> Encode<C> for Arch {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(self.as_str())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Arch {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.str()?.parse().map_err(|_| minicbor::decode::Error::message("unknown architecture"))
    }
}

/// How much an image opens to the person who develops on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Profile {
    /// For devices in use.
    #[n(0)]
    Production,
    /// Verbose console, killing of apps by hand; never passes for production.
    #[n(1)]
    Development,
}

impl Profile {
    /// Its name: `production` or `development`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Development => "development",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
