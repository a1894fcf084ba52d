//! A call in words: its name, its arguments, why it is denied and what would allow it. For the device, so it is
//! small: tables of text that are searched when something is denied, and at no other time.

mod families;
mod names;

use std::fmt::Write;

use crate::arch::Arch;
use crate::call::Grant;
pub use families::{CONDITIONAL, FAMILIES, Family, OTHER, family};
use names::{LISTS, SIGNATURES};

/// What an app gets for a call that is denied (`EPERM`).
pub const DENIED: i32 = 1;

/// What it gets for a number that no call has (`ENOSYS`), as from a kernel without the filter.
pub const UNKNOWN: i32 = 38;

/// A call as the filter saw it (`struct seccomp_data`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The architecture.
    pub arch: Arch,
    /// The call's number.
    pub number: u32,
    /// Its six registers; a call with fewer arguments leaves anything in the rest.
    pub arguments: [u64; 6],
}

/// Why a call is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The manifest lacks this.
    Lacks(Grant),
    /// No manifest allows it.
    Never(&'static str),
    /// The kernel has no call of that number.
    Unknown,
}

/// A denied call in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// `ptrace(PTRACE_ATTACH, 1)`.
    pub tried: String,
    /// Why it is denied.
    pub why: Why,
}

impl Why {
    /// The error that the app gets.
    pub const fn errno(self) -> i32 {
        match self {
            Self::Unknown => UNKNOWN,
            Self::Lacks(_) | Self::Never(_) => DENIED,
        }
    }
}

/// The kernel's name of a call (Linux 6.12).
pub fn name(arch: Arch, number: u32) -> Option<&'static str> {
    // A device has its own architecture's table only.
    const HOST: bool = cfg!(feature = "compile");
    let table = match arch {
        Arch::Armv7 if HOST || cfg!(target_arch = "arm") => include_str!("../tables/armv7.txt"),
        Arch::X86_64 if HOST || cfg!(target_arch = "x86_64") => include_str!("../tables/x86_64.txt"),
        Arch::Armv7 | Arch::X86_64 => "",
    };
    let mut lines = table.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(_, known)| known.parse() == Ok(number)).map(|(name, _)| name)
}

/// Explains a denied call. `read` gives the text at an address of the app's memory; what the app writes there
/// meanwhile is its own affair, for it decides nothing.
pub fn explain(attempt: &Attempt, read: &mut dyn FnMut(u64) -> Option<String>) -> Explanation {
    let Some(name) = name(attempt.arch, attempt.number) else {
        return Explanation { tried: format!("system call {}", attempt.number), why: Why::Unknown };
    };
    let signature = SIGNATURES.iter().find(|(call, _)| *call == name).map(|(_, signature)| *signature);
    let mut tried = name.to_owned();
    if let Some(signature) = signature {
        let shown: Vec<String> =
            signature.split(' ').filter_map(|part| argument(part, attempt, read)).collect();
        // Writing to a String does not fail.
        let _ = write!(tried, "({})", shown.join(", "));
    }
    let why = match grant(name, &attempt.arguments) {
        Some(grant) => Why::Lacks(grant),
        None => Why::Never(families::reason(name)),
    };
    Explanation { tried, why }
}

/// The grant that would allow a call with these arguments.
fn grant(name: &str, arguments: &[u64; 6]) -> Option<Grant> {
    let [first, second, third, ..] = arguments.map(low);
    const PROT_EXEC: u32 = 4;
    match name {
        "mmap" | "mmap2" | "mprotect" if third & PROT_EXEC != 0 => Some(Grant::WritableExecutable),
        // IPv4 and plain TCP or UDP; what else there is, no manifest allows.
        "socket" if first == 2 => match (second & 0xf, third) {
            (1, 0 | 6) | (2, 0 | 17) => Some(Grant::Network),
            _ => None,
        },
        "setsockopt" if second == 6 && [1, 4, 5, 6, 18].contains(&third) => Some(Grant::Network),
        "ioctl" => match second {
            0xc010_b40e | 0xc010_b40f => Some(Grant::Gpio),
            0x5409 | 0x540b => Some(Grant::Uart),
            _ => None,
        },
        _ => None,
    }
}

/// One argument in words, by its part of a signature.
fn argument(part: &str, attempt: &Attempt, read: &mut dyn FnMut(u64) -> Option<String>) -> Option<String> {
    let (place, list) = part.split_once(':').unwrap_or((part, ""));
    let letter = place.chars().next()?;
    let index = place.get(1..)?.parse::<usize>().ok()?;
    let value = *attempt.arguments.get(index)?;
    let word = low(value);
    Some(match letter {
        'n' => named(list, word).unwrap_or_else(|| format!("{word:#x}")),
        'f' => flags(list, word),
        'd' => word.cast_signed().to_string(),
        's' | 'l' => match read(value) {
            Some(text) => {
                let next = if letter == 'l' { attempt.arguments.get(index + 1) } else { None };
                let most = next.map_or(text.len(), |length| usize::try_from(low(*length)).unwrap_or(0));
                format!("\"{}\"", start(&text, most))
            }
            None if value == 0 => "NULL".to_owned(),
            None => "?".to_owned(),
        },
        'b' => format!("{value} bytes"),
        _ => format!("{word:#x}"),
    })
}

/// The start of a text, at most so many bytes.
fn start(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The low half: an `int` or flags to the kernel, which ignores the rest.
fn low(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or_default()
}

fn list(name: &str) -> impl Iterator<Item = (u32, &'static str)> + use<> {
    let text = LISTS.iter().find(|(list, _)| *list == name).map_or("", |(_, text)| *text);
    let entries = text.split_ascii_whitespace().filter_map(|entry| entry.split_once('='));
    entries.filter_map(|(value, name)| Some((value.parse().ok()?, name)))
}

fn named(of: &str, value: u32) -> Option<String> {
    // SOCK_CLOEXEC and SOCK_NONBLOCK say nothing about the kind of a socket.
    let value = if of == "kind" { value & 0xf } else { value };
    list(of).find(|(known, _)| *known == value).map(|(_, name)| name.to_owned())
}

/// The known flags by name. The rest is shown too, but for `clone`, whose others are those of any thread.
fn flags(of: &str, value: u32) -> String {
    let mut rest = value;
    let mut shown: Vec<String> = Vec::new();
    for (flag, name) in list(of) {
        if value & flag != 0 {
            rest &= !flag;
            shown.push(name.to_owned());
        }
    }
    if rest != 0 && (of != "clone" || shown.is_empty()) {
        shown.push(format!("{rest:#x}"));
    }
    if shown.is_empty() { "0".to_owned() } else { shown.join("|") }
}

#[cfg(all(test, feature = "compile"))]
mod tests;
