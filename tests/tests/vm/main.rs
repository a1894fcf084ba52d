//! What the README promises, on a real kernel in a virtual machine.
#![forbid(unsafe_code)]

mod boot;
mod budgets;
mod integrity;
mod judges;
mod lifecycle;
mod power;
mod sandbox;
