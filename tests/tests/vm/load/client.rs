//! A client that asks once.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Asks for a path, and returns the whole answer.
pub(super) fn get(address: SocketAddr, path: &str, patience: Duration) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The device's state; an answer that is none fails the test.
pub(super) fn state(address: SocketAddr, patience: Duration) -> Value {
    let answer = get(address, "/state.json", patience).unwrap_or_else(|error| panic!("the state: {error}"));
    let body = answer.split_once("\r\n\r\n").filter(|(head, _)| head.starts_with("HTTP/1.1 200 "));
    let (_, body) = body.unwrap_or_else(|| panic!("no state, but: {answer}"));
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}
