//! A page with the state of the device and its apps.
#![forbid(unsafe_code)]

use std::error::Error;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use nacre_app::System;
use panel::{Names, Panel, Server, Source};

/// Waiting for the OS holds up everybody who looks on; it answers within milliseconds, or not at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// Between two heartbeats: a third of what the manifest allows.
const HEARTBEAT: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let (port, names) = arguments(std::env::args().skip(1))?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    let source = Source::new(|| System::connect().map(|system| system.with_patience(PATIENCE)));
    let mut server = Server::new(listener, Panel::new(source), names)?;
    println!("serving on port {port}");
    let mut next = Instant::now();
    loop {
        let now = Instant::now();
        if next <= now {
            server.heartbeat();
            next = now + HEARTBEAT;
        }
        server.turn(Some(next.saturating_duration_since(now)))?;
    }
}

/// The port, and the names by which the panel may be called besides addresses and local names.
fn arguments(mut words: impl Iterator<Item = String>) -> Result<(u16, Names), String> {
    let (mut port, mut names) = (8080, Names::default());
    while let Some(option) = words.next() {
        let value = words.next().ok_or_else(|| format!("`{option}` wants a value"))?;
        match option.as_str() {
            "--port" => port = value.parse().map_err(|_| format!("`{value}` is not a port"))?,
            "--host" => names.add(&value),
            _ => {
                return Err(format!("`{option}` is not known: options are `--port PORT`, `--host NAME`"));
            }
        }
    }
    Ok((port, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<(u16, Names), String> {
        arguments(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn arguments_are_checked() {
        assert_eq!(parse(&[]).unwrap().0, 8080);
        assert_eq!(parse(&["--port", "81", "--host", "panel.example.com"]).unwrap().0, 81);
        for (words, said) in [
            (&["--port"] as &[&str], "wants a value"),
            (&["--port", "99999"], "`99999` is not a port"),
            (&["--prot", "1"], "`--prot` is not known"),
        ] {
            assert!(parse(words).unwrap_err().contains(said), "{words:?}");
        }
    }
}
