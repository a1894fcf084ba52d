//! netd on a real kernel, between apps that try what they may not and a router that lies.
#![forbid(unsafe_code)]

mod appmgr;
mod attempts;
mod connections;
mod denials;
mod dhcp;
mod dns;
mod filter;
mod lab;
mod life;
mod names;
mod ntp;
mod uplink;
