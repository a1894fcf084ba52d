//! The addresses of the apps: a network of the device's own, which is the same on every device.

/// Its first three bytes; a /24 of the shared address space (RFC 6598), which no local network uses for its machines.
pub const PREFIX: [u8; 3] = [100, 115, 92];

/// The OS's address in it: the apps' router and their resolver.
pub const ROUTER: [u8; 4] = at(1);

/// The address of an app, by its number.
pub const fn app_address(app: u8) -> [u8; 4] {
    at(app.saturating_add(2))
}

const fn at(last: u8) -> [u8; 4] {
    let [first, second, third] = PREFIX;
    [first, second, third, last]
}
