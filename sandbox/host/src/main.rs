//! The sandbox on a developer's own Linux: starts an app in it, answers it as the app manager does on a device, and says
//! first what this machine can't enforce. `nacre app run` executes it with a description on standard input; its exit
//! code is the app's, 128 and the signal's number if one ended it, or one of the table when there was no app to end.
#![forbid(unsafe_code)]

mod enforcement;
mod host;
mod output;
mod requests;
mod serve;
mod session;
mod start;
mod words;

use std::io::Read as _;
use std::process::ExitCode;

use nacre_manifest::device::{self, Manifest};
use nacre_wire::host_run::{HostRun, MAX_HOST_RUN};

use crate::host::Machine;
use crate::words::{Exit, Failure, Words};

fn main() -> ExitCode {
    let mut words = Words::plain();
    match run(&mut words) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            words.failure(&failure);
            ExitCode::from(failure.exit.code())
        }
    }
}

fn run(words: &mut Words) -> Result<u8, Failure> {
    let (run, manifest) = described().map_err(|cause| {
        let hint = "`nacre app run` starts this program; by itself it is of no use";
        Failure::new(Exit::Usage, "read the description of a run").because(cause).hint(hint)
    })?;
    *words = Words::of(run.colour);
    let machine = Machine::look();
    let gaps = enforcement::gaps(&manifest, &machine);
    if run.strict && !gaps.is_empty() {
        let what = format!("this machine does not enforce all that {}'s manifest says", manifest.app);
        let hint = "leave --strict out to run it with the rest, or run it on a device";
        return Err(Failure::new(Exit::Refused, what).with_gaps(gaps).hint(hint));
    }
    for gap in &gaps {
        words.notice(&format!("not enforced: {gap}"));
    }
    let started = start::start(&run, &manifest, &machine)?;
    session::Session::new(&run, manifest, started, words)?.serve()
}

fn described() -> Result<(HostRun, Manifest), String> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(MAX_HOST_RUN).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    let run = HostRun::decode(&bytes).map_err(|error| error.to_string())?;
    let manifest = device::decode(&run.manifest).map_err(|error| error.to_string())?;
    Ok((run, manifest))
}
