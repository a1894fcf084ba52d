//! The same sandbox on a developer's own Linux. What differs is where things come from: there is no verified image to
//! mount, so the app's files are copied into memory; without root everything happens in a user namespace of the
//! caller's, in which the app has the caller's uid; an app with a network is in the host's. Layers that the host's kernel
//! lacks are left out here, and said so by whoever makes the plan.

use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::socket::{UnixAddr, bind};

use crate::plan::{Plan, PlanError};
use crate::spec::LaunchSpec;
use crate::step::{Devices, Execute, FileRule, Mount, Namespace, PortRule, Source, Step, Write};
use crate::{INSIDE_ID, access, user_namespace};

/// Devices that every app has.
const NODES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// Folders of an app's tree on which things are mounted.
const MOUNT_POINTS: [&str; 5] = ["data", "dev", "proc", "run", "tmp"];
/// Number of a descriptor in the process that becomes the app: a unix socket without a name, which gets that of the
/// OS's in the app's tree. It is the second of those that it is forked with, behind the manager's.
pub const SOCKET_FD: RawFd = 4;
/// Where an app finds the OS's socket.
const SOCKET: &str = "run/nacre";

/// What a host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Who starts the app.
    pub caller: Caller,
    /// Version of the kernel's Landlock interface; 0 is none.
    pub landlock: u32,
    /// Whether the kernel can deny memory that is writable and executable.
    pub memory: bool,
    /// The app's files.
    pub files: Vec<HostFile>,
    /// The most processes and threads that it may have, where no cgroup counts them.
    pub tasks: Option<u32>,
}

/// Who starts an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// root, with its capabilities.
    Root,
    /// Anybody, in a new user namespace of his.
    User,
}

/// A file of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFile {
    /// Absolute path in the app's tree.
    pub path: String,
    /// Whether it may be executed.
    pub program: bool,
    /// What it holds.
    pub content: Content,
}

/// Where a file's content comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file of the host.
    File(String),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// A step that only a host takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostStep {
    /// Map the caller's uid into the user namespace that the process began in.
    MapUser(u32),
    /// Make the app's tree in the folder that was entered.
    Tree(Vec<HostFile>),
    /// Let nothing in the tree be written any more.
    ReadOnly,
    /// Landlock as far as the kernel has it.
    Landlock {
        /// Version of its interface.
        abi: u32,
        /// Folders.
        files: Vec<FileRule>,
        /// TCP ports.
        ports: Vec<PortRule>,
    },
    /// End with the process that started this one.
    EndWithStarter,
    /// Have at most so many processes and threads (`RLIMIT_NPROC`, counted in the app's user namespace).
    Tasks(u32),
}

impl Plan {
    /// Makes the plan for a launch on a host. Of the description `root` is an empty folder to mount on; `dev` and
    /// `socket` are not used; `network` says that the app has the host's.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if the description makes no sense.
    pub fn on_host(spec: &LaunchSpec, host: &Host) -> Result<Self, PlanError> {
        let mut plan = match host.caller {
            Caller::Root => Self::new(spec)?,
            Caller::User => Self::for_any_uid(spec)?,
        };
        let last = [Namespace::Ipc, Namespace::Uts, Namespace::Cgroup];
        let network = spec.network.is_none().then_some(Namespace::Network);
        let namespaces: Vec<Namespace> = [Namespace::Mount].into_iter().chain(network).chain(last).collect();
        let mut steps = vec![Step::HoldProc];
        if host.caller == Caller::User {
            steps.push(Step::Host(HostStep::MapUser(spec.uid)));
        }
        steps.extend([Step::Unshare(namespaces), Step::PrivateMounts, Step::Mount(tree(spec, host))]);
        steps.push(Step::Enter(spec.root.clone()));
        steps.push(Step::Host(HostStep::Tree(host.files.clone())));
        steps.extend(NODES.iter().map(|name| Step::Mount(node(name))));
        let own = [&spec.root, &spec.dev, &spec.socket];
        // What is mounted in every app's tree, but for its image, and what stands for the two that the tree has here.
        let device = std::mem::take(&mut plan.prepare);
        let rest = device.into_iter().skip_while(|step| !matches!(step, Step::Enter(_))).skip(1);
        for step in rest {
            match step {
                Step::Mount(Mount { source: Source::Folder(from) | Source::File(from), .. })
                    if own.contains(&&from) => {}
                Step::Mount(Mount { source: Source::Tmpfs { bytes, .. }, target, .. }) => {
                    steps.push(Step::Mount(tmpfs(bytes, target, owner(spec, host), Execute::Denied)));
                }
                Step::Pivot => steps.extend([Step::Host(HostStep::ReadOnly), Step::Pivot]),
                Step::Identity(_) if host.caller == Caller::User => {}
                Step::UserNamespace { inside, .. } if host.caller == Caller::User => {
                    steps.push(Step::UserNamespace { inside, outside: INSIDE_ID });
                }
                step => steps.push(step),
            }
        }
        plan.prepare = steps;
        // Before this the change of uid would undo it (prctl(2), PR_SET_PDEATHSIG).
        let first = Step::Host(HostStep::EndWithStarter);
        let device = std::mem::take(&mut plan.seal).into_iter().flat_map(|step| seal(step, host));
        plan.seal = [first].into_iter().chain(device).collect();
        Ok(plan)
    }
}

/// The app's uid as the mounts see it.
fn owner(spec: &LaunchSpec, host: &Host) -> u32 {
    match host.caller {
        Caller::Root => spec.uid,
        Caller::User => INSIDE_ID,
    }
}

/// The filesystem of its files: as large as they are.
fn tree(spec: &LaunchSpec, host: &Host) -> Mount {
    let bytes = |file: &HostFile| match &file.content {
        Content::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        Content::File(path) => fs::metadata(path).map_or(0, |found| found.len()),
    };
    // Whole pages; and each file and folder costs about one.
    let files = host.files.iter().map(|file| bytes(file).saturating_add(2 * 4096));
    let bytes = files.fold(64 * 4096, u64::saturating_add);
    tmpfs(bytes, spec.root.clone(), owner(spec, host), Execute::Allowed)
}

fn tmpfs(bytes: u64, target: String, uid: u32, execute: Execute) -> Mount {
    let source = Source::Tmpfs { bytes, uid };
    Mount { source, target, write: Write::Allowed, devices: Devices::Denied, execute }
}

fn node(name: &str) -> Mount {
    Mount {
        source: Source::File(format!("/dev/{name}")),
        target: format!("dev/{name}"),
        write: Write::Denied,
        devices: Devices::Allowed,
        execute: Execute::Denied,
    }
}

fn seal(step: Step, host: &Host) -> Vec<Step> {
    match step {
        Step::Landlock { .. } if host.landlock == 0 => Vec::new(),
        Step::Landlock { files, ports } => {
            vec![Step::Host(HostStep::Landlock { abi: host.landlock, files, ports })]
        }
        Step::DenyWriteExecute if !host.memory => Vec::new(),
        Step::Rlimits { .. } => {
            let tasks = host.tasks.map(|tasks| Step::Host(HostStep::Tasks(tasks)));
            [step].into_iter().chain(tasks).collect()
        }
        step => vec![step],
    }
}

impl HostStep {
    pub(crate) fn prepare(&self, proc: &OwnedFd) -> Result<(), Box<dyn Error>> {
        match self {
            Self::MapUser(outside) => user_namespace::map(proc, INSIDE_ID, *outside),
            Self::Tree(files) => make_tree(files),
            Self::ReadOnly => {
                let none: Option<&str> = None;
                let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_RDONLY;
                Ok(mount(none, ".", none, flags | MsFlags::MS_BIND | MsFlags::MS_REMOUNT, none)?)
            }
            _ => Err("it does not belong to the preparation".into()),
        }
    }

    pub(crate) fn seal(&self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Landlock { abi, files, ports } => access::restrict_as_far(*abi, files, ports),
            Self::EndWithStarter => Ok(prctl::set_pdeathsig(Signal::SIGKILL)?),
            Self::Tasks(tasks) => {
                Ok(setrlimit(Resource::RLIMIT_NPROC, u64::from(*tasks), u64::from(*tasks))?)
            }
            _ => Err("it does not belong to the seal".into()),
        }
    }
}

/// Everything below the working directory, with exact modes whatever the umask.
fn make_tree(files: &[HostFile]) -> Result<(), Box<dyn Error>> {
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    let folder = |path: &Path| -> std::io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        fs::create_dir(path)?;
        mode(path, 0o755)
    };
    mode(Path::new("."), 0o755)?;
    MOUNT_POINTS.iter().try_for_each(|name| folder(Path::new(name)))?;
    for name in NODES {
        File::create_new(format!("dev/{name}"))?;
    }
    for file in files {
        let path = Path::new(file.path.trim_start_matches('/'));
        let above: Vec<&Path> = path.ancestors().skip(1).filter(|above| *above != Path::new("")).collect();
        above.into_iter().rev().try_for_each(folder)?;
        let named = |error: std::io::Error| format!("{}: {error}", file.path);
        let mut to = File::create_new(path).map_err(named)?;
        match &file.content {
            Content::Bytes(bytes) => to.write_all(bytes).map_err(named)?,
            Content::File(from) => {
                let copied = File::open(from).and_then(|mut from| std::io::copy(&mut from, &mut to));
                copied.map_err(|error| format!("{from}: {error}"))?;
            }
        }
        mode(path, if file.program { 0o755 } else { 0o644 })?;
    }
    bind(SOCKET_FD, &UnixAddr::new(SOCKET)?)?;
    Ok(mode(Path::new(SOCKET), 0o666)?)
}

impl fmt::Display for HostStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MapUser(outside) => {
                write!(f, "map uid {INSIDE_ID} of a user namespace to {outside} outside")
            }
            Self::Tree(files) => write!(f, "make the app's tree, {} files", files.len()),
            Self::ReadOnly => f.write_str("make it read-only"),
            Self::Landlock { abi, files, ports } => {
                write!(f, "with landlock {abi}: ")?;
                Step::Landlock { files: files.clone(), ports: ports.clone() }.fmt(f)
            }
            Self::EndWithStarter => f.write_str("end with who started it"),
            Self::Tasks(tasks) => write!(f, "set rlimits, {tasks} tasks"),
        }
    }
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
