//! The steps of a launch, each with its subject. Their text is what plans and errors show.

use std::fmt;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Keep the OS's `/proc` reachable, for what must be written there after the pivot.
    HoldProc,
    /// Leave the OS's namespaces.
    Unshare(Vec<Namespace>),
    /// Enter the network namespace that was made for the app.
    JoinNetwork,
    /// Cut the mount namespace off from the OS's: nothing mounted here is seen there, or the reverse.
    PrivateMounts,
    /// Mount something.
    Mount(Mount),
    /// Go to the folder that becomes the root. What is mounted from here on has its place named from there.
    Enter(String),
    /// Make that folder the root and let go of the old one.
    Pivot,
    /// Name the machine.
    Hostname(String),
    /// How willingly the kernel kills it when memory runs out: -1000 to 1000.
    OomScore(i32),
    /// Change to the app's uid and gid, with no other group.
    Identity(u32),
    /// Enter a user namespace in which only this uid exists.
    UserNamespace {
        /// The uid and gid inside.
        inside: u32,
        /// The same outside.
        outside: u32,
    },
    /// Allow no user namespace inside the app's own.
    NoUserNamespaces,
    /// Lock the secure bits.
    SecureBits,
    /// Empty the bounding set.
    DropBounding,
    /// Drop every capability from every set.
    DropCapabilities,
    /// Set `no_new_privs`.
    NoNewPrivs,
    /// Allow these accesses to files, TCP with these ports only, and no signals or abstract sockets across the
    /// border.
    Landlock {
        /// Folders.
        files: Vec<FileRule>,
        /// TCP ports.
        ports: Vec<PortRule>,
    },
    /// Set the rlimits.
    Rlimits {
        /// `RLIMIT_NOFILE`.
        open_files: u32,
    },
    /// Look whether the kernel agrees about what was dropped.
    Check {
        /// What it must say.
        expected: Vec<Expected>,
    },
    /// Let nothing that could be written become executable.
    DenyWriteExecute,
    /// Leave the OS's `/proc` open to the app: what a launcher does that forgets to close.
    #[cfg(feature = "layer-switches")]
    LeaveProc,
    /// Close everything but the standard streams when the app is executed.
    CloseDescriptors,
    /// Load the filter.
    Filter {
        /// How long it is.
        instructions: usize,
    },
    /// Hand the filter's listener over to appmgr.
    HandOver,
    /// What only a host does.
    #[cfg(feature = "host")]
    Host(crate::host::HostStep),
    /// Execute the app.
    Execute(String),
}

/// What the kernel must say about the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// No capability in any set.
    NoCapabilities,
    /// `no_new_privs` is set.
    NoNewPrivs,
}

/// A namespace to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// Mount points.
    Mount,
    /// Network interfaces and ports.
    Network,
    /// Message queues.
    Ipc,
    /// Host name.
    Uts,
    /// Where the cgroup tree begins.
    Cgroup,
}

/// Something to mount, with its place: a path in the OS's tree, or one from the folder that was entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What.
    pub source: Source,
    /// Where.
    pub target: String,
    /// Whether it can be written.
    pub write: Write,
    /// Whether device nodes work on it. Set-uid never does.
    pub devices: Devices,
    /// Whether programs on it can be executed.
    pub execute: Execute,
}

/// What to mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder of the OS.
    Folder(String),
    /// A file or socket of the OS.
    File(String),
    /// The processes of this PID namespace, those that one may trace only.
    Proc,
    /// Memory, owned by a uid.
    Tmpfs {
        /// Greatest size.
        bytes: u64,
        /// The owner.
        uid: u32,
    },
}

/// Whether a mount can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// It can.
    Allowed,
    /// It cannot.
    Denied,
}

/// Whether device nodes work on a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices {
    /// They do.
    Allowed,
    /// They do not.
    Denied,
}

/// Whether programs on a mount can be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execute {
    /// They can.
    Allowed,
    /// They cannot.
    Denied,
}

/// Accesses to a folder and all beneath it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRule {
    /// The folder, as the app sees it.
    pub path: String,
    /// What is allowed.
    pub access: Access,
}

/// A TCP port that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRule {
    /// Its number.
    pub port: u16,
    /// For what.
    pub usage: Usage,
}

/// What is allowed with a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Binding a socket to it, in order to listen.
    Bind,
    /// Connecting a socket to it, on whatever machine.
    Connect,
}

/// What is allowed on files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read files and list folders.
    Read,
    /// Execute.
    Execute,
    /// Read, write, make and remove files and folders, but execute nothing and make no device nodes.
    Change,
    /// Write to what is there.
    Write,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HoldProc => f.write_str("hold /proc of the OS"),
            Self::Unshare(namespaces) => {
                f.write_str("unshare")?;
                namespaces.iter().try_for_each(|namespace| write!(f, " {}", namespace.name()))
            }
            Self::JoinNetwork => f.write_str("join the app's network namespace"),
            Self::PrivateMounts => f.write_str("make mounts private"),
            Self::Mount(mount) => mount.fmt(f),
            Self::Enter(root) => write!(f, "enter {root}"),
            Self::Pivot => f.write_str("pivot to it"),
            Self::Hostname(name) => write!(f, "set host name {name}"),
            Self::OomScore(score) => write!(f, "set OOM score {score}"),
            Self::Identity(id) => write!(f, "become uid {id} gid {id}, no groups"),
            Self::UserNamespace { inside, outside } => {
                write!(f, "enter user namespace, uid {inside} inside is {outside} outside")
            }
            Self::NoUserNamespaces => f.write_str("allow no further user namespace"),
            Self::SecureBits => f.write_str("lock secure bits"),
            Self::DropBounding => f.write_str("empty the bounding set"),
            Self::DropCapabilities => f.write_str("drop all capabilities"),
            Self::NoNewPrivs => f.write_str("set no_new_privs"),
            Self::Landlock { files, ports } => {
                f.write_str("restrict with landlock:")?;
                files.iter().try_for_each(|rule| write!(f, " {} {},", rule.access.name(), rule.path))?;
                ports.iter().try_for_each(|rule| write!(f, " {} tcp {},", rule.usage.name(), rule.port))?;
                let other = if ports.is_empty() { "" } else { "other " };
                write!(f, " no {other}tcp, no signals or abstract sockets outwards")
            }
            Self::Rlimits { open_files } => write!(f, "set rlimits, {open_files} open files"),
            Self::Check { expected } => {
                f.write_str("check")?;
                expected.iter().try_for_each(|expected| write!(f, " {},", expected.name()))?;
                f.write_str(" as the kernel says")
            }
            Self::DenyWriteExecute => f.write_str("deny writable memory that is executable"),
            #[cfg(feature = "layer-switches")]
            Self::LeaveProc => f.write_str("leave /proc of the OS open"),
            Self::CloseDescriptors => f.write_str("close descriptors from 3"),
            Self::Filter { instructions } => write!(f, "load filter of {instructions} instructions"),
            Self::HandOver => f.write_str("hand the filter's listener over"),
            #[cfg(feature = "host")]
            Self::Host(step) => step.fmt(f),
            Self::Execute(program) => write!(f, "execute {program}"),
        }
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Folder(path) | Source::File(path) => write!(f, "mount {path}")?,
            Source::Proc => f.write_str("mount proc")?,
            Source::Tmpfs { bytes, uid } => write!(f, "mount tmpfs of {bytes} bytes for uid {uid}")?,
        }
        write!(f, " on {} nosuid", self.target)?;
        if self.write == Write::Denied {
            f.write_str(",ro")?;
        }
        if self.devices == Devices::Denied {
            f.write_str(",nodev")?;
        }
        if self.execute == Execute::Denied {
            f.write_str(",noexec")?;
        }
        Ok(())
    }
}

impl Namespace {
    const fn name(self) -> &'static str {
        match self {
            Self::Mount => "mount",
            Self::Network => "net",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Cgroup => "cgroup",
        }
    }
}

impl Expected {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoCapabilities => "no capabilities",
            Self::NoNewPrivs => "no_new_privs",
        }
    }
}

impl Usage {
    const fn name(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Connect => "connect to",
        }
    }
}

impl Access {
    const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Execute => "execute",
            Self::Change => "change",
            Self::Write => "write",
        }
    }
}
