//! What netd takes from itself before it reads anything of the network, for good.
//!
//! It starts as root. Afterwards it is a user of its own with two capabilities, reaches no file, makes no process,
//! and may make the calls of its filter only.

use std::fs;
use std::io;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetError, RulesetStatus, Scope,
};
use nacre_sys::capabilities::{self, KeepCapabilitiesError};
use nacre_sys::seccomp::{self, Instruction, LoadFilterError};
use nacre_sys::securebits::{self, LockSecureBitsError};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use crate::ruleset::base::USER;

/// The filter, made when the image was built; it is authentic because the root filesystem is.
const FILTER: &str = "/etc/nacre/netd.bpf";

/// What it is still able to do: set links, addresses, routes and the packet filter; and use ports 53 and 68.
const KEPT: [u32; 2] = [capabilities::NET_ADMIN, capabilities::NET_BIND_SERVICE];

/// What the kernel must say about this process then: bits 10 and 12.
const EXPECTED: [&str; 7] = [
    "Uid:\t100\t100\t100\t100",
    "CapInh:\t0000000000000000",
    "CapPrm:\t0000000000001400",
    "CapEff:\t0000000000001400",
    "CapBnd:\t0000000000001400",
    "CapAmb:\t0000000000000000",
    "NoNewPrivs:\t1",
];

/// What the device's kernel has (Linux 6.12). Less is an error.
const REQUIRED: ABI = ABI::V6;

/// Sockets of at most 24 questions, two descriptors of each order, and a dozen that stay.
const OPEN_FILES: u64 = 64;

/// Which step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfineError {
    #[error("read {FILTER}")]
    ReadFilter(#[source] io::Error),
    #[error("{FILTER} is no filter: it has {0} bytes")]
    NoFilter(usize),
    #[error("set the resource limits")]
    Limits(#[source] Errno),
    #[error(transparent)]
    SecureBits(#[from] LockSecureBitsError),
    #[error(transparent)]
    Capabilities(#[from] KeepCapabilitiesError),
    #[error("become user {USER}")]
    User(#[source] Errno),
    #[error("set no_new_privs")]
    NoNewPrivs(#[source] Errno),
    #[error("read what the kernel says about this process")]
    Status(#[source] io::Error),
    #[error("the kernel does not say `{0}`")]
    NotSo(&'static str),
    /// Without the cause: its words for all that netd does not ask for would be 6 KB of the program.
    #[error("deny all files: the kernel lacks Landlock or a part of it")]
    Landlock,
    #[error(transparent)]
    Filter(#[from] LoadFilterError),
}

/// A process that can do nothing any more but what its open descriptors and its capabilities allow. Its filter
/// follows, once the sockets are open that it would deny.
#[derive(Debug)]
pub(crate) struct Confined {
    filter: Vec<Instruction>,
}

/// Takes everything away but the calls.
pub(crate) fn confine() -> Result<Confined, ConfineError> {
    let filter = read_filter()?;
    limits().map_err(ConfineError::Limits)?;
    // With it the capabilities survive the change of user.
    securebits::lock()?;
    capabilities::keep_bounding(&KEPT)?;
    become_user().map_err(ConfineError::User)?;
    capabilities::keep(&KEPT)?;
    prctl::set_no_new_privs().map_err(ConfineError::NoNewPrivs)?;
    check(&fs::read_to_string("/proc/self/status").map_err(ConfineError::Status)?)?;
    match deny_files() {
        Ok(status) if status.ruleset == RulesetStatus::FullyEnforced => Ok(Confined { filter }),
        _ => Err(ConfineError::Landlock),
    }
}

impl Confined {
    /// Takes the calls away that the filter denies.
    pub(crate) fn load_filter(self) -> Result<(), ConfineError> {
        Ok(seccomp::load(&self.filter)?)
    }
}

fn read_filter() -> Result<Vec<Instruction>, ConfineError> {
    let bytes = fs::read(FILTER).map_err(ConfineError::ReadFilter)?;
    match bytes.as_chunks() {
        (filter @ [_, ..], []) => Ok(filter.to_vec()),
        _ => Err(ConfineError::NoFilter(bytes.len())),
    }
}

fn limits() -> nix::Result<()> {
    let limits = [
        (Resource::RLIMIT_NOFILE, OPEN_FILES),
        // A core file would hold what apps ask for.
        (Resource::RLIMIT_CORE, 0),
        // No process and no thread beside this one.
        (Resource::RLIMIT_NPROC, 0),
    ];
    limits.into_iter().try_for_each(|(resource, limit)| setrlimit(resource, limit, limit))
}

fn become_user() -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(USER), Gid::from_raw(USER));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)
}

/// A capability that this program does not know by name, because the kernel is newer, would be found here.
fn check(status: &str) -> Result<(), ConfineError> {
    let missing = EXPECTED.into_iter().find(|line| status.lines().all(|found| found != *line));
    missing.map_or(Ok(()), |line| Err(ConfineError::NotSo(line)))
}

/// No file, no TCP port, no signal and no abstract unix socket of another process.
fn deny_files() -> Result<RestrictionStatus, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(REQUIRED))?
        .handle_access(AccessNet::from_all(REQUIRED))?
        .scope(Scope::from_all(REQUIRED))?
        .create()?
        .restrict_self()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_that_lacks_an_expected_line_is_refused_with_it() {
        let good = EXPECTED.join("\n");
        assert!(check(&good).is_ok());
        for line in EXPECTED {
            let error = check(&good.replace(line, "Seccomp:\t0")).unwrap_err();
            assert!(matches!(error, ConfineError::NotSo(missing) if missing == line));
        }
    }
}
