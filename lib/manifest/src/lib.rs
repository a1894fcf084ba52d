//! App manifest, image recipe and board: text to validated types, and the CBOR that the device reads.
//!
//! - [`device`]: what the device reads; [`describe`] says in plain words what it grants;
//! - with feature `yaml` (the host): [`app`], [`image`] and [`board`], each with `parse` (text) and `load`
//!   (file). Every problem of a file is reported at once, with line and column;
//! - with feature `schema`: `schema`, what each field is, for editors and for people.
#![forbid(unsafe_code)]

pub mod apps_network;
pub mod arch;
pub mod component;
pub mod describe;
pub mod device;
mod hardware;

#[cfg(feature = "yaml")]
pub mod app;
#[cfg(feature = "yaml")]
pub mod board;
#[cfg(feature = "yaml")]
mod board_devices;
#[cfg(feature = "yaml")]
mod host;
#[cfg(feature = "yaml")]
pub mod image;
#[cfg(feature = "yaml")]
mod path;
#[cfg(feature = "schema")]
pub mod schema;
#[cfg(feature = "yaml")]
mod unit;
#[cfg(feature = "yaml")]
mod yaml;

#[cfg(feature = "yaml")]
pub use unit::show_size;
