//! The few instructions of classic BPF that filters consist of (linux/bpf_common.h).

use seccompiler::sock_filter;

pub(crate) use crate::watched::{NOTIFY, RETURN};

pub(crate) const LOAD_WORD: u16 = 0x20;
pub(crate) const AND: u16 = 0x54;
pub(crate) const JUMP: u16 = 0x05;
pub(crate) const JUMP_IF_EQUAL: u16 = 0x15;
pub(crate) const JUMP_IF_GREATER: u16 = 0x25;
pub(crate) const JUMP_IF_GREATER_OR_EQUAL: u16 = 0x35;

/// `SECCOMP_RET_KILL_PROCESS` of linux/seccomp.h.
pub(crate) const KILL_PROCESS: u32 = 0x8000_0000;
/// `SECCOMP_RET_ERRNO`; the error is in the low half.
pub(crate) const FAIL: u32 = 0x0005_0000;

/// `SECCOMP_RET_ALLOW`.
pub(crate) const ALLOW: u32 = 0x7fff_0000;

/// Where the call's number is in `struct seccomp_data`.
pub(crate) const OFFSET_OF_NUMBER: u32 = 0;
/// Where the architecture is in it.
pub(crate) const OFFSET_OF_ARCH: u32 = 4;

/// Where the low half of an argument is in it.
pub(crate) const fn offset_of_argument(argument: u8) -> u32 {
    16 + 8 * argument as u32
}

pub(crate) const fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// `struct sock_filter` of linux/filter.h, little-endian.
pub(crate) fn bytes_of(instruction: &sock_filter) -> [u8; 8] {
    let [c0, c1] = instruction.code.to_le_bytes();
    let [k0, k1, k2, k3] = instruction.k.to_le_bytes();
    [c0, c1, instruction.jt, instruction.jf, k0, k1, k2, k3]
}
