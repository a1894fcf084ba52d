//! Every call of this crate once, with a line for each: what it gave, or the words with which it was refused.
//!
//! `tour LINE PORT PEER` asks for a GPIO line, a serial port and an answer of a peer; `tour answer` is that peer. The
//! tests run both as apps on each board, with a manifest that allows everything and with one that allows nothing.

use std::error::Error;
use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, Instant};

use nacre_app::{AskError, Edge, Event, Level, LineMode, Parity, System, Wake, data};

/// Between two heartbeats: a third of what the manifest says.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// How long the peer may take to be there.
const PEER_STARTS: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut system = System::connect()?;
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["answer"] => answer(&mut system),
        [line, port, peer] => tour(&mut system, line, port, peer),
        _ => Err("usage: tour LINE PORT PEER, or tour answer".into()),
    }
}

/// Says in a line how a call ended.
fn tell<T: Display, E: Display>(name: &str, result: Result<T, E>) {
    match result {
        Ok(what) => println!("{name}: ok {what}"),
        Err(error) => println!("{name}: {error}"),
    }
}

fn tour(system: &mut System, line: &str, port: &str, peer: &str) -> Result<(), Box<dyn Error>> {
    tell("log", system.log(Level::Warning, "a line", &[("language", &"rust"), ("parts", &2)]).map(|()| ""));
    tell("stats", system.stats().map(|stats| stats.memory_total_kib > 0));
    tell("device", system.device().map(|device| device.board));
    tell("apps", system.apps().map(|apps| apps.len()));
    tell("call", call(system, peer).map(|answer| String::from_utf8_lossy(&answer).into_owned()));
    tell("line", blink(system, line));
    tell("uart", greet(system, port));
    tell("save", data::save("tour", b"saved").map(|()| ""));
    tell("heartbeat", system.beat_every(HEARTBEAT).map(|()| ""));
    let events = system.events();
    let listens = events.is_ok();
    tell("events", events.map(|()| ""));
    println!("tour ends");
    // Heartbeats go on from in here.
    if listens {
        while system.wait(&[], Duration::MAX)? != Wake::Event(Event::Shutdown) {}
        println!("stop: {}", system.stop_requested()?);
    }
    Ok(())
}

/// Asks a peer, which may not have started yet.
fn call(system: &mut System, peer: &str) -> Result<Vec<u8>, AskError> {
    let until = Instant::now() + PEER_STARTS;
    loop {
        match system.call(peer, b"hello") {
            Err(AskError::Unavailable(_)) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(200));
            }
            other => return other,
        }
    }
}

/// Drives a line and reads it back, then waits a moment for it to change by itself.
fn blink(system: &mut System, name: &str) -> Result<&'static str, Box<dyn Error>> {
    let line = system.line(name, LineMode::OutputLow)?;
    line.set(true)?;
    let value = if line.value()? { "high" } else { "low" };
    drop(line);
    match system.line(name, LineMode::Edges)?.next_edge(Duration::from_millis(10))? {
        None => Ok(value),
        Some(Edge::Rising | Edge::Falling) => Ok("changing"),
    }
}

fn greet(system: &mut System, name: &str) -> Result<&'static str, Box<dyn Error>> {
    let mut port = system.uart(name, 115_200, Parity::None)?;
    port.write_all(b"hello\r\n")?;
    Ok("sent")
}

/// Answers every call with what it says.
fn answer(system: &mut System) -> Result<(), Box<dyn Error>> {
    loop {
        if let Wake::Call(call) = system.wait(&[], Duration::MAX)? {
            system.answer(&call, &call.payload)?;
        }
    }
}
