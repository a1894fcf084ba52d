//! What docs/app-api.md shows, as a whole that is compiled.

use std::error::Error;
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::time::Duration;

use nacre_app::{Edge, Event, Level, LineMode, Parity, System, Wake, data};

fn main() -> Result<(), Box<dyn Error>> {
    let mut system = waits(&TcpListener::bind("0.0.0.0:8080")?)?;
    asks(&mut system)?;
    takes(&mut system)?;
    while !system.stop_requested()? {
        work();
    }
    Ok(())
}

fn waits(listener: &TcpListener) -> Result<System, Box<dyn Error>> {
    let mut system = System::connect()?;
    system.events()?;
    loop {
        match system.wait(&[listener.as_fd()], Duration::from_secs(5))? {
            Wake::Ready(_) => drop(listener.accept()?),
            Wake::Call(call) => system.answer(&call, b"hello")?,
            Wake::Event(Event::Shutdown) => break,
            Wake::Event(Event::Update) | Wake::Timeout => println!("still here"),
        }
    }
    Ok(system)
}

fn asks(system: &mut System) -> Result<(), Box<dyn Error>> {
    system.beat_every(Duration::from_secs(10))?;
    system.log(Level::Warning, "no answer", &[("peer", &"recorder"), ("tries", &3)])?;
    let stats = system.stats()?;
    let device = system.device()?;
    println!("{}: up for {} s", device.board, stats.uptime_ms / 1000);
    for app in system.apps()? {
        println!("{}: {} KiB", app.app, app.memory_kib);
    }
    let answer = system.call("com.example.logger", b"hello")?;
    println!("{} bytes", answer.len());
    Ok(())
}

fn takes(system: &mut System) -> Result<(), Box<dyn Error>> {
    let led = system.line("LED1", LineMode::OutputLow)?;
    led.set(true)?;
    let mut button = system.line("BUTTON1", LineMode::Edges)?;
    let pressed = button.next_edge(Duration::from_secs(60))? == Some(Edge::Rising);
    let mut port = system.uart("console2", 115_200, Parity::None)?;
    port.write_all(b"hello\r\n")?;
    data::save("settings", b"every=5")?;
    let settings = std::fs::read("/data/settings")?;
    println!("{pressed} {}", settings.len());
    Ok(())
}

fn work() {
    std::thread::sleep(Duration::from_millis(100));
}
