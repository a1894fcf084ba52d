//! What an app links to talk to the OS: figures of the device, states of the apps, calls between apps, GPIO lines and
//! serial ports, heartbeats, word of the end.
//!
//! All of it goes over one socket, `/run/nacre`. What the manifest does not grant is refused, and the
//! refusal names the line that would grant it.
//!
//! ```no_run
//! let mut system = nacre_app::System::connect()?;
//! println!("up for {} s", system.stats()?.uptime_ms / 1000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod data;
mod line;
mod system;
mod wait;

pub use line::{Edge, Line};
pub use nacre_wire::app::{Event, LineMode, MAX_PAYLOAD, Parity};
pub use nacre_wire::log::Level;
pub use nacre_wire::status::{AppState, AppStatus, Device, Stats};
pub use system::{AskError, Call, ConnectError, System};
pub use wait::Wake;
