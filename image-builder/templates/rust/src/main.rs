//! Answers each HTTP request with one line.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

fn main() -> std::io::Result<()> {
    let port = port_of(std::env::args().skip(1)).unwrap_or(8080);
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    // What is written to standard output and standard error is the app's log: `nacre device logs`.
    println!("listening on port {port}");
    for stream in listener.incoming() {
        // One bad connection is no reason to end; one that waits would keep all others out.
        if let Err(error) = stream.and_then(serve) {
            eprintln!("a connection failed: {error}");
        }
    }
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
