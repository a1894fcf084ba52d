//! `nacre app run`: the same probes as in the VM, on this machine, with the same verdicts.

mod attacks;
mod end;
mod probe;

use std::process::Command;

use nacre_tests::nacre::nacre;

/// `nacre app run`, with folders of its own.
fn app_run(state: &std::path::Path) -> Command {
    let mut command = nacre();
    command.env("NACRE_STATE", state).args(["app", "run"]);
    command
}

/// Whether a process of this program runs.
fn goes_on(program: &str) -> bool {
    std::fs::read_dir("/proc").expect("/proc").flatten().any(|entry| {
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).next() == Some(program.as_bytes())
    })
}
