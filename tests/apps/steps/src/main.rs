//! Does what its arguments say, one step each, and says what came of it: `step line LED1 low: done`. A step that fails
//! says why, and the next one follows; at the end it says `all steps made`.
//!
//! | step | what it does | what it says |
//! | --- | --- | --- |
//! | `line NAME in\|edges\|low\|high` | takes a GPIO line | `done` |
//! | `set NAME 0\|1`, `value NAME` | drives it, reads it | `done`, `0` or `1` |
//! | `edge NAME SECONDS` | waits for a change of it | `rising`, `falling` or `none` |
//! | `uart NAME BAUD none\|even\|odd` | takes a serial port | `done` |
//! | `send NAME TEXT`, `hear NAME SECONDS` | writes a line to it, reads one | `done`, what came |
//! | `release NAME` | gives line or port back | `done` |
//! | `heartbeat`, `beat SECONDS` | says that it is well, once or each second | `done` |
//! | `flood SECONDS` | says so as often as it can | how often |
//! | `listen`, `event SECONDS` | asks for events, waits for one | `done`, the event or `none` |
//! | `stats`, `apps` | asks the OS | `done` |
//! | `fill FILE`, `crowd FOLDER` | writes a file, makes files, until that fails | KiB or files, and the error |
//! | `read FILE`, `write FILE TEXT` | as they say | the first line, `done` |
//! | `tick SECONDS` | asks the OS ten times a second | how often it got an answer |
//! | `unshare`, `hostname NAME`, `packets`, `code`, `folder PATH`, `remove PATH`, `execute PATH`, `connect ADDRESS`, `bind ADDRESS` | tries what may be denied | `done` |
//! | `storm THREADS SECONDS`, `grip SECONDS` | tries what is denied as often as it can, the second while it keeps its memory locked | how often |
//! | `wait SECONDS`, `hang` | does nothing, for ever | `done` |
#![forbid(unsafe_code)]

mod denied;
mod disk;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nacre_app::{Edge, Event, Line, LineMode, Parity, System, Wake};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::tcdrain;

type Outcome = Result<String, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut hands = Hands { system: None, lines: BTreeMap::new(), ports: BTreeMap::new() };
    for step in std::env::args().skip(1) {
        match hands.make(&step) {
            Ok(said) => println!("step {step}: {said}"),
            Err(error) => println!("step {step}: {error}"),
        }
    }
    println!("all steps made");
    Ok(())
}

/// What it holds.
struct Hands {
    system: Option<System>,
    lines: BTreeMap<String, Line>,
    ports: BTreeMap<String, File>,
}

impl Hands {
    fn make(&mut self, step: &str) -> Outcome {
        // Only a serial port has more than two things to be said of it; the last word of the others is a text.
        let most = if step.starts_with("uart ") { 4 } else { 3 };
        let words: Vec<&str> = step.splitn(most, ' ').collect();
        match *words {
            ["line", name, mode] => {
                let line = self.system()?.line(name, line_mode(mode)?)?;
                self.lines.insert(name.to_owned(), line);
            }
            ["set", name, value] => self.line(name)?.set(value == "1")?,
            ["value", name] => return Ok(u8::from(self.line(name)?.value()?).to_string()),
            ["edge", name, wait] => {
                let wait = seconds(wait)?;
                return Ok(match self.line(name)?.next_edge(wait)? {
                    Some(Edge::Rising) => "rising",
                    Some(Edge::Falling) => "falling",
                    None => "none",
                }
                .to_owned());
            }
            ["uart", name, baud, parity] => {
                let port = self.system()?.uart(name, baud.parse()?, parity_of(parity)?)?;
                self.ports.insert(name.to_owned(), port);
            }
            ["send", name, text] => {
                let port = self.port(name)?;
                writeln!(port, "{text}")?;
                // What is not sent yet when the port is given back is lost.
                tcdrain(&*port)?;
            }
            ["hear", name, wait] => {
                let wait = seconds(wait)?;
                return hear(self.port(name)?, wait);
            }
            ["release", name] => {
                if self.lines.remove(name).is_none() && self.ports.remove(name).is_none() {
                    return Err("it was not taken".into());
                }
            }
            ["heartbeat"] => self.system()?.heartbeat()?,
            ["beat", time] => {
                let until = Instant::now() + seconds(time)?;
                while Instant::now() < until {
                    self.system()?.heartbeat()?;
                    sleep(Duration::from_secs(1));
                }
            }
            ["flood", time] => {
                let until = Instant::now() + seconds(time)?;
                let mut count = 0;
                while Instant::now() < until {
                    self.system()?.heartbeat()?;
                    count += 1;
                }
                return Ok(format!("{count} heartbeats"));
            }
            ["listen"] => self.system()?.events()?,
            ["event", wait] => {
                let wait = seconds(wait)?;
                return Ok(match self.system()?.wait(&[], wait)? {
                    Wake::Event(Event::Shutdown) => "shutdown",
                    _ => "none",
                }
                .to_owned());
            }
            ["stats"] => drop(self.system()?.stats()?),
            ["apps"] => drop(self.system()?.apps()?),
            ["fill", file] => return Ok(disk::fill(file)),
            ["crowd", folder] => return Ok(disk::crowd(folder)),
            ["read", file] => {
                let text = fs::read_to_string(file)?;
                return Ok(text.lines().next().unwrap_or_default().to_owned());
            }
            ["write", file, text] => fs::write(file, text)?,
            ["tick", time] => {
                let (begin, time) = (Instant::now(), seconds(time)?);
                let mut answered = 0;
                while begin.elapsed() < time {
                    self.system()?.stats()?;
                    answered += 1;
                    sleep(Duration::from_millis(100));
                }
                return Ok(format!("{answered} answers"));
            }
            ["wait", time] => sleep(seconds(time)?),
            ["hang"] => loop {
                sleep(Duration::from_secs(3600));
            },
            ref words => return denied::attempt(words).unwrap_or_else(|| Err("no such step".into())),
        }
        Ok("done".to_owned())
    }

    fn system(&mut self) -> Result<&mut System, Box<dyn Error>> {
        match &mut self.system {
            Some(system) => Ok(system),
            none => Ok(none.insert(System::connect()?)),
        }
    }

    fn line(&mut self, name: &str) -> Result<&mut Line, Box<dyn Error>> {
        Ok(self.lines.get_mut(name).ok_or("it was not taken")?)
    }

    fn port(&mut self, name: &str) -> Result<&mut File, Box<dyn Error>> {
        Ok(self.ports.get_mut(name).ok_or("it was not taken")?)
    }
}

fn line_mode(word: &str) -> Result<LineMode, Box<dyn Error>> {
    Ok(match word {
        "in" => LineMode::Input,
        "edges" => LineMode::Edges,
        "low" => LineMode::OutputLow,
        "high" => LineMode::OutputHigh,
        _ => return Err("no such mode".into()),
    })
}

fn parity_of(word: &str) -> Result<Parity, Box<dyn Error>> {
    Ok(match word {
        "none" => Parity::None,
        "even" => Parity::Even,
        "odd" => Parity::Odd,
        _ => return Err("no such parity".into()),
    })
}

fn seconds(word: &str) -> Result<Duration, Box<dyn Error>> {
    Ok(Duration::from_secs(word.parse()?))
}

/// One line from a port.
fn hear(port: &mut File, wait: Duration) -> Outcome {
    let until = Instant::now() + wait;
    let mut text = Vec::new();
    while text.last() != Some(&b'\n') {
        let left = until.saturating_duration_since(Instant::now());
        let mut ready = [PollFd::new(port.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, PollTimeout::try_from(left)?)? == 0 {
            return Err(format!("nothing more came after {text:?}").into());
        }
        let mut byte = [0];
        port.read_exact(&mut byte)?;
        text.extend(byte);
    }
    Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
}
