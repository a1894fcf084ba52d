//! What both the apps and the device channel are told about the system.

use minicbor::{Decode, Encode};

/// The device in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Stats {
    /// Milliseconds since the kernel started.
    #[n(0)]
    pub uptime_ms: u64,
    /// CPU time spent not idle since the start, in milliseconds.
    #[n(1)]
    pub cpu_busy_ms: u64,
    /// CPU time in all since the start, in milliseconds.
    #[n(2)]
    pub cpu_total_ms: u64,
    /// Memory that the kernel manages, in KiB.
    #[n(3)]
    pub memory_total_kib: u32,
    /// Memory that could be had without swapping, in KiB.
    #[n(4)]
    pub memory_available_kib: u32,
}

/// Which device this is, for a person who looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Device {
    /// Name of its image.
    #[n(0)]
    pub image: String,
    /// Version of the image.
    #[n(1)]
    pub version: String,
    /// Board that the image was built for.
    #[n(2)]
    pub board: String,
    /// True for the development profile.
    #[n(3)]
    pub development: bool,
    /// Its IPv4 address, while it has one.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub address: Option<[u8; 4]>,
}

/// One app as its manager sees it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AppStatus {
    /// Component id.
    #[n(0)]
    pub app: String,
    /// Version for people.
    #[n(1)]
    pub version: String,
    /// What it is doing.
    #[n(2)]
    pub state: AppState,
    /// How often it was started again since boot.
    #[n(3)]
    pub restarts: u32,
    /// Memory charged to its cgroup, in KiB; 0 when not running.
    #[n(4)]
    pub memory_kib: u32,
    /// Milliseconds in this state.
    #[n(5)]
    pub since_ms: u64,
    /// How the last run ended, in words, if one did.
    #[n(6)]
    pub last_end: Option<String>,
}

/// What an app is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum AppState {
    /// Running.
    #[n(0)]
    Running,
    /// Waiting for its backoff to pass.
    #[n(1)]
    Backoff,
    /// Asked to stop, not gone yet.
    #[n(2)]
    Stopping,
    /// Stopped on request.
    #[n(3)]
    Stopped,
    /// Ended, and its restart policy does not start it again.
    #[n(4)]
    Done,
    /// Ended too often within its limit; stays down.
    #[n(5)]
    Failed,
    /// Its package was refused.
    #[n(6)]
    Refused,
    /// To be started as soon as the device has its network.
    #[n(7)]
    Waiting,
}
