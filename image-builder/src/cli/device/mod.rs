//! `nacre device`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use nacre_wire::channel::{Answer, Command};
use serde_json::{Value, json};

use crate::device::client::{AskDeviceError, Client, Next, Waiting};
use crate::device::line::{Line, OpenSerialError};
use crate::device::locate::{self, LocateDeviceError};
use crate::device::print;
use crate::failure::{Exit, Failure, OrFail};
use crate::terminal::Terminal;

mod capability;
pub(crate) mod install;
mod stream;

use stream::{Content, Stream};

const EXAMPLES: &str = "Examples:
  nacre device apps
  nacre device logs --follow --app recorder --since 5m
  nacre device install out/com.example.thermostat-armv7.app
  nacre device events --follow
  nacre device events --json | jq -r 'select(.remedy.line) | .remedy.line'
  nacre device --dir out/demo-qemu-armv7 restart reporter
  nacre device --json info
  nacre device --serial /dev/ttyUSB0 list

A device is known by the output folder that `nacre run` was given. Without --dir
it is the only one that runs from a folder in `out`. With --serial it is the one
at the other end of that line; one `nacre device` at a time has a line, any
number have a VM.";

/// Arguments of `nacre device`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Output folder whose VM is meant.
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Serial line that leads to the device.
    #[arg(long, global = true, value_name = "TTY", conflicts_with = "dir")]
    serial: Option<PathBuf>,
    /// Bits per second of the serial line.
    #[arg(long, global = true, value_name = "NUMBER", default_value_t = 115_200)]
    baud: u32,
    /// Write JSON, one object per line.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the running image and the device's figures.
    #[command(after_help = "Example:\n  nacre device info")]
    Info,
    /// Show every app and its state.
    #[command(after_help = "Example:\n  nacre device apps")]
    Apps,
    /// Show every installed package: version, size, storage, state.
    #[command(after_help = "Example:\n  nacre device --json list")]
    List,
    /// Install a package, in the place of the app's old one.
    Install(install::Install),
    /// Stop an app and remove its package.
    Remove(install::Remove),
    /// Make, show and present device capabilities.
    Capability(capability::Args),
    /// Show the log since boot, as far as the device keeps it.
    #[command(after_help = "Example:\n  nacre device logs --follow --app recorder --since 5m")]
    Logs {
        /// Go on with each new line until Ctrl-C.
        #[arg(long, short)]
        follow: bool,
        /// Only lines of this app.
        #[arg(long)]
        app: Option<String>,
        /// Only lines of so long before now, and later ones: 30s, 5m.
        #[arg(long, value_name = "TIME", value_parser = super::run::parse_time)]
        since: Option<Duration>,
    },
    /// Show what was refused to apps, and what would allow it.
    #[command(
        after_help = "Examples:\n  nacre device events --follow\n  nacre device --json events | jq -r 'select(.remedy.line) | .remedy.line'"
    )]
    Events {
        /// Go on with each new one until Ctrl-C.
        #[arg(long, short)]
        follow: bool,
        /// Only those of this app.
        #[arg(long)]
        app: Option<String>,
        /// Only those of so long before now, and later ones: 30s, 5m.
        #[arg(long, value_name = "TIME", value_parser = super::run::parse_time)]
        since: Option<Duration>,
    },
    /// Start an app that is stopped, done or failed.
    #[command(after_help = "Example:\n  nacre device start recorder")]
    Start {
        /// Component id, or the last part of it.
        app: String,
    },
    /// Stop an app and keep it down.
    #[command(after_help = "Example:\n  nacre device stop recorder")]
    Stop {
        /// Component id, or the last part of it.
        app: String,
    },
    /// Stop an app and start it again.
    #[command(after_help = "Example:\n  nacre device restart org.nacre.recorder")]
    Restart {
        /// Component id, or the last part of it.
        app: String,
    },
    /// Kill an app, as a crash would (development images only).
    #[command(after_help = "Example:\n  nacre device kill recorder")]
    Kill {
        /// Component id, or the last part of it.
        app: String,
    },
    /// Restart the device in order.
    #[command(after_help = "Example:\n  nacre device reboot")]
    Reboot,
    /// Switch the device off in order.
    #[command(after_help = "Example:\n  nacre device power-off")]
    PowerOff,
}

/// Does it.
pub fn execute(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let json = args.json;
    let target = match args.serial {
        Some(tty) => Target::Serial { tty, baud: args.baud },
        None => Target::Vm(args.dir),
    };
    let command = match args.action {
        // Without a device: most of it is for the machine where the key is.
        Action::Capability(args) => return capability::execute(args, &target, json, terminal),
        Action::Install(args) => return install::install(&args, &target, json, terminal),
        Action::Remove(args) => return install::remove(args, &target, json),
        Action::Info => return info(&mut target.connect()?.1, json),
        Action::Apps => return apps(&mut target.connect()?.1, json),
        Action::List => return install::list(&mut target.connect()?.1, json),
        Action::Logs { follow, app, since } => {
            let (target, client) = target.connect()?;
            let content = Content::Lines;
            return Stream { target, content, follow, app, since, json, last: 0 }.show(client, terminal);
        }
        Action::Events { follow, app, since } => {
            let (target, client) = target.connect()?;
            let content = Content::Events;
            return Stream { target, content, follow, app, since, json, last: 0 }.show(client, terminal);
        }
        Action::Start { app } => Command::Start(app),
        Action::Stop { app } => Command::Stop(app),
        Action::Restart { app } => Command::Restart(app),
        Action::Kill { app } => Command::Kill(app),
        Action::Reboot => Command::Reboot,
        Action::PowerOff => Command::PowerOff,
    };
    let (_, mut client) = target.connect()?;
    match client.ask(command).map_err(failure)? {
        Answer::Done => done(json),
        _ => Err(failure(AskDeviceError::Unexpected)),
    }
}

fn done(json: bool) -> Result<(), Failure> {
    if json { print(&json!({ "done": true })) } else { Ok(()) }
}

/// Which device is meant.
#[derive(Debug)]
enum Target {
    /// The VM of an output folder, or the only one that runs.
    Vm(Option<PathBuf>),
    /// The one at the other end of a line.
    Serial { tty: PathBuf, baud: u32 },
}

impl Target {
    /// A connection, and what leads to the same device again.
    fn connect(self) -> Result<(Self, Client), Failure> {
        match self {
            Self::Vm(dir) => {
                let (dir, stream) = locate::connect(dir.as_deref()).map_err(not_located)?;
                Ok((Self::Vm(Some(dir)), Client::new(stream).map_err(failure)?))
            }
            Self::Serial { tty, baud } => {
                let line = Line::serial(&tty, baud).map_err(|error| {
                    let exit = match &error {
                        OpenSerialError::Open(error) if error.kind() == io::ErrorKind::NotFound => {
                            Exit::NotFound
                        }
                        OpenSerialError::Open(_) | OpenSerialError::InUse => Exit::TryAgain,
                        OpenSerialError::NoTerminal => Exit::BadInput,
                        OpenSerialError::Speed(_) => Exit::Usage,
                        OpenSerialError::SetUp(_) => Exit::Internal,
                    };
                    Failure::new(exit, format!("connecting to the device at `{}`", tty.display()))
                        .because(error)
                })?;
                let client = Client::alone(line).map_err(failure)?;
                Ok((Self::Serial { tty, baud }, client))
            }
        }
    }

    /// Another connection, after the one before ended.
    fn connect_again(&self) -> Result<Client, Failure> {
        let same = match self {
            Self::Vm(dir) => Self::Vm(dir.clone()),
            Self::Serial { tty, baud } => Self::Serial { tty: tty.clone(), baud: *baud },
        };
        same.connect().map(|(_, client)| client)
    }
}

fn not_located(error: LocateDeviceError) -> Failure {
    let (exit, hint) = match &error {
        LocateDeviceError::NotRunning(dir) => {
            (Exit::NotFound, format!("start it: nacre run {}", dir.display()))
        }
        LocateDeviceError::NoneRunning => {
            (Exit::NotFound, "start one: nacre run DIR, or name its folder with --dir".to_owned())
        }
        LocateDeviceError::SeveralRunning(_) => (Exit::Usage, "name one with --dir".to_owned()),
        LocateDeviceError::Connect { dir, .. } => {
            (Exit::Internal, format!("look at `{}`", locate::socket_link(dir).display()))
        }
    };
    Failure::new(exit, "connecting to the device").because(error).hint(hint)
}

/// The error with its exit code and what helps.
pub(in crate::cli) fn failure(error: AskDeviceError) -> Failure {
    let exit = match &error {
        AskDeviceError::NoAnswer(_) | AskDeviceError::Closed | AskDeviceError::Later(_) => Exit::TryAgain,
        AskDeviceError::Unverified(_) => Exit::VerificationFailed,
        AskDeviceError::NotFound(_) => Exit::NotFound,
        AskDeviceError::Refused(_) | AskDeviceError::WrongVersion(_) => Exit::Refused,
        AskDeviceError::Encode(_) => Exit::Usage,
        AskDeviceError::Decode(_) | AskDeviceError::Unexpected => Exit::BadInput,
        AskDeviceError::Io(_) => Exit::Internal,
    };
    let hint = match &error {
        AskDeviceError::NoAnswer(_) => Some("it may still be starting: look at the console of `nacre run`"),
        AskDeviceError::NotFound(_) => Some("`nacre device apps` lists the apps"),
        AskDeviceError::WrongVersion(_) => Some("rebuild the image with this version of nacre"),
        _ => None,
    };
    let failure = Failure::new(exit, "asking the device").because(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn info(client: &mut Client, json: bool) -> Result<(), Failure> {
    match client.ask(Command::Info).map_err(failure)? {
        Answer::Info(info) if json => print(&print::info_json(&info)),
        Answer::Info(info) => write(&print::info(&info)),
        _ => Err(failure(AskDeviceError::Unexpected)),
    }
}

fn apps(client: &mut Client, json: bool) -> Result<(), Failure> {
    let mut apps = Vec::new();
    let mut unexpected = false;
    let each = |answer| {
        match answer {
            Answer::App(app) => apps.push(app),
            // No app at all, or the end of the list.
            Answer::Done => {}
            _ => unexpected = true,
        }
        Next::GoOn
    };
    client.ask_many(Command::Apps, Waiting::Bounded, each).map_err(failure)?;
    if unexpected {
        return Err(failure(AskDeviceError::Unexpected));
    }
    if json {
        return apps.iter().try_for_each(|app| print(&print::app_json(app)));
    }
    write(&print::apps(&apps))
}

fn print(value: &Value) -> Result<(), Failure> {
    write(&(value.to_string() + "\n"))
}

fn write(text: &str) -> Result<(), Failure> {
    match emit(text) {
        // Whoever read it has seen enough: `nacre device apps | head -1`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.or_fail(Exit::Internal, || "writing to standard output".to_owned()),
    }
}

fn emit(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
