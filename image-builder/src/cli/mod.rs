//! The command line: one file per subcommand.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::failure::{Exit, Failure, OrFail};
use crate::interrupt;
use crate::terminal::{ColorChoice, Terminal};

pub mod app;
pub mod attack;
pub mod build;
pub mod device;
pub mod image;
pub mod kernel;
pub mod key;
pub mod policy;
pub mod run;
pub mod schema;
pub mod shell;

/// Builds, verifies, boots and watches Nacre images.
#[derive(Debug, Parser)]
#[command(name = "nacre", version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    /// Colour: auto, always or never.
    #[arg(long, global = true, value_enum, default_value_t)]
    #[arg(value_name = "WHEN", hide_possible_values = true, display_order = 900)]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Example:
  nacre build recipes/images/demo.yaml
  nacre run out/demo-qemu-armv7

Exit codes: 0 done, 1 internal (diff: different), 2 usage, 64 refused by
policy, 65 bad input, 66 not found, 69 verification failed, 75 try again.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Build a signed image from a recipe.
    Build(build::Args),
    /// Verify, inspect or compare built images.
    Image(image::Args),
    /// Make, check and package apps.
    App(app::Args),
    /// Verify an image, then boot it in a VM.
    Run(run::Args),
    /// Attack an image's sandbox, and see what holds.
    Attack(attack::Args),
    /// Talk to a running device.
    Device(device::Args),
    /// Make and show signing keys.
    Key(key::Args),
    /// Show the sandbox's policy.
    Policy(policy::Args),
    /// Check, explain and build the kernel.
    Kernel(kernel::Args),
    /// Print the JSON Schema of a manifest, recipe or board.
    Schema(schema::Args),
    /// Print what completes this command line in a shell.
    Completions(shell::Completions),
    /// Write the pages of the manual.
    Manual(shell::Manual),
}

/// Parses the process's arguments, does what they ask, and prints what went wrong.
pub fn main() -> ExitCode {
    let cli = match app_run().map_or_else(Cli::try_parse, Ok) {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version come this way too, with code 0; usage errors have code 2.
            let code = u8::try_from(e.exit_code()).unwrap_or(2);
            let _ = e.print();
            return ExitCode::from(code);
        }
    };
    let terminal = Terminal::new(cli.color);
    let success = |()| ExitCode::SUCCESS;
    let done = match cli.command {
        Command::Build(args) => build::execute(args, &terminal).map(success),
        // One of their answers is a code of its own.
        Command::Image(args) => image::execute(args, &terminal),
        Command::App(args) => app::execute(args, &terminal),
        Command::Run(args) => run::execute(args, &terminal).map(success),
        Command::Attack(args) => attack::execute(args, &terminal).map(success),
        Command::Device(args) => device::execute(args, &terminal).map(success),
        Command::Policy(args) => policy::execute(args).map(success),
        Command::Key(args) => key::execute(args, &terminal).map(success),
        Command::Kernel(args) => kernel::execute(args, &terminal).map(success),
        Command::Schema(args) => schema::execute(&args).map(success),
        Command::Completions(args) => shell::completions(&args, Cli::command()).map(success),
        Command::Manual(args) => shell::manual(&args, Cli::command(), &terminal).map(success),
    };
    interrupt::settle();
    match done {
        Ok(code) => code,
        Err(failure) => {
            let exit = failure.exit();
            terminal.print(&failure.into_report());
            exit.into()
        }
    }
}

/// `nacre app run` with its arguments alone. It is there for who saves and tries again, and to make all the other
/// commands' arguments takes longer than to start an app. What this doesn't understand is for the whole parser to answer.
#[derive(Debug, Parser)]
struct AppRun {
    #[arg(long, value_enum, default_value_t)]
    color: ColorChoice,
    #[command(flatten)]
    args: app::run::Args,
}

fn app_run() -> Option<Cli> {
    let mut words = std::env::args_os();
    let program = words.next()?;
    if words.next()? != "app" || words.next()? != "run" {
        return None;
    }
    let AppRun { color, args } = AppRun::try_parse_from([program].into_iter().chain(words)).ok()?;
    Some(Cli { color, command: Command::App(app::Args::run(args)) })
}

/// Writes data to standard output.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever read it has seen enough: `nacre image inspect … | head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.or_fail(Exit::Internal, || "writing to standard output".to_owned()),
    }
}
