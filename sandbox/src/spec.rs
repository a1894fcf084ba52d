//! What a launch is planned from.

use nacre_manifest::component::ComponentId;

/// All that the launcher needs to know about one start of an app. Paths are those of the OS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchSpec {
    /// Which app; its host name is the last label.
    pub app: ComponentId,
    /// Program and arguments. The first is a path under `/app/` in the app's image.
    pub argv: Vec<String>,
    /// The app's uid and gid outside its user namespace.
    pub uid: u32,
    /// Where the app's image is mounted.
    pub root: String,
    /// Folder with the app's own data, if it may keep any.
    pub data: Option<String>,
    /// Folder with the device nodes that every app gets.
    pub dev: String,
    /// appmgr's socket.
    pub socket: String,
    /// Size of `/tmp` in bytes; 0 is none.
    pub tmp_bytes: u64,
    /// `RLIMIT_NOFILE`.
    pub open_files: u32,
    /// The seccomp filter: an array of `struct sock_filter`, 8 bytes each, little-endian.
    pub filter: Vec<u8>,
    /// Names of the layers that are off. Only a launcher that was built to honour it accepts any.
    pub layers_off: Vec<String>,
    /// Network of an app that has one. Without it the app has a new, empty network namespace.
    pub network: Option<NetworkSpec>,
    /// Whether it may have memory that is writable and executable.
    pub writable_executable: bool,
}

/// The network of an app: its namespace is handed over with the plan ([`crate::carry_out`]), and is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    /// TCP ports that it may bind (Landlock).
    pub bind: Vec<u16>,
    /// TCP ports that it may connect to (Landlock; which machine is up to the packet filter).
    pub connect: Vec<u16>,
}
