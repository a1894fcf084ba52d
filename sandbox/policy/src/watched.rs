//! Calls that are allowed, and of which a development image's appmgr is told: Landlock and the mounts may deny
//! them, and only it can say which line of the manifest would help.

use crate::Arch;
use crate::call::{Call, on_both};

/// `O_WRONLY | O_RDWR | O_CREAT | O_TRUNC` (asm-generic/fcntl.h; the same on both architectures). Everything may
/// be read, so only these can be denied.
const CHANGES: u32 = 0o1 | 0o2 | 0o100 | 0o1000;

/// A watched call.
#[derive(Debug, Clone, Copy)]
pub struct Watched {
    /// The call.
    pub call: Call,
    /// The argument with flags of which one must be set, and the flags; without, it is always told.
    pub if_flags: Option<(u8, u32)>,
}

const fn watched(name: &'static str, armv7: u32, x86_64: u32) -> Watched {
    Watched { call: on_both(name, armv7, x86_64, "Landlock and the mounts decide"), if_flags: None }
}

const fn if_flags(watched: Watched, argument: u8) -> Watched {
    Watched { if_flags: Some((argument, CHANGES)), ..watched }
}

/// All of them. Each is in a group, with any argument.
pub const WATCHED: &[Watched] = &[
    if_flags(watched("open", 5, 2), 1),
    if_flags(watched("openat", 322, 257), 2),
    watched("mkdir", 39, 83),
    watched("mkdirat", 323, 258),
    watched("rmdir", 40, 84),
    watched("unlink", 10, 87),
    watched("unlinkat", 328, 263),
    watched("rename", 38, 82),
    watched("renameat", 329, 264),
    watched("renameat2", 382, 316),
    watched("link", 9, 86),
    watched("linkat", 330, 265),
    watched("symlink", 83, 88),
    watched("symlinkat", 331, 266),
    watched("execve", 11, 59),
    watched("bind", 282, 49),
    watched("connect", 283, 42),
];

/// Whether a call is told although it is allowed.
pub fn is_watched(arch: Arch, number: u32) -> bool {
    WATCHED.iter().any(|watched| watched.call.number(arch) == Some(number))
}
