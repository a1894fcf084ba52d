//! Messages between appmgr, apps and the device channel.
//!
//! - [`app`]: over the unix socket `/run/nacre` (`SOCK_SEQPACKET`), one CBOR message per packet, at
//!   most [`app::MAX_PACKET`] bytes. Who an app is comes from `SO_PEERCRED`, never from a message.
//! - [`net`]: between appmgr and netd.
//! - [`denial`]: what a layer of the sandbox refused, for the log and the channel.
//! - [`log`]: a structured line of an app's log, on both of these ways.
//! - [`host_run`]: from `nacre app run` to the launcher on the host.
//! - [`channel`]: over any byte stream (virtio serial port, UART): frames, each checked and bounded.
//!
//! [`message`] turns messages of both into bytes and back, with every part held to its bound.
#![forbid(unsafe_code)]

pub mod app;
pub mod channel;
pub mod denial;
pub mod frame;
pub mod host_run;
pub mod log;
pub mod message;
pub mod net;
pub mod status;
