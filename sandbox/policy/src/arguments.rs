//! The arguments with which some calls are allowed. The numbers are the same on both architectures
//! (asm-generic and linux headers).

use crate::call::{Condition, Grant, Test};

type Sets = &'static [&'static [Condition]];

/// Sets of an app whose manifest grants something.
type Granted = &'static [(Grant, Sets)];

const fn is(argument: u8, value: u32) -> Condition {
    Condition { argument, test: Test::Is(value) }
}

const fn none_of(argument: u8, mask: u32) -> Condition {
    Condition { argument, test: Test::Masked { mask, value: 0 } }
}

const fn is_without(argument: u8, ignored: u32, value: u32) -> Condition {
    Condition { argument, test: Test::Masked { mask: !ignored, value } }
}

const PROT_WRITE: u32 = 2;
const PROT_EXEC: u32 = 4;

/// `mmap(_, _, prot, ..)`: writable or executable, not both.
pub(crate) const NOT_WRITE_AND_EXEC: Sets = &[&[none_of(2, PROT_EXEC)], &[none_of(2, PROT_WRITE)]];

/// `mprotect(_, _, prot)`, netd's `mmap(_, _, prot, ..)`: never executable.
pub(crate) const NOT_EXEC: Sets = &[&[none_of(2, PROT_EXEC)]];

/// Any protection, for an app that makes code at run time.
pub(crate) const ANY_PROTECTION: Granted = &[(Grant::WritableExecutable, &[&[none_of(2, 0)]])];

/// `madvise(_, _, advice)`: NORMAL to DONTNEED, and FREE.
pub(crate) const HARMLESS_ADVICE: Sets =
    &[&[is(2, 4)], &[is(2, 8)], &[is(2, 0)], &[is(2, 1)], &[is(2, 2)], &[is(2, 3)]];

/// `clone(flags, ..)`: without CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, PTRACE.
pub(crate) const NO_NEW_NAMESPACE: Sets = &[&[none_of(0, 0x7e02_2000)]];

const FUTEX_PRIVATE_FLAG: u32 = 128;
const FUTEX_CLOCK_REALTIME: u32 = 256;

const fn futex(operation: u32) -> Condition {
    is_without(1, FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, operation)
}

/// `futex(_, op, ..)`: WAIT, WAKE, REQUEUE, CMP_REQUEUE, WAKE_OP, WAIT_BITSET, WAKE_BITSET.
pub(crate) const FUTEX_OPERATIONS: Sets =
    &[&[futex(0)], &[futex(1)], &[futex(9)], &[futex(10)], &[futex(3)], &[futex(4)], &[futex(5)]];

/// `prctl(option, ..)`: SET_NAME, GET_NAME, SET_PDEATHSIG, GET_PDEATHSIG, GET_DUMPABLE,
/// GET_NO_NEW_PRIVS, GET_SECCOMP, CAPBSET_READ.
pub(crate) const PRCTL_OPTIONS: Sets = &[
    &[is(0, 15)],
    &[is(0, 16)],
    &[is(0, 1)],
    &[is(0, 2)],
    &[is(0, 3)],
    &[is(0, 39)],
    &[is(0, 21)],
    &[is(0, 23)],
];

/// `arch_prctl(ARCH_SET_FS, _)`.
pub(crate) const SET_FS: Sets = &[&[is(0, 0x1002)]];

/// `fcntl(_, command, ..)`: DUPFD, GETFD, SETFD, GETFL, SETFL, locks (GETLK, SETLK, SETLKW, their 64-bit
/// and open-file forms), DUPFD_CLOEXEC.
pub(crate) const FCNTL_COMMANDS: Sets = &[
    &[is(1, 0)],
    &[is(1, 1)],
    &[is(1, 2)],
    &[is(1, 3)],
    &[is(1, 4)],
    &[is(1, 5)],
    &[is(1, 6)],
    &[is(1, 7)],
    &[is(1, 12)],
    &[is(1, 13)],
    &[is(1, 14)],
    &[is(1, 36)],
    &[is(1, 37)],
    &[is(1, 38)],
    &[is(1, 1030)],
];

/// `ioctl(_, command, ..)`: FIONBIO, FIONREAD, FIOCLEX, TIOCGWINSZ, TCGETS.
pub(crate) const IOCTL_COMMANDS: Sets =
    &[&[is(1, 0x5421)], &[is(1, 0x541b)], &[is(1, 0x5451)], &[is(1, 0x5413)], &[is(1, 0x5401)]];

/// `ioctl(_, command, ..)` on the descriptors that appmgr hands out. GPIO lines: GPIO_V2_LINE_GET_VALUES and
/// SET_VALUES, not SET_CONFIG. UARTs: TCSBRK and TCFLSH, not TCSETS, TIOCSTI or TIOCSCTTY.
pub(crate) const DEVICE_COMMANDS: Granted = &[
    (Grant::Gpio, &[&[is(1, 0xc010_b40e)], &[is(1, 0xc010_b40f)]]),
    (Grant::Uart, &[&[is(1, 0x5409)], &[is(1, 0x540b)]]),
];

/// `prlimit64(_, _, new, _)`: `new` is null.
pub(crate) const ONLY_READ_LIMITS: Sets = &[&[Condition { argument: 2, test: Test::Null }]];

const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const SOCK_STREAM: u32 = 1;
const SOCK_DGRAM: u32 = 2;
const SOCK_SEQPACKET: u32 = 5;
const IPPROTO_TCP: u32 = 6;
const IPPROTO_UDP: u32 = 17;

/// `SOCK_CLOEXEC` and `SOCK_NONBLOCK` say nothing about the kind of a socket.
const fn kind(value: u32) -> Condition {
    is_without(1, 0o2_000_000 | 0o4_000, value)
}

/// `socket(family, type, protocol)`: IPv4 TCP and UDP, by their number or as the default, so that neither
/// ICMP nor MPTCP nor SCTP comes with the type.
pub(crate) const IPV4_SOCKETS: Granted = &[(Grant::Network, IPV4)];

const IPV4: Sets = &[
    &[is(0, AF_INET), kind(SOCK_STREAM), is(2, 0)],
    &[is(0, AF_INET), kind(SOCK_STREAM), is(2, IPPROTO_TCP)],
    &[is(0, AF_INET), kind(SOCK_DGRAM), is(2, 0)],
    &[is(0, AF_INET), kind(SOCK_DGRAM), is(2, IPPROTO_UDP)],
];

/// `socket(family, type, protocol)`: IPv4 UDP.
#[cfg(feature = "compile")]
pub(crate) const UDP_SOCKETS: Sets =
    &[&[is(0, AF_INET), kind(SOCK_DGRAM), is(2, 0)], &[is(0, AF_INET), kind(SOCK_DGRAM), is(2, IPPROTO_UDP)]];

/// `socket(family, type, protocol)` and `socketpair`: unix stream, datagram and seqpacket.
pub(crate) const UNIX_SOCKETS: Sets = &[
    &[is(0, AF_UNIX), kind(SOCK_STREAM), is(2, 0)],
    &[is(0, AF_UNIX), kind(SOCK_DGRAM), is(2, 0)],
    &[is(0, AF_UNIX), kind(SOCK_SEQPACKET), is(2, 0)],
];

const SOL_SOCKET: u32 = 1;

/// `setsockopt(_, level, name, ..)`: REUSEADDR, SNDBUF, RCVBUF, KEEPALIVE, PASSCRED, RCVTIMEO and SNDTIMEO
/// (both widths). SO_ATTACH_FILTER and what selects a device are out; so is BROADCAST, because no manifest can
/// name everybody, and LINGER, because a lingering socket that was sent to the OS would keep it waiting.
pub(crate) const SOCKET_OPTIONS: Sets = &[
    &[is(1, SOL_SOCKET), is(2, 2)],
    &[is(1, SOL_SOCKET), is(2, 7)],
    &[is(1, SOL_SOCKET), is(2, 8)],
    &[is(1, SOL_SOCKET), is(2, 9)],
    &[is(1, SOL_SOCKET), is(2, 16)],
    &[is(1, SOL_SOCKET), is(2, 20)],
    &[is(1, SOL_SOCKET), is(2, 21)],
    &[is(1, SOL_SOCKET), is(2, 66)],
    &[is(1, SOL_SOCKET), is(2, 67)],
];

/// `setsockopt(_, level, name, ..)`: TCP_NODELAY, KEEPIDLE, KEEPINTVL, KEEPCNT, USER_TIMEOUT. What loads
/// congestion control or upper protocols (ULP) is out.
pub(crate) const TCP_OPTIONS: Granted = &[(Grant::Network, TCP)];

const TCP: Sets = &[
    &[is(1, IPPROTO_TCP), is(2, 1)],
    &[is(1, IPPROTO_TCP), is(2, 4)],
    &[is(1, IPPROTO_TCP), is(2, 5)],
    &[is(1, IPPROTO_TCP), is(2, 6)],
    &[is(1, IPPROTO_TCP), is(2, 18)],
];

#[cfg(feature = "compile")]
const SOL_NETLINK: u32 = 270;

/// netd's `setsockopt(_, level, name, ..)`: BROADCAST, BINDTODEVICE; NETLINK_CAP_ACK, EXT_ACK.
#[cfg(feature = "compile")]
pub(crate) const NETD_SOCKET_OPTIONS: Sets = &[
    &[is(1, SOL_SOCKET), is(2, 6)],
    &[is(1, SOL_SOCKET), is(2, 25)],
    &[is(1, SOL_NETLINK), is(2, 10)],
    &[is(1, SOL_NETLINK), is(2, 11)],
];
