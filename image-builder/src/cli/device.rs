//! `nacre device`.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Subcommand;
use nacre_wire::channel::{Answer, Command};
use serde_json::{Value, json};

use crate::device::client::{AskDeviceError, Client, Next, Waiting};
use crate::device::locate::{self, LocateDeviceError};
use crate::device::print;
use crate::failure::{Exit, Failure, OrFail};
use crate::terminal::Terminal;

/// How long `--follow` waits for a device that restarts.
const RESTART: Duration = Duration::from_secs(20);

const EXAMPLES: &str = "Examples:
  nacre device apps
  nacre device logs --follow --app recorder
  nacre device events --follow
  nacre device events --json | jq -r 'select(.remedy.line) | .remedy.line'
  nacre device --dir out/demo-qemu-armv7 restart reporter
  nacre device --json info

A device is known by the output folder that `nacre run` was given. Without --dir
it is the only one that runs from a folder in `out`.";

/// Arguments of `nacre device`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Output folder whose VM is meant.
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Write JSON, one object per line.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the running image and the device's figures.
    Info,
    /// Show every app and its state.
    Apps,
    /// Show the log since boot, as far as the device keeps it.
    Logs {
        /// Go on with each new line until Ctrl-C.
        #[arg(long, short)]
        follow: bool,
        /// Only lines of this app.
        #[arg(long)]
        app: Option<String>,
    },
    /// Show what was refused to apps, and what would allow it.
    Events {
        /// Go on with each new one until Ctrl-C.
        #[arg(long, short)]
        follow: bool,
        /// Only those of this app.
        #[arg(long)]
        app: Option<String>,
    },
    /// Start an app that is stopped, done or failed.
    Start {
        /// Component id, or the last part of it.
        app: String,
    },
    /// Stop an app and keep it down.
    Stop {
        /// Component id, or the last part of it.
        app: String,
    },
    /// Stop an app and start it again.
    Restart {
        /// Component id, or the last part of it.
        app: String,
    },
    /// Kill an app, as a crash would (development images only).
    Kill {
        /// Component id, or the last part of it.
        app: String,
    },
    /// Restart the device in order.
    Reboot,
    /// Switch the device off in order.
    PowerOff,
}

/// Does it.
pub fn execute(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let (dir, mut client) = connect(args.dir.as_deref())?;
    let command = match args.action {
        Action::Info => return info(&mut client, args.json),
        Action::Apps => return apps(&mut client, args.json),
        Action::Logs { follow, app } => {
            let content = Content::Lines;
            return Stream { dir, content, follow, app, json: args.json, last: 0 }.show(client, terminal);
        }
        Action::Events { follow, app } => {
            let content = Content::Events;
            return Stream { dir, content, follow, app, json: args.json, last: 0 }.show(client, terminal);
        }
        Action::Start { app } => Command::Start(app),
        Action::Stop { app } => Command::Stop(app),
        Action::Restart { app } => Command::Restart(app),
        Action::Kill { app } => Command::Kill(app),
        Action::Reboot => Command::Reboot,
        Action::PowerOff => Command::PowerOff,
    };
    match client.ask(command).map_err(failure)? {
        Answer::Done if args.json => print(&json!({ "done": true })),
        Answer::Done => Ok(()),
        _ => Err(failure(AskDeviceError::Unexpected)),
    }
}

fn connect(dir: Option<&Path>) -> Result<(PathBuf, Client), Failure> {
    let (dir, stream): (PathBuf, UnixStream) = locate::connect(dir).map_err(|error| {
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
    })?;
    Ok((dir, Client::new(stream).map_err(failure)?))
}

fn failure(error: AskDeviceError) -> Failure {
    let exit = match &error {
        AskDeviceError::NoAnswer(_) | AskDeviceError::Closed => Exit::TryAgain,
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

/// What is shown one after the other.
#[derive(Debug, Clone, Copy)]
enum Content {
    Lines,
    Events,
}

struct Stream {
    dir: PathBuf,
    content: Content,
    follow: bool,
    app: Option<String>,
    json: bool,
    /// Number of the last one that was shown.
    last: u64,
}

impl Stream {
    fn show(mut self, mut client: Client, terminal: &Terminal) -> Result<(), Failure> {
        // Since when the device has been gone, until it says something again.
        let mut gone: Option<Instant> = None;
        loop {
            let before = self.last;
            let done = self.read(&mut client);
            if self.last != before {
                gone = None;
            }
            match done {
                Err(AskDeviceError::Closed) if self.follow => {}
                done => return done.map_err(failure),
            }
            let since = *gone.get_or_insert_with(|| {
                terminal.notice("the device is gone; waiting for it to come back");
                Instant::now()
            });
            if since.elapsed() >= RESTART {
                return Err(failure(AskDeviceError::Closed));
            }
            client = self.reconnect(since + RESTART)?;
            self.last = 0;
        }
    }

    fn read(&mut self, client: &mut Client) -> Result<(), AskDeviceError> {
        let (after, follow, app) = (self.last, self.follow, self.app.clone());
        let command = match self.content {
            Content::Lines => Command::Logs { after, follow, app },
            Content::Events => Command::Events { after, follow, app },
        };
        let waiting = if self.follow { Waiting::ForEver } else { Waiting::Bounded };
        let mut unexpected = false;
        let (json, last) = (self.json, &mut self.last);
        client.ask_many(command, waiting, |answer| {
            let (number, text) = match answer {
                Answer::Log(line) if json => (line.number, print::log_json(&line).to_string()),
                Answer::Log(line) => (line.number, print::log(&line)),
                Answer::Event(denial) if json => (denial.number, print::event_json(&denial).to_string()),
                Answer::Event(denial) => (denial.number, print::event(&denial)),
                Answer::Done => return Next::GoOn,
                _ => {
                    unexpected = true;
                    return Next::Stop;
                }
            };
            *last = number;
            // Whoever read the lines is gone: `nacre device logs -f | head`.
            if emit(&(text + "\n")).is_ok() { Next::GoOn } else { Next::Stop }
        })?;
        if unexpected { Err(AskDeviceError::Unexpected) } else { Ok(()) }
    }

    fn reconnect(&self, deadline: Instant) -> Result<Client, Failure> {
        loop {
            std::thread::sleep(Duration::from_millis(200));
            match locate::connect(Some(&self.dir)) {
                Ok((_, stream)) => return Client::new(stream).map_err(failure),
                Err(error) if Instant::now() >= deadline => {
                    return Err(Failure::new(Exit::TryAgain, "following the device").because(error));
                }
                Err(_) => {}
            }
        }
    }
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
