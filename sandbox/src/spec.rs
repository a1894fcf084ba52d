//! What appmgr tells the launcher.

use minicbor::{Decode, Encode};
use nacre_manifest::component::ComponentId;
use nacre_manifest::device;

/// Longest encoding, in bytes: a filter of the kernel's greatest length (32 KiB), and arguments.
pub const MAX_SPEC_BYTES: usize = 64 * 1024;

/// All that the launcher needs to know about one start of an app. Paths are those of the OS.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LaunchSpec {
    /// Which app; its host name is the last label.
    #[n(0)]
    pub app: ComponentId,
    /// Program and arguments. The first is a path under `/app/` in the app's image.
    #[n(1)]
    pub argv: Vec<String>,
    /// The app's uid and gid outside its user namespace.
    #[n(2)]
    pub uid: u32,
    /// Where the app's image is mounted.
    #[n(3)]
    pub root: String,
    /// Folder with the app's own data, if it may keep any.
    #[n(4)]
    pub data: Option<String>,
    /// Folder with the device nodes that every app gets.
    #[n(5)]
    pub dev: String,
    /// appmgr's socket.
    #[n(6)]
    pub socket: String,
    /// Size of `/tmp` in bytes; 0 is none.
    #[n(7)]
    pub tmp_bytes: u64,
    /// `RLIMIT_NOFILE`.
    #[n(8)]
    pub open_files: u32,
    /// The seccomp filter: an array of `struct sock_filter`, 8 bytes each, little-endian.
    #[cbor(n(9), with = "minicbor::bytes")]
    pub filter: Vec<u8>,
    /// Names of the layers that are off. Only a launcher that was built to honour it accepts any.
    #[n(10)]
    pub layers_off: Vec<String>,
    /// Network of an app that has one. Without it the app has a new, empty network namespace.
    #[n(11)]
    pub network: Option<NetworkSpec>,
    /// Whether it may have memory that is writable and executable.
    #[n(12)]
    pub writable_executable: bool,
}

/// The network of an app: its namespace comes on descriptor [`crate::NETWORK_FD`], and is entered.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct NetworkSpec {
    /// TCP ports that it may bind (Landlock).
    #[n(0)]
    pub bind: Vec<u16>,
    /// TCP ports that it may connect to (Landlock; which machine is up to the packet filter).
    #[n(1)]
    pub connect: Vec<u16>,
}

/// Why bytes are no [`LaunchSpec`].
#[derive(Debug, thiserror::Error)]
pub enum DecodeSpecError {
    /// Longer than [`MAX_SPEC_BYTES`].
    #[error("decode the launch description: longer than {MAX_SPEC_BYTES} bytes")]
    TooLong,
    /// Not its one encoding.
    #[error("decode the launch description")]
    Decode(#[from] device::DecodeError),
}

impl LaunchSpec {
    /// Its one encoding: deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        device::encode(self)
    }

    /// Decodes what [`Self::encode`] made.
    ///
    /// # Errors
    ///
    /// [`DecodeSpecError`] if it is too long or no such description.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeSpecError> {
        if bytes.len() > MAX_SPEC_BYTES {
            return Err(DecodeSpecError::TooLong);
        }
        Ok(device::decode_own(bytes)?)
    }
}
