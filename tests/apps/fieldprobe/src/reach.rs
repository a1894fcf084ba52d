//! The network.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::{Failure, Outcome};

/// How long an answer may take, on a slow machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// UDP says it again as often.
const AGAIN: Duration = Duration::from_secs(1);

const WORDS: &[u8] = b"fieldprobe";

fn place(text: &str) -> Result<SocketAddrV4, Failure> {
    text.parse().map_err(|_| Failure::Usage)
}

/// Connects, and waits for what it said to come back.
pub(crate) fn tcp(to: &str) -> Outcome {
    let mut stream = TcpStream::connect_timeout(&place(to)?.into(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(WORDS)?;
    let mut answer = [0; WORDS.len()];
    stream.read_exact(&mut answer)?;
    said_back(&answer)
}

/// Sends, and waits for the same to come back.
pub(crate) fn udp(to: &str) -> Outcome {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // So that what others say about it comes back.
    socket.connect(place(to)?)?;
    socket.set_read_timeout(Some(AGAIN))?;
    let until = Instant::now() + PATIENCE;
    let mut answer = [0; WORDS.len()];
    loop {
        socket.send(WORDS)?;
        match socket.recv(&mut answer) {
            Ok(_) => return said_back(&answer),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && Instant::now() < until => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn said_back(answer: &[u8]) -> Outcome {
    if answer == WORDS { Ok(None) } else { Err(Failure::Os("another answer".into())) }
}

/// Waits for somebody from outside, and says back what comes.
pub(crate) fn listen_tcp(port: u16) -> Outcome {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    println!("listens on tcp {port}");
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut words = [0; 64];
    let length = stream.read(&mut words)?;
    stream.write_all(words.get(..length).unwrap_or_default())?;
    Ok(None)
}

/// The same with UDP, for some time.
pub(crate) fn listen_udp(port: u16) -> Outcome {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    println!("listens on udp {port}");
    let mut words = [0; 64];
    let (length, from) = socket.recv_from(&mut words)?;
    socket.send_to(words.get(..length).unwrap_or_default(), from)?;
    Ok(None)
}
