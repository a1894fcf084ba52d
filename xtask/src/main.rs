//! Set-up, run, test and checks: what a person types in a checkout.
#![forbid(unsafe_code)]

mod bench;
mod command;
mod directions;
mod dist;
mod run;
mod setup;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
Builds, runs and tests Nacre from a checkout.

Usage: cargo xtask COMMAND

Commands:
  run [-- OPTIONS]  set up, build the demo image, boot it; OPTIONS go to `nacre run`
  test [--full]     set up, then every check and test; --full adds what takes long
  setup             install what is missing, nothing else
  bench [PART]      measure beside peers; writes the table of docs/SPECIFICATION.md.
                    PART alone is printed only: sizes, boot, panel, rebuild, check,
                    app-run, dev, sandbox, calls, idle, tcp; memory writes where
                    the running demo's memory goes, page by page, and launch
                    where the time of a start goes
  dist              build nacre as one static program, for use outside of a checkout's
                    target folder: target/dist/nacre
  check             format, lints and crate directions, without the tests

Examples:
  cargo xtask run
  cargo xtask run -- --memory 24M --fresh
  cargo xtask test
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["run"] => run::run(&[]),
        ["run", "--", options @ ..] => run::run(options),
        ["test"] => test::test(test::Extent::Usual),
        ["test", "--full"] => test::test(test::Extent::Full),
        ["bench"] => bench::bench(None),
        ["bench", part] => bench::bench(Some(part)),
        ["setup"] => setup::set_up(),
        ["dist"] => dist::dist().map(|path| println!("{}", path.display())),
        ["check"] => test::check(),
        [] | ["help" | "-h" | "--help"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprintln!("error: `{}` is not a command of xtask\n\n{HELP}", other.join(" "));
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code)
        }
    }
}
