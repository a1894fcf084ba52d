//! Asks recorder for its samples and logs a chart and the states of the apps.

fn main() {}
