//! The attacks, by family.

pub(crate) mod channel;
pub(crate) mod files;
pub(crate) mod ipc;
pub(crate) mod kernel;
pub(crate) mod memory;
pub(crate) mod namespaces;
pub(crate) mod network;
pub(crate) mod persistence;
pub(crate) mod resources;
