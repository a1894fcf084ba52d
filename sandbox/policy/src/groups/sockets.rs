//! Sockets: unix ones, and TCP and UDP where the manifest has `network`.

use crate::arguments;
use crate::call::{Call, on_arm, on_both};

pub(super) const CALLS: &[Call] = &[
    on_both(
        "socket",
        281,
        41,
        "unix sockets, with a network plain TCP and UDP; no netlink, packet, raw or other family",
    )
    .if_any(arguments::UNIX_SOCKETS)
    .or_with(arguments::IPV4_SOCKETS),
    on_both("socketpair", 288, 53, "between its own processes").if_any(arguments::UNIX_SOCKETS),
    on_both("bind", 282, 49, "a socket's own address; TCP ports are Landlock's"),
    on_both(
        "connect",
        283,
        42,
        "/run/nacre, and its own sockets; TCP ports are Landlock's, addresses the packet filter's",
    ),
    on_both("listen", 284, 50, "who may connect, the packet filter decides"),
    on_both("accept", 285, 43, "who may connect, the packet filter decides"),
    on_both("accept4", 366, 288, "who may connect, the packet filter decides"),
    on_both("getsockname", 286, 51, "a socket's own address"),
    on_both("getpeername", 287, 52, "the other end's address"),
    on_arm("send", 289, "output"),
    on_both("sendto", 290, 44, "output"),
    on_both("sendmsg", 296, 46, "output, descriptors of its own with it"),
    on_arm("recv", 291, "input"),
    on_both("recvfrom", 292, 45, "input"),
    on_both("recvmsg", 297, 47, "input, descriptors that the OS grants with it"),
    on_both("shutdown", 293, 48, "ends one direction"),
    on_both("setsockopt", 294, 54, "buffers, time limits, addresses; no filters attached to sockets")
        .if_any(arguments::SOCKET_OPTIONS)
        .or_with(arguments::TCP_OPTIONS),
    on_both("getsockopt", 295, 55, "state of a socket, who the other end is"),
];
