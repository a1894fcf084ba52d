//! The syscalls an app may make, as data, compiled on the host.
