//! Where the time of a launch goes, step by step, from the app manager's plan to the app.
//!
//! Nothing of this is in the programs that ship: a copy of the checkout is changed so that the launcher looks at the
//! clock after each step ([`EDITS`]; `programs/stamps.rs`), and its programs are otherwise built as always. The stamps
//! go through the environment to the app, which says them once it runs, so that nothing is written on the way.

use std::fs;
use std::path::Path;

use crate::programs::Programs;
use crate::project::{ARMV7, App, Projects};
use crate::vm::Vm;
use crate::{Result, counting};

/// Boots; of each the first start counts apart.
const BOOTS: usize = 7;
/// Boots in which instructions are counted; they differ little.
const COUNTED_BOOTS: usize = 3;
/// Starts of the app in a boot.
const STARTS: usize = 11;

const PLAIN: &str = "restart: { policy: always, backoff: 100ms..100ms, limit: 100 per 10m }\n";
const NETWORK: &str = "restart: { policy: always, backoff: 100ms..100ms, limit: 100 per 10m }\n\
                       network: { connect: [\"tcp:10.0.2.2:9\"] }\n";

/// What is changed in the copy: file, what stands there, what stands there then.
const EDITS: [(&str, &str, &str); 8] = [
    ("sandbox/Cargo.toml", "\"hostname\"]", "\"hostname\", \"time\"]"),
    ("sandbox/src/lib.rs", "mod step;\n", "#[allow(missing_docs)]\npub mod stamps;\nmod step;\n"),
    (
        "sandbox/src/prepared.rs",
        "        let proc = hold_proc()",
        "        crate::stamps::mark(\"clone, to the launcher\");\n        let proc = hold_proc()",
    ),
    (
        "sandbox/src/prepared.rs",
        "if let Err(cause) = prepare(&step, &proc, network.as_ref()) {",
        "let done = prepare(&step, &proc, network.as_ref());\n            crate::stamps::add(&step);\n            if let Err(cause) = done {",
    ),
    (
        "sandbox/src/sealed.rs",
        "if let Err(cause) = seal(&step, &self.proc, &self.program, report, &mut listener) {",
        "let done = seal(&step, &self.proc, &self.program, report, &mut listener);\n            crate::stamps::add(&step);\n            if let Err(cause) = done {",
    ),
    ("sandbox/src/sealed.rs", "&self.program.env)", "&crate::stamps::with(&self.program.env))"),
    (
        "appmgr/daemon/src/launch.rs",
        "    let plan = Plan::new(spec)?;",
        "    nacre_sandbox::stamps::begin();\n    let plan = Plan::new(spec)?;\n    nacre_sandbox::stamps::mark(\"plan\");",
    ),
    (
        "appmgr/daemon/src/launch.rs",
        "    let launcher = fork(",
        "    nacre_sandbox::stamps::mark(\"pipes, socket\");\n    let launcher = fork(",
    ),
];

/// What was found of one start: steps in their order, with the nanoseconds of each.
type Start = Vec<(String, u128)>;

/// Starts of an app, the first of each boot apart.
#[derive(Debug, Default)]
struct Starts {
    first: Vec<Start>,
    later: Vec<Start>,
}

/// Changes the copy of the checkout, measures, and gives the table.
pub(crate) fn text(programs: &Programs, checkout: &Path, work: &Path) -> Result<String> {
    put_stamps(checkout)?;
    let projects = Projects::new(programs, checkout, work, ARMV7)?;
    let app = |more| [App { name: "idle".to_owned(), program: "idle", argument: "end", more }];
    let plain = projects.build("launch", &app(PLAIN), "")?;
    let linked = projects.build("launch-linked", &app(NETWORK), "")?;
    let counting = Programs { first_in_path: Some(counting::folder(work)?), ..programs.clone() };
    let (mut here, mut with_network, mut counted) = (Starts::default(), Starts::default(), Starts::default());
    for round in 0..BOOTS {
        here.boot(programs, &plain)?;
        with_network.boot(programs, &linked)?;
        if round < COUNTED_BOOTS {
            counted.boot(&counting, &plain)?;
        }
    }
    Ok(table(&here, &with_network, &counted))
}

/// Changes the copy of the checkout.
fn put_stamps(checkout: &Path) -> Result<()> {
    let stamps = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/stamps.rs");
    fs::copy(stamps, checkout.join("sandbox/src/stamps.rs"))?;
    for (file, from, to) in EDITS {
        let file = checkout.join(file);
        fs::write(&file, edited(&fs::read_to_string(&file)?, from, to)?)?;
    }
    Ok(())
}

/// The source with one place changed, which has to be there once.
fn edited(source: &str, from: &str, to: &str) -> Result<String> {
    match source.matches(from).count() {
        1 => Ok(source.replace(from, to)),
        count => Err(format!("the launcher's sources have {count} places with `{from}`").into()),
    }
}

impl Starts {
    fn boot(&mut self, programs: &Programs, image: &Path) -> Result<()> {
        let mut vm = Vm::start(programs, image, &["--memory", ARMV7.memory])?;
        self.first.push(vm.wait_for(start)?);
        for _ in 1..STARTS {
            self.later.push(vm.wait_for(start)?);
        }
        Ok(())
    }
}

/// What the app says of its start: `began NANOS begin=NANOS;step=NANOS;...`.
fn start(line: &str) -> Option<Start> {
    let (_, text) = line.split_once(": began ")?;
    let (end, stamps) = text.split_once(' ')?;
    let stamps = stamps.split(';').map(|stamp| {
        let (what, at) = stamp.split_once('=')?;
        Some((what, at.parse::<u128>().ok()?))
    });
    let mut stamps = stamps.collect::<Option<Vec<_>>>()?.into_iter();
    let (_, mut before) = stamps.next()?;
    let mut steps = Start::new();
    for (what, at) in stamps.chain([("execute the app, to its `main`", end.parse().ok()?)]) {
        let time = at.checked_sub(before)?;
        match steps.iter_mut().find(|(step, _)| step == what) {
            Some((_, all)) => *all += time,
            None => steps.push((what.to_owned(), time)),
        }
        before = at;
    }
    Some(steps)
}

fn median(mut times: Vec<u128>) -> Option<u128> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// The median of a step, among the starts that have it.
fn of_step(starts: &[Start], what: &str) -> Option<u128> {
    let times = starts.iter().flatten().filter(|(step, _)| step == what);
    median(times.map(|(_, time)| *time).collect())
}

fn of_all(starts: &[Start]) -> Option<u128> {
    median(starts.iter().map(|start| start.iter().map(|(_, time)| time).sum()).collect())
}

fn table(here: &Starts, with_network: &Starts, counted: &Starts) -> String {
    let mut steps: Vec<&str> = Vec::new();
    // Those of an app with a network are all that there are, in their order.
    for (step, _) in with_network.later.iter().chain(&here.later).flatten() {
        if !steps.contains(&step.as_str()) {
            steps.push(step);
        }
    }
    let micros =
        |nanos: Option<u128>| nanos.map_or("none".to_owned(), |nanos| nanos.div_ceil(1000).to_string());
    let mut out =
        "| step | first start, µs | later, µs | later, with a network, µs | later, at 8 ns an instruction, µs |\n\
                   | --- | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    let mut line = |what: &str, of: &dyn Fn(&[Start]) -> Option<u128>| {
        let [first, later, network, counted] =
            [&here.first, &here.later, &with_network.later, &counted.later].map(|starts| micros(of(starts)));
        out += &format!("| {what} | {first} | {later} | {network} | {counted} |\n");
    };
    for step in &steps {
        line(step, &|starts| of_step(starts, step));
    }
    line("**all**", &of_all);
    let [first, later, network, counted] =
        [&here.first, &here.later, &with_network.later, &counted.later].map(Vec::len);
    out + &format!(
        "\nMedians of {first}, {later}, {network} and {counted} starts; that of all is of the sums. In the last column \
         the guest's clock counts instructions (`{}`), so that this machine's load changes waiting alone.\n",
        counting::OPTION
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::tree;

    #[test]
    fn places_that_are_changed_are_each_in_the_sources_once() {
        for (file, from, to) in EDITS {
            let source = fs::read_to_string(crate::root().join(file)).unwrap();
            assert!(edited(&source, from, to).is_ok(), "{file}: {from}");
        }
    }

    #[test]
    fn sources_with_stamps_are_compiled() {
        let folder = crate::root().join("target/stamps");
        let checkout = tree::copy_checkout(&crate::root(), &folder.join("checkout")).unwrap();
        put_stamps(&checkout).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["check", "--quiet", "--locked", "--package", "nacre-sandbox", "--package", "appmgr"]);
        let output =
            cargo.current_dir(&checkout).env("CARGO_TARGET_DIR", folder.join("built")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn launcher_that_ships_has_no_stamps() {
        for file in ["sandbox/src", "appmgr/daemon/src"] {
            for entry in fs::read_dir(crate::root().join(file)).unwrap() {
                let path = entry.unwrap().path();
                let text = fs::read_to_string(&path).unwrap_or_default();
                assert!(!text.contains("stamps"), "{}", path.display());
            }
        }
    }

    #[test]
    fn start_is_read_step_by_step_and_equal_steps_are_one() {
        let line = "[    1.2] idle: began 1700 begin=1000;a=1100;mounts=1200;mounts=1350;b=1400";
        let found = start(line).unwrap();
        let expected = [("a", 100), ("mounts", 250), ("b", 50), ("execute the app, to its `main`", 300)];
        assert_eq!(found, expected.map(|(step, time)| (step.to_owned(), time)));
        assert_eq!(of_all(&[found]), Some(700));
        assert_eq!(start("[    1.2] idle: began 1700 "), None);
        assert_eq!(start("[    1.2] idle: began 1 begin=1000;a=1100"), None);
    }
}
