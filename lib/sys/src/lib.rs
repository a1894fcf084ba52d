//! Kernel calls that nix lacks, by file descriptor; the only unsafe code outside the first stage.
