//! `nacre device install`, `remove` and `list`.

use std::path::PathBuf;

use nacre_wire::channel::{Answer, Command};
use serde_json::json;

use super::{Target, capability, done, failure, print as print_json, write};
use crate::app_vm::PATIENCE;
use crate::cli::app::package;
use crate::device::client::{AskDeviceError, Client, Next, Waiting};
use crate::device::{install as transfer, print};
use crate::failure::{Exit, Failure};
use crate::package_file::open::PackageFile;
use crate::progress::Step;
use crate::terminal::Terminal;

/// Arguments of `nacre device install`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  nacre device install out/com.example.thermostat-armv7.app
  nacre device install thermostat.app --capability thermostat.cap

The device checks the package as at each start: signature, rollback index, what
it asks for and what others have. Then the old one is stopped and the new one
started; whatever goes wrong, and whenever the power goes, one of the two is
there whole. What the app has stored stays.

A production image takes packages only with a device capability.

Exit codes: 64 when the device refuses; 65 or 69 when the package is not good;
75 when there is no room, or the device does not answer.")]
pub(super) struct Install {
    /// Package file.
    #[arg(value_name = "PACKAGE")]
    package: PathBuf,
    /// Device capability to present first.
    #[arg(long, value_name = "FILE")]
    capability: Option<PathBuf>,
}

/// Arguments of `nacre device remove`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  nacre device remove thermostat
  nacre device remove com.example.thermostat --data

Without --data, what the app has stored stays, and with it the app's user id: it
is there again when the app is.")]
pub(super) struct Remove {
    /// Component id, or the last part of it.
    app: String,
    /// Delete what the app has stored as well.
    #[arg(long)]
    data: bool,
    /// Device capability to present first.
    #[arg(long, value_name = "FILE")]
    capability: Option<PathBuf>,
}

/// Sends a package and has it installed.
pub(super) fn install(
    args: &Install,
    target: &Target,
    json: bool,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let package = package::read(&args.package)?;
    let mut client = target.connect_again()?.with_patience(PATIENCE);
    if let Some(file) = &args.capability {
        capability::present(&mut client, file)?;
    }
    let seconds = send(&mut client, &package, terminal)?;
    if json {
        let payload = &package.content.payload;
        return print_json(&json!({
            "installed": payload.component,
            "version": payload.version,
            "bytes": package.bytes.len(),
            "seconds": seconds,
        }));
    }
    terminal.notice(&format!("{} is installed and started ({seconds:.1} s)", package.content.name()));
    Ok(())
}

/// Sends a package that is what its signer made; how long that and the start took, in seconds.
pub(crate) fn send(client: &mut Client, package: &PackageFile, terminal: &Terminal) -> Result<f64, Failure> {
    if !package.image_fits() {
        let what =
            format!("`{}` is not what was signed: app.img does not match its hash", package.path.display());
        return Err(Failure::new(Exit::VerificationFailed, what).hint("build it again, or get it again"));
    }
    let begin = std::time::Instant::now();
    let step = Step::begin(terminal, format!("installing {}", package.content.name()));
    let whole = package.manifest_cose.len().saturating_add(package.image.len()).max(1);
    transfer::install(client, &package.manifest_cose, &package.image, |bytes| {
        step.detail(&format!("{} %", bytes.saturating_mul(100) / whole));
    })
    .map_err(failure)?;
    Ok(begin.elapsed().as_secs_f64())
}

/// Removes an app.
pub(super) fn remove(args: Remove, target: &Target, json: bool) -> Result<(), Failure> {
    let mut client = target.connect_again()?.with_patience(PATIENCE);
    if let Some(file) = &args.capability {
        capability::present(&mut client, file)?;
    }
    match client.ask(Command::Remove { app: args.app, data: args.data }).map_err(failure)? {
        Answer::Done => done(json),
        _ => Err(failure(AskDeviceError::Unexpected)),
    }
}

/// Shows what is installed.
pub(super) fn list(client: &mut Client, json: bool) -> Result<(), Failure> {
    let mut packages = Vec::new();
    let mut unexpected = false;
    let each = |answer| {
        match answer {
            Answer::Package(package) => packages.push(package),
            // None at all.
            Answer::Done => {}
            _ => unexpected = true,
        }
        Next::GoOn
    };
    client.ask_many(Command::Packages, Waiting::Bounded, each).map_err(failure)?;
    if unexpected {
        return Err(failure(AskDeviceError::Unexpected));
    }
    if json {
        return packages.iter().try_for_each(|package| print_json(&print::package_json(package)));
    }
    write(&print::packages(&packages))
}
