//! What the app manager and the host's launcher both do for an app that runs: its denied calls in words, and the
//! socket that it asks the OS over. Whatever is decided is decided by whoever uses this.
#![forbid(unsafe_code)]

pub mod app_socket;
mod denied_call;
mod end;
mod foreign_memory;
mod stats;
mod watched_call;

pub use denied_call::denied;
pub use end::gentle_end;
pub use foreign_memory::Memory;
pub use stats::StatsReader;
pub use watched_call::judge;
