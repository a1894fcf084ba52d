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
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(REQUIRED))?
        .handle_access(AccessNet::from_all(REQUIRED))?
        .scope(Scope::from_all(REQUIRED))?
        .create()?;
    for rule in files {
        ruleset = ruleset.add_rule(PathBeneath::new(PathFd::new(&rule.path)?, rights(rule.access)))?;
    }
    for rule in ports {
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
