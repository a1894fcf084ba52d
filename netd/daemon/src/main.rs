//! The network of the device and of each app: DHCP, DNS proxy, time, packet filter.
#![forbid(unsafe_code)]

fn main() {}
