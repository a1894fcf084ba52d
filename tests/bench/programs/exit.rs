//! Ends at once. What a sandbox costs is what its start takes longer than this.
fn main() {}
