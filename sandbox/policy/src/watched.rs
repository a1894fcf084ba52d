//! Calls that are allowed, and of which a development image's appmgr is told: Landlock and the mounts may deny
//! them, and only it can say which line of the manifest would help.

use crate::Arch;
use crate::call::{Call, on_both};

/// An instruction that gives the verdict (linux/bpf_common.h).
pub(crate) const RETURN: u16 = 0x06;

/// `SECCOMP_RET_USER_NOTIF`.
pub(crate) const NOTIFY: u32 = 0x7fc0_0000;

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

/// What a filter's verdict has in its low half where it tells of a watched call: the kernel ignores it there. It
/// stands for this list, so that a filter with another one is told apart.
pub(crate) const fn mark(arch: Arch) -> u16 {
    let mut sum: u32 = 0x811c_9dc5;
    let mut at = 0;
    while at < WATCHED.len() {
        let watched = &WATCHED[at];
        if let Some(number) = watched.call.number(arch) {
            let flags = match watched.if_flags {
                None => 0,
                Some((argument, mask)) => (argument as u32) << 16 | mask,
            };
            sum = (sum ^ number).wrapping_mul(0x0100_0193);
            sum = (sum ^ flags).wrapping_mul(0x0100_0193);
        }
        at += 1;
    }
    let [a, b, c, d] = sum.to_le_bytes();
    u16::from_le_bytes([a ^ c, b ^ d]) | 1
}

/// Whether a filter (an array of `struct sock_filter`, little-endian) was made to tell of these watched calls, all of
/// which it would have allowed. Of another filter nobody knows that.
pub fn watches(filter: &[u8], arch: Arch) -> bool {
    let verdict = NOTIFY | u32::from(mark(arch));
    let (instructions, _) = filter.as_chunks::<8>();
    instructions.iter().any(|[c0, c1, _, _, k @ ..]| {
        u16::from_le_bytes([*c0, *c1]) == RETURN && u32::from_le_bytes(*k) == verdict
    })
}

/// Whether a call is told although it is allowed.
pub fn is_watched(arch: Arch, number: u32) -> bool {
    WATCHED.iter().any(|watched| watched.call.number(arch) == Some(number))
}
