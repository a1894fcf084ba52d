//! What netd says to DHCP, DNS and time servers, and what it makes of their answers: bytes and time in, decisions
//! out; no I/O, no clock.
#![forbid(unsafe_code)]
