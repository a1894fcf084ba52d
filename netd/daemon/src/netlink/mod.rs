//! Netlink (netlink(7)): the kernel's interface to links, addresses, routes and the packet filter.
//!
//! Only what netd needs: one kind of socket, messages built and read as bytes, errors with the kernel's words.

pub(crate) mod addresses;
pub(crate) mod filter;
mod filter_attributes;
pub(crate) mod links;
pub(crate) mod message;
pub(crate) mod packet_log;
pub(crate) mod reading;
pub(crate) mod socket;

pub(crate) use socket::{RequestError, Socket};
