//! `cargo xtask bench`: nacre beside its peers, measured in turns in the same run, as one table.
//!
//! Usage: `nacre-bench NACRE LAUNCHER BUSYBOX [PART]`. It prints the table and writes it to
//! docs/SPECIFICATION.md. Nothing in it is known before: what cannot be measured is an error. With a part, only
//! that is measured, and printed; `memory`, where the memory of the running demo goes, and `launch`, where the time of a
//! launch goes, have tables of their own there.
#![forbid(unsafe_code)]

mod app_run;
mod boot;
mod calls;
mod check;
mod counting;
mod dev;
mod idle;
mod launch;
mod load;
mod machine;
mod memory;
mod panel;
mod partition;
mod peer;
mod programs;
mod project;
mod rebuild;
mod same_job;
mod samples;
mod sandbox;
mod sizes;
mod table;
mod tcp;
mod tree;
mod vm;

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use machine::Machine;
use programs::Programs;

/// What a step of a benchmark ends with.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let result = match arguments.as_slice() {
        [word, rest @ ..] if word == sandbox::MEASURE => sandbox::measure_here(rest),
        [nacre, busybox, part @ ..] if part.len() < 2 => {
            bench(nacre.as_ref(), busybox.as_ref(), part.first())
        }
        _ => {
            eprintln!("usage: nacre-bench NACRE LAUNCHER BUSYBOX [PART]; `cargo xtask bench` does it");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}

/// What can be measured alone.
const PARTS: [&str; 13] = [
    "app-run", "sizes", "boot", "panel", "rebuild", "check", "sandbox", "calls", "memory", "idle", "tcp",
    "launch", "dev",
];

fn bench(nacre: &Path, busybox: &Path, part: Option<&OsString>) -> Result<()> {
    if let Some(part) = part
        && !PARTS.iter().any(|name| part == name)
    {
        return Err(format!("`{}` is none of {}", part.display(), PARTS.join(", ")).into());
    }
    let wanted = |name: &str| part.is_none_or(|part| part == name);
    // All of them first: nobody wants to miss one after minutes.
    let programs = Programs::find(nacre, busybox)?;
    let work = root().join("target/bench");
    fs::create_dir_all(&work)?;
    let mut machine = Machine::look()?;

    let mut checks = Vec::new();
    if wanted("check") {
        say("nacre app check on a long manifest");
        checks = check::rows(&programs)?;
        if part.is_some() {
            // It needs no image.
            machine.look_again()?;
            print!("{}", table::text(&checks, &machine.to_string()));
            return Ok(());
        }
    }
    let mut sandboxes = Vec::new();
    if wanted("sandbox") {
        say("sandbox start");
        sandboxes = sandbox::rows(&programs)?;
    }
    if wanted("app-run") {
        say("nacre app run");
        sandboxes.append(&mut app_run::rows(&programs)?);
    }
    if wanted("calls") {
        say("system calls under the filter");
        sandboxes.append(&mut calls::rows()?);
    }
    // These need no image.
    if part.is_some() && !sandboxes.is_empty() {
        machine.look_again()?;
        print!("{}", table::text(&sandboxes, &machine.to_string()));
        return Ok(());
    }
    say("building the demo image");
    let checkout = tree::copy_checkout(&root(), &work.join("checkout"))?;
    let demo = rebuild::build(&programs, &checkout, rebuild::DEMO, &work.join("demo"))?;
    if part.is_some_and(|part| part == "memory") {
        say("where the memory of the running demo goes");
        let text = memory::text(&programs, &checkout, &demo)?;
        print!("{text}");
        return table::write(&document(), "memory", &text);
    }
    if part.is_some_and(|part| part == "launch") {
        say("where the time of a launch goes");
        let text = launch::text(&programs, &checkout, &work)?;
        print!("{text}");
        return table::write(&document(), "launch", &text);
    }
    let mut rows = Vec::new();
    if wanted("sizes") {
        rows.append(&mut sizes::rows(&demo)?);
    }
    if wanted("boot") {
        say("kernel start to first app line");
        let image = boot::build(&programs, &checkout, &work.join("image"))?;
        rows.append(&mut boot::rows(&programs, &image)?);
    }
    if wanted("panel") {
        say("panel under load, and the memory that is left");
        rows.append(&mut panel::rows(&programs, &checkout, &demo, &work)?);
    }
    if wanted("rebuild") {
        say("rebuild after one app changed");
        rows.append(&mut rebuild::rows(&programs, &checkout, &demo)?);
    }
    rows.append(&mut checks);
    rows.append(&mut sandboxes);
    if wanted("dev") {
        say("saved to running again");
        rows.append(&mut dev::rows(&programs, &checkout)?);
    }
    if wanted("idle") {
        say("memory of an idle app");
        rows.append(&mut idle::rows(&programs, &checkout, &work)?);
    }
    if wanted("tcp") {
        say("TCP through the packet filter");
        rows.append(&mut tcp::rows(&programs, &checkout, &work)?);
    }
    machine.look_again()?;

    let text = table::text(&rows, &machine.to_string());
    print!("{text}");
    if part.is_some() {
        return Ok(());
    }
    table::write(&document(), "bench", &text)
}

/// Where the tables stand.
fn document() -> PathBuf {
    root().join("docs/SPECIFICATION.md")
}

/// The checkout.
fn root() -> PathBuf {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    bench.ancestors().nth(2).unwrap_or(bench).to_path_buf()
}

/// Says on standard error what is done next.
fn say(text: &str) {
    eprintln!("==> {text}");
}
