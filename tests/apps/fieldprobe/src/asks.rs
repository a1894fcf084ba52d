//! What the app asks the OS for.

use std::io::Write;
use std::time::{Duration, Instant};

use nacre_app::{LineMode, Parity, System, Wake};

use crate::{Failure, Outcome};

pub(crate) fn stats() -> Outcome {
    System::connect()?.stats()?;
    Ok(None)
}

pub(crate) fn apps_status() -> Outcome {
    System::connect()?.apps()?;
    Ok(None)
}

/// Sends a peer some words, until it is there to answer.
pub(crate) fn call(peer: &str) -> Outcome {
    let mut system = System::connect()?;
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match system.call(peer, b"fieldprobe") {
            Ok(answer) if answer == b"fieldprobe" => return Ok(None),
            Ok(_) => return Err(Failure::Os("another answer".into())),
            Err(nacre_app::AskError::Unavailable(_)) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(200));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Answers calls with what they say, for so many seconds.
pub(crate) fn answer(seconds: u64) -> Outcome {
    let mut system = System::connect()?;
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut answered = 0;
    while Instant::now() < until {
        if let Wake::Call(call) = system.wait(&[], Duration::from_millis(500))? {
            system.answer(&call, &call.payload)?;
            answered += 1;
        }
    }
    Ok(Some(answered))
}

pub(crate) fn events() -> Outcome {
    System::connect()?.events()?;
    Ok(None)
}

/// Drives a line, and reads it back.
pub(crate) fn gpio(name: &str) -> Outcome {
    let line = System::connect()?.line(name, LineMode::OutputLow)?;
    line.set(true)?;
    if line.value()? { Ok(None) } else { Err(Failure::Os("it stays low".into())) }
}

pub(crate) fn uart(name: &str) -> Outcome {
    let mut port = System::connect()?.uart(name, 115_200, Parity::None)?;
    port.write_all(b"fieldprobe\r\n")?;
    Ok(None)
}

/// Says twice a second that it is well, for so many seconds.
pub(crate) fn beat(seconds: u64) -> Outcome {
    let mut system = System::connect()?;
    for _ in 0..seconds * 2 {
        system.heartbeat()?;
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(None)
}
