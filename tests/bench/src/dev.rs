//! From saving a source file to the app running again in the VM, with `nacre app dev`; what the compiler takes is not
//! counted.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Result;
use crate::programs::{Programs, command, run};
use crate::project::ARMV7;
use crate::samples::Samples;
use crate::table::Row;
use crate::vm::Vm;

const ROUNDS: usize = 10;

/// What is asked for.
const MOST: Duration = Duration::from_secs(2);

/// Saves, waits for the new version's own first line, and takes off what it says that building took.
pub(crate) fn rows(programs: &Programs, checkout: &Path) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let app = folder.path().join("greeter");
    run(command(&programs.nacre, &["app", "new", "--lang", "c"]).arg(&app).env("NACRE_SOURCE", checkout))?;
    let mut dev = command(&programs.nacre, &["app", "dev", "--board", ARMV7.name]);
    dev.arg(&app).env("NACRE_SOURCE", checkout);
    let mut vm = Vm::of(dev)?;
    vm.wait_for(|line| line.contains("notice: watching ").then_some(()))?;
    let source = app.join("src/answer.c");
    let original = fs::read_to_string(&source)?;
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let begin = Instant::now();
        fs::write(&source, original.replace("hello", &format!("hello {round}")))?;
        // The log and what the command says come in either order.
        let (mut stopped, mut running, mut built) = (false, None, None);
        while running.is_none() || built.is_none() {
            match vm.wait_for(said)? {
                Said::Stopped => stopped = true,
                Said::Listens if stopped => running = running.or(Some(begin.elapsed())),
                Said::Listens => {}
                Said::Built(seconds) => built = Some(Duration::from_secs_f64(seconds)),
            }
        }
        let all = running.unwrap_or_default().saturating_sub(built.unwrap_or_default());
        times.push(all);
    }
    let what = "saved to running again in the VM, without compiling; the most it may be";
    Ok(vec![Row::of_times(what, &Samples::new(times)?, &Samples::new(vec![MOST])?)])
}

/// What is waited for.
enum Said {
    Stopped,
    Listens,
    /// Building took so many seconds.
    Built(f64),
}

fn said(line: &str) -> Option<Said> {
    if line.contains("] greeter: stopped") {
        return Some(Said::Stopped);
    }
    if line.contains("] greeter: listening") {
        return Some(Said::Listens);
    }
    let (_, rest) = line.split_once("runs: built in ")?;
    rest.split_once(" s,")?.0.parse().ok().map(Said::Built)
}
