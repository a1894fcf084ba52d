//! `cargo xtask bench`: nacre beside its peers, measured in turns in the same run, as one table.
//!
//! Usage: `nacre-bench NACRE LAUNCHER BUSYBOX`. It prints the table and writes it to
//! docs/SPECIFICATION.md. Nothing in it is known before: what cannot be measured is an error.
#![forbid(unsafe_code)]

mod boot;
mod machine;
mod programs;
mod rebuild;
mod samples;
mod sandbox;
mod sizes;
mod table;
mod tree;

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
        [nacre, launcher, busybox] => bench(nacre.as_ref(), launcher.as_ref(), busybox.as_ref()),
        _ => {
            eprintln!("usage: nacre-bench NACRE LAUNCHER BUSYBOX; `cargo xtask bench` does it");
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

fn bench(nacre: &Path, launcher: &Path, busybox: &Path) -> Result<()> {
    // All of them first: nobody wants to miss one after minutes.
    let programs = Programs::find(nacre, launcher, busybox)?;
    let work = root().join("target/bench");
    fs::create_dir_all(&work)?;
    let mut machine = Machine::look()?;

    say("sandbox start");
    let mut sandboxes = sandbox::rows(&programs)?;
    say("sizes, and rebuild after one app changed");
    let checkout = tree::copy_checkout(&root(), &work.join("checkout"))?;
    let demo = rebuild::build(&programs, &checkout, rebuild::DEMO, &work.join("demo"))?;
    let mut rows = sizes::rows(&demo)?;
    let mut rebuilds = rebuild::rows(&programs, &checkout, &demo)?;
    say("kernel start to first app line");
    let image = rebuild::build(&programs, &checkout, boot::RECIPE, &work.join("image"))?;
    rows.append(&mut boot::rows(&programs, &image)?);
    rows.append(&mut rebuilds);
    rows.append(&mut sandboxes);
    machine.look_again()?;

    let text = table::text(&rows, &machine.to_string());
    print!("{text}");
    table::write(&root().join("docs/SPECIFICATION.md"), &text)
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
