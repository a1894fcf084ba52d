//! What will be done, decided without doing it.

use std::ffi::CString;
use std::fmt;

use crate::INSIDE_ID;
use crate::layer::{Layer, Layers, LayersError};
use crate::sealed::Program;
use crate::spec::LaunchSpec;
use crate::step::{
    Access, Devices, Execute, Expected, FileRule, Mount, Namespace, PortRule, Source, Step, Usage, Write,
};

/// Lowest uid of an app. Below are the OS's own.
const FIRST_APP_UID: u32 = 20_000;
/// An app goes before anything of the OS when the machine's memory runs out.
const OOM_SCORE: i32 = 500;
/// Length of one instruction of a filter.
const INSTRUCTION_BYTES: usize = 8;

/// The ordered steps of one launch. Its text has one step per line.
#[derive(Debug)]
pub struct Plan {
    /// Steps that need root.
    pub(crate) prepare: Vec<Step>,
    /// Steps that take away.
    pub(crate) seal: Vec<Step>,
    /// What comes last.
    pub(crate) program: Program,
}

/// Why there is no plan for a [`LaunchSpec`].
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The first argument is the program.
    #[error("plan the launch of {0}: no program is named")]
    NoProgram(String),
    /// Landlock lets nothing else be executed.
    #[error("plan the launch of {app}: the program `{program}` is not under /app/")]
    ProgramOutsideImage {
        /// Which app.
        app: String,
        /// What it names.
        program: String,
    },
    /// Such a text ends at this character for the kernel.
    #[error("plan the launch of {0}: an argument contains a zero byte")]
    ZeroByte(String),
    /// It would be one of the OS's own.
    #[error("plan the launch of {app}: uid {uid} is below {FIRST_APP_UID}")]
    Uid {
        /// Which app.
        app: String,
        /// Its uid.
        uid: u32,
    },
    /// A path that is not absolute depends on where the launcher runs.
    #[error("plan the launch of {app}: path `{path}` is not absolute")]
    RelativePath {
        /// Which app.
        app: String,
        /// The path.
        path: String,
    },
    /// An empty filter would allow everything.
    #[error("plan the launch of {app}: a filter of {bytes} bytes is none")]
    Filter {
        /// Which app.
        app: String,
        /// Length of the filter.
        bytes: usize,
    },
    /// Layers are to be off that cannot be.
    #[error("plan the launch of {app}")]
    Layers {
        /// Which app.
        app: String,
        /// Why.
        #[source]
        cause: LayersError,
    },
}

impl Plan {
    /// Makes the plan for a launch.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if the description makes no sense or asks for less than this launcher enforces.
    pub fn new(spec: &LaunchSpec) -> Result<Self, PlanError> {
        if spec.uid < FIRST_APP_UID {
            return Err(PlanError::Uid { app: spec.app.as_str().to_owned(), uid: spec.uid });
        }
        Self::for_any_uid(spec)
    }

    /// The same for whatever uid the app is to have.
    pub(crate) fn for_any_uid(spec: &LaunchSpec) -> Result<Self, PlanError> {
        let app = || spec.app.as_str().to_owned();
        let layers =
            Layers::new(&spec.layers_off).map_err(|cause| PlanError::Layers { app: app(), cause })?;
        let program = spec.argv.first().ok_or_else(|| PlanError::NoProgram(app()))?;
        if !program.starts_with("/app/") || program.split('/').any(|part| part == "..") {
            return Err(PlanError::ProgramOutsideImage { app: app(), program: program.clone() });
        }
        for path in [&spec.root, &spec.dev, &spec.socket].into_iter().chain(&spec.data) {
            if !path.starts_with('/') {
                return Err(PlanError::RelativePath { app: app(), path: path.clone() });
            }
        }
        let (filter, rest) = spec.filter.as_chunks::<INSTRUCTION_BYTES>();
        if filter.is_empty() || !rest.is_empty() {
            return Err(PlanError::Filter { app: app(), bytes: spec.filter.len() });
        }
        let text = |text: &str| CString::new(text).map_err(|_| PlanError::ZeroByte(app()));
        let path = if layers.has(Layer::Pivot) { program.clone() } else { format!("{}{program}", spec.root) };
        let program = Program {
            path: text(&path)?,
            argv: spec.argv.iter().map(|argument| text(argument)).collect::<Result<_, _>>()?,
            env: vec![
                text("HOME=/data")?,
                text("PATH=/app/bin")?,
                text("TMPDIR=/tmp")?,
                text(&format!("NACRE_APP={}", spec.app))?,
            ],
            filter: if layers.has(Layer::Seccomp) { filter.to_vec() } else { Vec::new() },
        };
        Ok(Self {
            prepare: prepare_steps(spec, &layers),
            seal: seal_steps(spec, &layers, filter.len()),
            program,
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.prepare.iter().chain(&self.seal).try_for_each(|step| writeln!(f, "{step}"))?;
        writeln!(f, "{}", self.program.step())
    }
}

fn prepare_steps(spec: &LaunchSpec, layers: &Layers) -> Vec<Step> {
    let mut steps = vec![Step::HoldProc];
    let mut namespaces = Vec::new();
    if layers.has(Layer::Pivot) {
        namespaces.push(Namespace::Mount);
    }
    if layers.has(Layer::Namespaces) {
        if spec.network.is_none() {
            namespaces.push(Namespace::Network);
        }
        namespaces.extend([Namespace::Ipc, Namespace::Uts, Namespace::Cgroup]);
    }
    if !namespaces.is_empty() {
        steps.push(Step::Unshare(namespaces));
    }
    if layers.has(Layer::Namespaces) && spec.network.is_some() {
        steps.push(Step::JoinNetwork);
    }
    if layers.has(Layer::Pivot) {
        steps.push(Step::PrivateMounts);
        steps.extend([Step::Mount(image(spec)), Step::Enter(spec.root.clone())]);
        steps.extend(mounts(spec).into_iter().map(Step::Mount));
        steps.push(Step::Pivot);
    }
    if layers.has(Layer::Namespaces) {
        steps.push(Step::Hostname(spec.app.short().to_owned()));
    }
    if layers.has(Layer::Rlimits) {
        steps.push(Step::OomScore(OOM_SCORE));
    }
    if layers.has(Layer::Capabilities) && !layers.has(Layer::UserNamespace) {
        // A new user namespace would undo both; without one there is no right to do them after the uid.
        steps.extend([Step::SecureBits, Step::DropBounding]);
    }
    if layers.has(Layer::Uid) {
        steps.push(Step::Identity(spec.uid));
    }
    if layers.has(Layer::UserNamespace) {
        let outside = if layers.has(Layer::Uid) { spec.uid } else { 0 };
        steps.push(Step::UserNamespace { inside: INSIDE_ID, outside });
        steps.push(Step::NoUserNamespaces);
    }
    steps
}

/// Its image, on which the others lie.
fn image(spec: &LaunchSpec) -> Mount {
    Mount {
        source: Source::Folder(spec.root.clone()),
        target: spec.root.clone(),
        write: Write::Denied,
        devices: Devices::Denied,
        execute: Execute::Allowed,
    }
}

/// What the app finds in its tree beside its image. Their places are named from its root: the kernel takes a path over
/// a few bytes at a time.
fn mounts(spec: &LaunchSpec) -> Vec<Mount> {
    let base = Mount {
        source: Source::Proc,
        target: "proc".to_owned(),
        write: Write::Denied,
        devices: Devices::Denied,
        execute: Execute::Denied,
    };
    let mut mounts = vec![
        base.clone(),
        Mount {
            source: Source::Folder(spec.dev.clone()),
            target: "dev".to_owned(),
            devices: Devices::Allowed,
            ..base.clone()
        },
        Mount { source: Source::File(spec.socket.clone()), target: "run/nacre".to_owned(), ..base.clone() },
    ];
    if spec.tmp_bytes > 0 {
        let source = Source::Tmpfs { bytes: spec.tmp_bytes, uid: spec.uid };
        mounts.push(Mount { source, target: "tmp".to_owned(), write: Write::Allowed, ..base.clone() });
    }
    if let Some(data) = &spec.data {
        let source = Source::Folder(data.clone());
        mounts.push(Mount { source, target: "data".to_owned(), write: Write::Allowed, ..base });
    }
    mounts
}

fn seal_steps(spec: &LaunchSpec, layers: &Layers, instructions: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut expected = Vec::new();
    if layers.has(Layer::Capabilities) {
        if layers.has(Layer::UserNamespace) {
            steps.extend([Step::SecureBits, Step::DropBounding]);
        }
        if layers.has(Layer::NoNewPrivs) {
            steps.push(Step::DropCapabilities);
            expected.push(Expected::NoCapabilities);
        }
        // Without it the kernel takes a filter and a Landlock domain only from who has capabilities; execve takes
        // them, as the app's uid is not 0 and the bounding set is empty.
    }
    if layers.has(Layer::NoNewPrivs) {
        steps.push(Step::NoNewPrivs);
        expected.push(Expected::NoNewPrivs);
    }
    if !expected.is_empty() {
        steps.push(Step::Check { expected });
    }
    if layers.has(Layer::Landlock) {
        steps.push(Step::Landlock { files: file_rules(spec, layers), ports: port_rules(spec) });
    }
    if layers.has(Layer::Memory) && !spec.writable_executable {
        steps.push(Step::DenyWriteExecute);
    }
    if layers.has(Layer::Rlimits) {
        steps.push(Step::Rlimits { open_files: spec.open_files });
    }
    if layers.has(Layer::Descriptors) {
        steps.push(Step::CloseDescriptors);
    }
    #[cfg(feature = "layer-switches")]
    if !layers.has(Layer::Descriptors) {
        steps.push(Step::LeaveProc);
    }
    if layers.has(Layer::Seccomp) {
        steps.extend([Step::Filter { instructions }, Step::HandOver]);
    }
    steps
}

/// Accesses add up from the root down, so that what only some folders allow is not given at the root.
fn file_rules(spec: &LaunchSpec, layers: &Layers) -> Vec<FileRule> {
    // Without the pivot the app sees the OS's tree.
    let place = |inside: &str, outside: &str| {
        if layers.has(Layer::Pivot) { inside.to_owned() } else { outside.to_owned() }
    };
    let rule = |path, access| FileRule { path, access };
    let mut rules = vec![
        rule(place("/", &spec.root), Access::Read),
        rule(place("/app", &format!("{}/app", spec.root)), Access::Execute),
        rule(place("/dev", &spec.dev), Access::Write),
    ];
    if spec.tmp_bytes > 0 {
        rules.push(rule("/tmp".to_owned(), Access::Change));
    }
    if let Some(data) = &spec.data {
        rules.push(rule(place("/data", data), Access::Change));
    }
    rules
}

/// TCP ports. Without a network the app has nobody to connect to but itself, and not even that is allowed.
fn port_rules(spec: &LaunchSpec) -> Vec<PortRule> {
    let Some(network) = &spec.network else { return Vec::new() };
    let rule = |usage| move |port: &u16| PortRule { port: *port, usage };
    let bind = network.bind.iter().map(rule(Usage::Bind));
    bind.chain(network.connect.iter().map(rule(Usage::Connect))).collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
