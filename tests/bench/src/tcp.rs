//! TCP between two network namespaces of the guest, through netd's rules and without any.
//!
//! `tests/apps/meter` makes the namespaces and measures, in turns and in one boot: the app's end of the first pair is
//! the namespace of an app that netd has joined; the other pair is alike but for the rules.

use std::path::Path;
use std::time::Duration;

use crate::programs::Programs;
use crate::project::{ARMV7, App, Board, Projects, X86_64};
use crate::samples::Samples;
use crate::table::Row;
use crate::vm::Vm;
use crate::{Result, counting};

/// Boots of each board.
const BOOTS: usize = 2;

/// What netd's rules let through: the port that the meter sends to.
const NETWORK: &str = "restart: { policy: never }\nnetwork: { connect: [\"tcp:10.9.0.2:5001\"] }\n";
/// The meter is root without a sandbox; the app has every layer.
const TESTING: &str = "testing: { apps: { org.nacre.meter: [all] } }\n";

/// A line of the meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Bytes(u32),
    Policy(Duration),
    Free(Duration),
    Done,
}

/// Boots each board and reads what the meter says.
pub(crate) fn rows(programs: &Programs, checkout: &Path, work: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for board in [ARMV7, X86_64] {
        let projects = Projects::new(programs, checkout, work, board)?;
        let app = |name: &str, more| App { name: name.to_owned(), program: "idle", argument: "wait", more };
        let meter = App { program: "meter", ..app("meter", "restart: { policy: never }\n") };
        let image = projects.build("tcp", &[app("idle", NETWORK), meter], TESTING)?;
        let what =
            format!("TCP from an app's network namespace to one outside, {}; without rules", board.name);
        rows.push(row(&what, programs, &image, board)?);
        if board.name == ARMV7.name {
            let counting = Programs { first_in_path: Some(counting::folder(work)?), ..programs.clone() };
            rows.push(row(WHAT_IS_COUNTED, &counting, &image, board)?);
        }
    }
    Ok(rows)
}

const WHAT_IS_COUNTED: &str =
    "the same, if each instruction took 8 ns, which this machine's load does not change; the same";

fn row(what: &str, programs: &Programs, image: &Path, board: Board) -> Result<Row> {
    let (mut policy, mut free) = (Vec::new(), Vec::new());
    for _ in 0..BOOTS {
        let mut vm = Vm::start(programs, image, &["--memory", board.memory])?;
        let mut mib = 1;
        loop {
            match vm.wait_for(said)?? {
                Said::Bytes(bytes) => mib = bytes >> 20,
                Said::Policy(time) => policy.push(time / mib),
                Said::Free(time) => free.push(time / mib),
                Said::Done => break,
            }
        }
    }
    Ok(Row::of_rates(what, "MiB/s", &Samples::new(policy)?, &Samples::new(free)?))
}

/// What a line of the meter says; an error if it complains.
fn said(line: &str) -> Option<Result<Said>> {
    let (_, text) = line.split_once("] meter: ")?;
    let mut words = text.split(' ');
    let word = words.next();
    let number = words.next().and_then(|word| word.parse::<u64>().ok());
    match (word, number) {
        (Some("bytes"), Some(bytes)) => u32::try_from(bytes).ok().map(Said::Bytes).map(Ok),
        (Some("policy"), Some(nanos)) => Some(Ok(Said::Policy(Duration::from_nanos(nanos)))),
        (Some("free"), Some(nanos)) => Some(Ok(Said::Free(Duration::from_nanos(nanos)))),
        (Some("done"), None) => Some(Ok(Said::Done)),
        (Some("Error:"), _) => Some(Err(format!("the meter: {text}").into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_the_meter_is_told_from_others() {
        let table = [
            ("[    1.2] meter: policy 1500", Some(Said::Policy(Duration::from_nanos(1500)))),
            ("[    1.2] meter: free 7", Some(Said::Free(Duration::from_nanos(7)))),
            ("[    1.2] meter: bytes 16777216", Some(Said::Bytes(16 << 20))),
            ("[    1.2] meter: done", Some(Said::Done)),
            ("[    1.2] meter: started, uid 20000", None),
            ("[    1.2] idle: policy 1500", None),
        ];
        for (line, expected) in table {
            assert_eq!(said(line).map(|said| said.unwrap()), expected, "{line}");
        }
        assert!(said("[    1.2] meter: Error: no").unwrap().is_err());
    }
}
