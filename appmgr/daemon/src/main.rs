//! The app manager: package store, cgroups, log capture, device channel.

fn main() {}
