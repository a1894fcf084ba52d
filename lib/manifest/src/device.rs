//! What the device reads: the validated manifest and the image's description, in deterministic CBOR.
//!
//! Maps have integer keys in ascending order, so one value has one encoding; [`decode`] refuses any
//! other (RFC 8949, section 4.2.1).

use std::fmt;

use minicbor::{Decode, Encode};

use crate::component::ComponentId;
pub use crate::hardware::{BoardDevices, DeviceKind, Devices, GpioLine, SimulatedChip, Uart};

/// An app's manifest after validation: what the sandbox and the app manager enforce.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Manifest {
    /// Reverse-DNS name of the component.
    #[n(0)]
    pub app: ComponentId,
    /// Version for people.
    #[n(1)]
    pub version: String,
    /// Version for machines: an older one never replaces a newer one.
    #[n(2)]
    pub rollback_index: u64,
    /// Program and arguments; the first is an absolute path in the app's image.
    #[n(3)]
    pub run: Vec<String>,
    /// Whether a boot without this app counts as failed.
    #[n(4)]
    pub critical: bool,
    /// When and how fast the app is started again.
    #[n(5)]
    pub restart: Restart,
    /// What the app may use up.
    #[n(6)]
    pub limits: Limits,
    /// Bytes of persistent storage under `/data`; 0 is none.
    #[n(7)]
    pub data_bytes: u64,
    /// What the app may ask the OS.
    #[n(8)]
    pub system: Vec<SystemGrant>,
    /// The apps it may exchange messages with, if they say so too.
    #[n(9)]
    pub peers: Vec<ComponentId>,
    /// What it may reach in the network and where it may be reached; without it, it has none at all.
    #[n(10)]
    pub network: Option<Network>,
    /// How it shows that it is well; without it, only its end is noticed.
    #[n(11)]
    pub health: Option<Health>,
    /// The board's devices that it is given, each to it alone.
    #[n(12)]
    pub devices: Devices,
    /// What it may ask to be told.
    #[n(13)]
    pub events: Vec<EventKind>,
    /// Whether it may have memory that is writable and executable. The filter in its package is made so.
    #[n(14)]
    pub writable_executable: bool,
}

impl Manifest {
    /// Files and folders that it may have in its storage: some at least, and one more for each 4 KiB. Without a
    /// bound, empty files fill the filesystem's table of inodes.
    pub const fn data_inodes(&self) -> u64 {
        if self.data_bytes == 0 { 0 } else { LEAST_INODES.saturating_add(self.data_bytes / 4096) }
    }
}

/// What [`Manifest::data_inodes`] allows at the least.
const LEAST_INODES: u64 = 16;

/// How an app shows that it is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Health {
    /// Longest time between two heartbeats, and from its start to the first, in milliseconds.
    #[n(0)]
    pub heartbeat_ms: u32,
}

/// Something that an app may ask to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum EventKind {
    /// It is about to be stopped, mostly because the device goes down.
    #[n(0)]
    Shutdown,
}

/// What an app may reach, and where it may be reached. Both lists are sorted and without doubles.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Network {
    /// Where it may connect or send to.
    #[n(0)]
    pub connect: Vec<Remote>,
    /// The device's ports that lead to the same port of the app.
    #[n(1)]
    pub listen: Vec<Port>,
}

impl Network {
    /// Whether it has names in it that must be resolved.
    pub fn has_names(&self) -> bool {
        self.connect.iter().any(|remote| matches!(remote.host, Host::Name(_)))
    }
}

/// A port of another machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct Remote {
    /// Which machine.
    #[n(0)]
    pub host: Host,
    /// Which port of it.
    #[n(1)]
    pub port: Port,
}

/// Another machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Host {
    /// By its IPv4 address.
    #[n(0)]
    Address(#[cbor(n(0), with = "minicbor::bytes")] [u8; 4]),
    /// By its name in the DNS, in lower case, without the dot at the end.
    #[n(1)]
    Name(#[n(0)] String),
}

/// A port of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(map)]
pub struct Port {
    /// TCP or UDP.
    #[n(0)]
    pub protocol: Protocol,
    /// 1 to 65535.
    #[n(1)]
    pub number: u16,
}

/// What a port belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Protocol {
    /// RFC 9293.
    #[n(0)]
    Tcp,
    /// RFC 768.
    #[n(1)]
    Udp,
}

impl fmt::Display for Remote {
    /// As a manifest writes it: `tcp:api.example.com:443`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.port.protocol, self.host, self.port.number)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address([a, b, c, d]) => write!(f, "{a}.{b}.{c}.{d}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Port {
    /// As a manifest writes it: `tcp:8080`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.protocol, self.number)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// When and how fast an app is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Restart {
    /// After which ends it is started again.
    #[n(0)]
    pub policy: RestartPolicy,
    /// First pause, in milliseconds; doubles with every restart in the window.
    #[n(1)]
    pub backoff_min_ms: u32,
    /// Longest pause, in milliseconds.
    #[n(2)]
    pub backoff_max_ms: u32,
    /// Restarts within the window after which the app stays down.
    #[n(3)]
    pub limit_count: u32,
    /// The window, in milliseconds.
    #[n(4)]
    pub limit_window_ms: u32,
}

/// After which ends an app is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RestartPolicy {
    /// Whatever the end.
    #[n(0)]
    Always,
    /// After a signal or an exit code other than 0.
    #[n(1)]
    OnFailure,
    /// Not at all.
    #[n(2)]
    Never,
}

/// What an app may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Limits {
    /// `memory.max` of its cgroup, in bytes.
    #[n(0)]
    pub memory_bytes: u64,
    /// `pids.max` of its cgroup: processes and threads.
    #[n(1)]
    pub tasks: u32,
    /// `cpu.max` of its cgroup, in thousandths of one CPU.
    #[n(2)]
    pub cpu_permille: u32,
    /// `RLIMIT_NOFILE`.
    #[n(3)]
    pub open_files: u32,
    /// Size of its `/tmp`, in bytes.
    #[n(4)]
    pub tmp_bytes: u64,
}

/// Something an app may ask the OS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum SystemGrant {
    /// CPU time, memory and uptime of the device.
    #[n(0)]
    Stats,
    /// State and restarts of every app.
    #[n(1)]
    AppsStatus,
}

/// `/etc/nacre/image.cbor`: what the running OS knows of its own image. It is authentic because the
/// root filesystem is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ImageInfo {
    /// Name of the image.
    #[n(0)]
    pub image: String,
    /// Version for people.
    #[n(1)]
    pub version: String,
    /// Board that it was built for.
    #[n(2)]
    pub board: String,
    /// True for the development profile: verbose console.
    #[n(3)]
    pub development: bool,
    /// True if the keys are a development set, which everybody may hold.
    #[n(4)]
    pub development_keys: bool,
    /// Public halves of the keys that may sign app packages (32 bytes each).
    #[n(5)]
    pub app_keys: Vec<PublicKey>,
    /// Apps without which a boot has failed, with their smallest rollback index.
    #[n(6)]
    pub critical: Vec<CriticalApp>,
    /// Sandbox layers that are off. Empty in every image but those of the sandbox's own tests; the
    /// shipped launcher has no code to honour it.
    #[n(7)]
    pub layers_off: Vec<String>,
    /// Names of time servers (SNTP), asked beside those that the network offers.
    #[n(8)]
    pub time_servers: Vec<String>,
    /// The devices that the board has for apps.
    #[n(9)]
    pub devices: BoardDevices,
    /// Whether its kernel has what the board's leaves out. False in every image but those of the sandbox's own tests.
    #[n(10)]
    pub control_kernel: bool,
    /// Sandbox layers that are off for single apps, besides [`ImageInfo::layers_off`]; for tests as well.
    #[n(11)]
    pub layers_off_of: Vec<AppLayers>,
    /// Public halves of the keys that may sign device capabilities.
    #[n(12)]
    pub capability_keys: Vec<PublicKey>,
}

impl ImageInfo {
    /// The layers that are off for an app.
    pub fn layers_off_for(&self, app: &ComponentId) -> Vec<String> {
        let own = self.layers_off_of.iter().filter(|of| of.app == *app).flat_map(|of| &of.layers);
        self.layers_off.iter().chain(own).cloned().collect()
    }

    /// All layers that are off, those of one app with its name: `seccomp`, `seccomp of org.nacre.probe`.
    pub fn all_layers_off(&self) -> Vec<String> {
        let of_one = |of: &AppLayers| {
            let texts = of.layers.iter().map(|layer| format!("{layer} of {}", of.app));
            texts.collect::<Vec<_>>()
        };
        self.layers_off.iter().cloned().chain(self.layers_off_of.iter().flat_map(of_one)).collect()
    }
}

/// Sandbox layers that are off for one app.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AppLayers {
    /// Its component id.
    #[n(0)]
    pub app: ComponentId,
    /// Names out of [`LAYERS`].
    #[n(1)]
    pub layers: Vec<String>,
}

/// Names that [`ImageInfo::layers_off`] may hold: the sandbox's layers, and `all`.
pub const LAYERS: [&str; 15] = [
    "all",
    "namespaces",
    "pivot",
    "uid",
    "user-namespace",
    "capabilities",
    "no-new-privs",
    "landlock",
    "rlimits",
    "descriptors",
    "seccomp",
    "memory",
    "packet-filter",
    "cgroup",
    "quota",
];

/// An Ed25519 public key, 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct PublicKey(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// An app without which a boot has failed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CriticalApp {
    /// Its component id.
    #[n(0)]
    pub app: ComponentId,
    /// The smallest rollback index that is good enough.
    #[n(1)]
    pub min_rollback_index: u64,
}

/// Why bytes are not the one encoding of a value.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not CBOR of this shape.
    #[error("not the expected CBOR")]
    Shape(#[from] minicbor::decode::Error),
    /// CBOR of this shape, but not in the deterministic encoding.
    #[error("not in the deterministic encoding")]
    NotDeterministic,
}

/// Encodes a value in its one form.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    match minicbor::encode(value, &mut out) {
        Ok(()) => out,
        // Writing into a Vec cannot fail: its error type is uninhabited in practice.
        Err(_) => Vec::new(),
    }
}

/// Decodes a value and refuses every encoding but the one that [`encode`] makes.
pub fn decode<'b, T: Decode<'b, ()> + Encode<()>>(bytes: &'b [u8]) -> Result<T, DecodeError> {
    let value: T = minicbor::decode(bytes)?;
    if encode(&value) == bytes { Ok(value) } else { Err(DecodeError::NotDeterministic) }
}

/// Decodes what the OS has for itself: a packet between two of its programs, a file of the verified root filesystem. In
/// which form it is, nobody else could choose, so that only bytes behind it are refused; [`decode`] is for all that comes
/// from further away.
pub fn decode_own<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, DecodeError> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode()?;
    if decoder.position() == bytes.len() { Ok(value) } else { Err(DecodeError::NotDeterministic) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restart() -> Restart {
        Restart {
            policy: RestartPolicy::OnFailure,
            backoff_min_ms: 1_000,
            backoff_max_ms: 60_000,
            limit_count: 5,
            limit_window_ms: 600_000,
        }
    }

    #[test]
    fn value_encoded_is_decoded_to_itself() {
        let bytes = encode(&restart());
        assert_eq!(bytes[0], 0xa5, "a map of five");
        assert_eq!(decode::<Restart>(&bytes).expect("decodes"), restart());
    }

    #[test]
    fn value_in_another_encoding_is_refused() {
        let good = encode(&restart());
        // Key 0 in two bytes instead of one.
        let mut long_key = good.clone();
        long_key.splice(1..2, [0x18, 0x00]);
        // A map of indefinite length.
        let mut indefinite = good.clone();
        indefinite[0] = 0xbf;
        indefinite.push(0xff);
        // A sixth entry, which the type does not know.
        let mut unknown = good.clone();
        unknown[0] = 0xa6;
        unknown.extend([0x18, 0x63, 0x00]);
        let trailing = [good.as_slice(), &[0x00]].concat();
        for bytes in [long_key, indefinite, unknown, trailing] {
            assert!(matches!(decode::<Restart>(&bytes), Err(DecodeError::NotDeterministic)), "{bytes:02x?}");
        }
        for cut in 0..good.len() {
            assert!(matches!(decode::<Restart>(&good[..cut]), Err(DecodeError::Shape(_))), "{cut}");
        }
    }

    #[test]
    fn manifest_with_a_bad_component_id_is_refused() {
        let mut bytes = encode(&"org.nacre.x".parse::<ComponentId>().expect("an id"));
        assert!(decode::<ComponentId>(&bytes).is_ok());
        bytes[1] = b'/';
        assert!(matches!(decode::<ComponentId>(&bytes), Err(DecodeError::Shape(_))));
    }
}
