//! Answers each HTTP request with one line.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use nacre_app::{Event, Level, System, Wake};

/// Between two heartbeats: a third of what nacre.yaml says.
const HEARTBEAT: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let port = port_of(std::env::args().skip(1)).unwrap_or(8080);
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    // The OS: told that the app is well, and asked to tell it before it is stopped.
    let mut system = System::connect()?;
    system.beat_every(HEARTBEAT)?;
    system.events()?;
    // A line of the log with its parts, for `nacre device logs`. What is printed comes there as well, as text.
    system.log(Level::Info, "listening", &[("port", &port)])?;
    loop {
        match system.wait(&[listener.as_fd()], Duration::MAX)? {
            Wake::Ready(_) => {
                // One bad connection is no reason to end; one that waits would keep all others out.
                if let Err(error) = listener.accept().and_then(|(stream, _)| serve(stream)) {
                    eprintln!("a connection failed: {error}");
                }
            }
            // SIGTERM follows within a second: what must be written would be written here.
            Wake::Event(Event::Shutdown) => break,
            _ => {}
        }
    }
    system.log(Level::Info, "stopping", &[])?;
    Ok(())
}

/// The port in `--port 8080`.
fn port_of(mut arguments: impl Iterator<Item = String>) -> Option<u16> {
    arguments.find(|argument| argument == "--port")?;
    arguments.next()?.parse().ok()
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.set_write_timeout(Some(Duration::from_secs(2)))?;
    let mut request = [0; 512];
    let length = stream.read(&mut request)?;
    stream.write_all(answer(&request[..length]).as_bytes())
}

/// What is answered to a request (RFC 9112).
fn answer(request: &[u8]) -> String {
    let (status, body) = match request.starts_with(b"GET / ") {
        true => ("200 OK", "hello from @NAME@\n"),
        false => ("404 Not Found", "there is only /\n"),
    };
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_served_and_nothing_else() {
        assert!(answer(b"GET / HTTP/1.1\r\n").ends_with("\r\n\r\nhello from @NAME@\n"));
        assert!(answer(b"GET /etc/passwd HTTP/1.1\r\n").starts_with("HTTP/1.1 404 "));
        assert!(answer(b"").starts_with("HTTP/1.1 404 "));
    }

    #[test]
    fn port_is_the_word_after_its_name() {
        let port = |line: &str| port_of(line.split(' ').map(str::to_owned));
        assert_eq!(port("--port 80"), Some(80));
        assert_eq!((port("--port"), port("--port many"), port("")), (None, None, None));
    }
}
