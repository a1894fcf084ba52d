//! The OS's own programs, built for the board: init, appmgr, and netd where it is needed.

use std::path::Path;

use crate::elf;
use crate::failure::{Exit, Failure, OrFail};
use crate::progress::Step;
use crate::root_image::RootFile;
use crate::terminal::Terminal;
use crate::toolchain::{Job, Optimization, Toolchain};
use crate::workspace::Workspace;

/// A package of the checkout, the name of its program, and the program's path on the device.
type DeviceProgram = (&'static str, &'static str, &'static str);

/// What runs on every device.
const PROGRAMS: [DeviceProgram; 2] = [("appmgr", "appmgr", "/sbin/appmgr"), ("init", "init", "/sbin/init")];

/// What runs where an app has a network.
const NETD: DeviceProgram = ("netd", "netd", NETD_PATH);

/// Where it is on the device.
pub(crate) const NETD_PATH: &str = "/sbin/netd";

/// Where netd finds the filter of its own system calls.
const NETD_FILTER: &str = "/etc/nacre/netd.bpf";

/// What only programs without switches say: the app manager for itself (`LoadImageError::NotSwitchable`) and for the
/// launcher in it (`LayersError::NotSwitchable` in the sandbox), and netd (`SwitchOffError`).
const REFUSALS: [(&str, &str); 3] = [
    ("/sbin/appmgr", "this app manager cannot switch layers off"),
    ("/sbin/appmgr", "this launcher cannot switch layers off"),
    (NETD_PATH, "this netd cannot switch the packet filter off"),
];

/// Whether app manager and netd have code that switches layers off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerSwitches {
    /// What ships: no such code.
    Absent,
    /// For the sandbox's own tests.
    Present,
}

/// Whether an app of the image has a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkOfApps {
    /// None has: the image has no netd.
    Absent,
    /// One has.
    Present,
}

/// Builds the programs; `scratch` is an empty folder.
pub fn build(
    toolchain: &Toolchain,
    workspace: &Workspace,
    network: NetworkOfApps,
    switches: LayerSwitches,
    scratch: &Path,
    terminal: &Terminal,
) -> Result<Vec<RootFile>, Failure> {
    let arch = toolchain.architecture.arch;
    let mut programs = PROGRAMS.to_vec();
    let mut features = match switches {
        LayerSwitches::Absent => Vec::new(),
        LayerSwitches::Present => vec!["appmgr/layer-switches"],
    };
    if network == NetworkOfApps::Present {
        programs.push(NETD);
        if switches == LayerSwitches::Present {
            features.push("netd/layer-switches");
        }
    }
    let names: Vec<&str> = programs.iter().map(|(_, name, _)| *name).collect();
    let step = Step::begin(terminal, format!("building {} for {arch}", names.join(", ")));
    let packages: Vec<&str> = programs.iter().map(|(package, _, _)| *package).collect();
    let job = Job {
        folder: workspace.root(),
        packages: &packages,
        features: &features,
        locked: true,
        optimization: Optimization::WholeProgram,
    };
    let built = toolchain.build(&job, scratch, &step)?;
    let mut files = programs
        .iter()
        .map(|(_, name, path)| {
            let program = built.get(*name).ok_or_else(|| {
                Failure::new(Exit::Internal, format!("the checkout makes no program `{name}`"))
            })?;
            let content = std::fs::read(program)
                .or_fail(Exit::Internal, || format!("can't read `{}`", program.display()))?;
            elf::check(&content, toolchain.architecture.elf, elf::CodeMemory::Guarded)
                .or_fail(Exit::Internal, || format!("`{name}` can't run on the board"))?;
            Ok(RootFile { path, mode: 0o755, content })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    check_switches(&files, switches)?;
    if network == NetworkOfApps::Present {
        let content = nacre_seccomp_policy::compile_netd(toolchain.architecture.policy)
            .or_fail(Exit::Internal, || "can't make the filter of netd's system calls".to_owned())?;
        files.push(RootFile { path: NETD_FILTER, mode: 0o644, content });
    }
    Ok(files)
}

/// Checks that the programs are those that were asked for, whatever cargo's folder held.
fn check_switches(files: &[RootFile], switches: LayerSwitches) -> Result<(), Failure> {
    for (path, refusal) in REFUSALS {
        let Some(file) = files.iter().find(|file| file.path == path) else { continue };
        let refuses = file.content.windows(refusal.len()).any(|bytes| bytes == refusal.as_bytes());
        let how = match (switches, refuses) {
            (LayerSwitches::Absent, true) | (LayerSwitches::Present, false) => continue,
            (LayerSwitches::Absent, false) => "with",
            (LayerSwitches::Present, true) => "without",
        };
        let what = format!("`{path}` was built {how} code that switches layers off");
        return Err(Failure::new(Exit::Internal, what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_with_the_other_kind_of_switches_is_refused() {
        for (path, refusal) in REFUSALS {
            let all = REFUSALS.iter().filter(|(of, _)| *of == path).map(|(_, text)| *text);
            let shipped = all.collect::<Vec<_>>().join("..");
            let program = |text: String| vec![RootFile { path, mode: 0o755, content: text.into() }];
            assert!(check_switches(&program(shipped.clone()), LayerSwitches::Absent).is_ok());
            assert!(check_switches(&program(shipped.clone()), LayerSwitches::Present).is_err());
            assert!(check_switches(&program(shipped.replace(refusal, "")), LayerSwitches::Absent).is_err());
            assert!(check_switches(&program("....".to_owned()), LayerSwitches::Present).is_ok());
        }
    }
}
