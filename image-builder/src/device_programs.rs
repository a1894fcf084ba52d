//! The OS's own programs: init, appmgr and the sandbox's launcher, built for the board.

use std::path::Path;

use crate::elf;
use crate::failure::{Exit, Failure, OrFail};
use crate::progress::Step;
use crate::root_image::RootFile;
use crate::terminal::Terminal;
use crate::toolchain::{Job, Toolchain};
use crate::workspace::Workspace;

/// Packages of the checkout that run on every device.
const PACKAGES: [&str; 3] = ["init", "appmgr", "nacre-sandbox"];
/// Their programs, by name and by path on the device.
const PROGRAMS: [(&str, &str); 3] =
    [("appmgr", "/sbin/appmgr"), ("init", "/sbin/init"), ("sandbox", "/sbin/sandbox")];

/// What only the launcher without switches says (`LayersError::NotSwitchable` in the sandbox).
const REFUSAL: &str = "this launcher cannot switch layers off";

/// Whether the launcher has code that switches layers off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerSwitches {
    /// What ships: no such code.
    Absent,
    /// For the sandbox's own tests.
    Present,
}

/// Builds the programs; `scratch` is an empty folder.
pub fn build(
    toolchain: &Toolchain,
    workspace: &Workspace,
    switches: LayerSwitches,
    scratch: &Path,
    terminal: &Terminal,
) -> Result<Vec<RootFile>, Failure> {
    let arch = toolchain.architecture.arch;
    let step = Step::begin(terminal, format!("building init, appmgr and sandbox for {arch}"));
    let features: &[&str] = match switches {
        LayerSwitches::Absent => &[],
        LayerSwitches::Present => &["nacre-sandbox/layer-switches"],
    };
    let job = Job { folder: workspace.root(), packages: &PACKAGES, features, locked: true };
    let built = toolchain.build(&job, scratch, &step)?;
    let files = PROGRAMS
        .iter()
        .map(|(name, path)| {
            let program = built.get(*name).ok_or_else(|| {
                Failure::new(Exit::Internal, format!("the checkout makes no program `{name}`"))
            })?;
            let content = std::fs::read(program)
                .or_fail(Exit::Internal, || format!("can't read `{}`", program.display()))?;
            elf::check(&content, toolchain.architecture.elf)
                .or_fail(Exit::Internal, || format!("`{name}` can't run on the board"))?;
            Ok(RootFile { path, mode: 0o755, content })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    check_launcher(&files, switches)?;
    Ok(files)
}

/// Checks that the launcher is the one that was asked for, whatever cargo's folder held.
fn check_launcher(files: &[RootFile], switches: LayerSwitches) -> Result<(), Failure> {
    let launcher = files.iter().find(|f| f.path == "/sbin/sandbox").map(|f| f.content.as_slice());
    let refuses = launcher.unwrap_or_default().windows(REFUSAL.len()).any(|w| w == REFUSAL.as_bytes());
    match (switches, refuses) {
        (LayerSwitches::Absent, true) | (LayerSwitches::Present, false) => Ok(()),
        (LayerSwitches::Absent, false) => {
            Err(Failure::new(Exit::Internal, "the launcher was built with code that switches layers off"))
        }
        (LayerSwitches::Present, true) => {
            Err(Failure::new(Exit::Internal, "the launcher was built without code that switches layers off"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launcher_of_the_other_kind_is_refused() {
        let launcher =
            |text: &str| vec![RootFile { path: "/sbin/sandbox", mode: 0o755, content: text.into() }];
        let shipped = launcher(&format!("..{REFUSAL}.."));
        assert!(check_launcher(&shipped, LayerSwitches::Absent).is_ok());
        assert!(check_launcher(&shipped, LayerSwitches::Present).is_err());
        assert!(check_launcher(&launcher("...."), LayerSwitches::Absent).is_err());
        assert!(check_launcher(&[], LayerSwitches::Absent).is_err());
    }
}
