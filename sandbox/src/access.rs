//! Landlock (Documentation/userspace-api/landlock.rst): files, TCP, signals and abstract sockets.

use std::error::Error;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

use crate::step::{Access, FileRule, PortRule, Usage};

/// What the device's kernel has (Linux 6.12). Less is an error.
const REQUIRED: ABI = ABI::V6;

/// Denies every access to files but those of `files`, every TCP bind and connect but with those of `ports`, and
/// signals and abstract unix sockets to processes outside.
pub(crate) fn restrict(files: &[FileRule], ports: &[PortRule]) -> Result<(), Box<dyn Error>> {
    restrict_with(REQUIRED, files, ports)
}

/// The same with what a host's kernel has of it. Rights that it doesn't know are left out, for who said so to whoever
/// starts the app.
#[cfg(feature = "host")]
pub(crate) fn restrict_as_far(
    abi: u32,
    files: &[FileRule],
    ports: &[PortRule],
) -> Result<(), Box<dyn Error>> {
    let abi = match abi {
        0 | 1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
        4 => ABI::V4,
        5 => ABI::V5,
        _ => REQUIRED,
    };
    restrict_with(abi, files, ports)
}

fn restrict_with(abi: ABI, files: &[FileRule], ports: &[PortRule]) -> Result<(), Box<dyn Error>> {
    let has_tcp = !AccessNet::from_all(abi).is_empty();
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    if has_tcp {
        ruleset = ruleset.handle_access(AccessNet::from_all(abi))?;
    }
    if !Scope::from_all(abi).is_empty() {
        ruleset = ruleset.scope(Scope::from_all(abi))?;
    }
    let mut ruleset = ruleset.create()?;
    for rule in files {
        ruleset = ruleset.add_rule(PathBeneath::new(
            PathFd::new(&rule.path)?,
            rights(rule.access) & AccessFs::from_all(abi),
        ))?;
    }
    for rule in ports.iter().filter(|_| has_tcp) {
        let access = match rule.usage {
            Usage::Bind => AccessNet::BindTcp,
            Usage::Connect => AccessNet::ConnectTcp,
        };
        ruleset = ruleset.add_rule(NetPort::new(rule.port, access))?;
    }
    // `no_new_privs` is a step of its own, before this one.
    match ruleset.no_new_privs(false).restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        RulesetStatus::PartiallyEnforced => Err("the kernel enforces only a part of it".into()),
        RulesetStatus::NotEnforced => Err("the kernel does not enforce it".into()),
    }
}

fn rights(access: Access) -> BitFlags<AccessFs> {
    match access {
        Access::Read => AccessFs::ReadFile | AccessFs::ReadDir,
        Access::Execute => AccessFs::Execute.into(),
        Access::Write => AccessFs::WriteFile.into(),
        Access::Change => {
            let denied = AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev;
            AccessFs::from_all(REQUIRED) & !denied
        }
    }
}
