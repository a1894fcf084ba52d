//! A page with the state of the device and its apps.
#![forbid(unsafe_code)]

fn main() {}
