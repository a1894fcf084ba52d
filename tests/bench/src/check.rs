//! `nacre app check` on a long manifest, beside Python reading the same YAML and doing nothing with it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Result;
use crate::programs::{Programs, command, find, run};
use crate::samples::Samples;
use crate::table::Row;

const ROUNDS: usize = 50;
/// Not counted: the first ones read programs from disk.
const WARM_UP: usize = 5;
/// What it must stay within.
const MOST: Duration = Duration::from_millis(30);
/// Lines of the manifest.
const LINES: usize = 200;

/// Checks and reads, in turns.
pub(crate) fn rows(programs: &Programs) -> Result<Vec<Row>> {
    let scratch = tempfile::tempdir()?;
    let manifest = scratch.path().join("nacre.yaml");
    let text = text();
    if text.lines().count() != LINES {
        return Err(format!("the manifest has {} lines", text.lines().count()).into());
    }
    fs::write(&manifest, &text)?;
    fs::write(scratch.path().join("Cargo.toml"), "")?;
    fs::create_dir(scratch.path().join("share"))?;
    for number in 0..FILES {
        fs::write(scratch.path().join(format!("share/{number}")), "")?;
    }
    let python = find("python3", "python3-yaml")?;
    let read = "import sys, yaml; yaml.safe_load(open(sys.argv[1]))";
    let check = || check(&programs.nacre, scratch.path());
    let peer = || command(&python, &["-c".as_ref(), read.as_ref(), manifest.as_os_str()]);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + ROUNDS {
        let times = [timed(&mut check())?, timed(&mut peer())?];
        if round >= WARM_UP {
            ours.push(times[0]);
            theirs.push(times[1]);
        }
    }
    // A mistake in the last line is found: it was read to the end.
    fs::write(&manifest, text + "lst: 1\n")?;
    if check().output()?.status.code() != Some(65) {
        return Err("a manifest with a mistake passed".into());
    }
    let (ours, theirs) = (Samples::new(ours)?, Samples::new(theirs)?);
    Ok(vec![
        Row::of_times("`nacre app check`, 200 lines; `python3` with `yaml.safe_load` alone", &ours, &theirs),
        Row::of_times("the same; the most it may be", &ours, &Samples::new(vec![MOST])?),
    ])
}

fn check(nacre: &Path, app: &Path) -> Command {
    let words = ["app".as_ref(), "check".as_ref(), app.as_os_str()];
    let mut check = command(nacre, &words);
    check.env("NACRE_SOURCE", crate::root());
    check
}

fn timed(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    run(command)?;
    Ok(start.elapsed())
}

/// Entries under `files`.
const FILES: usize = 80;

/// A manifest with every kind of field, as long as nobody writes one.
fn text() -> String {
    let mut text = "\
# A thermostat that talks to many.
app: com.example.thermostat
version: 1.4.0
rollback-index: 3
build: cargo
run: [/app/bin/thermostat, --interval, 5s]
critical: true
restart: { policy: on-failure, backoff: 1s..60s, limit: 5 per 10m }
health: { heartbeat: 30s }
limits: { memory: 4MiB, tasks: 8, cpu: 25%, open-files: 32, tmp: 256KiB }
storage: { data: 64KiB }
system: [stats, apps-status]
events: [shutdown]
network:
  listen: [\"tcp:8080\"]
  connect:
"
    .to_owned();
    let line = |text: &mut String, line: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{line}");
    };
    for number in 0..32 {
        line(&mut text, format!("    # Machine {number}."));
        line(&mut text, format!("    - tcp:machine-{number}.example.com:{}", 8000 + number));
    }
    line(&mut text, "files:".to_owned());
    for number in 0..FILES {
        line(&mut text, format!("  /app/share/table-{number}.csv: share/{number}"));
    }
    while text.lines().count() < LINES {
        line(&mut text, "# And so on.".to_owned());
    }
    text
}
