//! The packet filter as data: what is changed in the kernel's table, and in which order.
//!
//! [`base`] is the whole table without any app, [`join`] and [`leave`] are one app's part. Nothing here knows of
//! sockets; `netlink::filter` turns the changes into messages, which the kernel takes all or none of.

pub(crate) mod app;
pub(crate) mod base;
pub(crate) mod change;
pub(crate) mod expression;
pub(crate) mod flows;
#[cfg(test)]
mod text;

pub(crate) use app::{AppRules, join, leave};
pub(crate) use base::{Filter, base};
