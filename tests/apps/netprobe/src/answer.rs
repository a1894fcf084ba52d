//! Sends everything back, and says what came.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// How long a peer may be silent.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves a port, TCP and UDP, for ever.
pub(crate) fn all(port: u16) -> ExitCode {
    let address = (Ipv4Addr::UNSPECIFIED, port);
    let (tcp, udp) = match (TcpListener::bind(address), UdpSocket::bind(address)) {
        (Ok(tcp), Ok(udp)) => (tcp, udp),
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("error: bind port {port}: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("listening");
    thread::spawn(move || packets(&udp));
    for stream in tcp.incoming().flatten() {
        if let Err(error) = connection(stream) {
            println!("tcp: {error}");
        }
    }
    ExitCode::FAILURE
}

fn packets(socket: &UdpSocket) {
    let mut packet = [0; 64];
    while let Ok((length, from)) = socket.recv_from(&mut packet) {
        println!("got udp {}", String::from_utf8_lossy(&packet[..length]));
        // Whoever asked is gone, or may not be reached.
        let _ = socket.send_to(&packet[..length], from);
    }
}

fn connection(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut bytes = [0; 64];
    let length = stream.read(&mut bytes)?;
    println!("got tcp {}", String::from_utf8_lossy(&bytes[..length]));
    stream.write_all(&bytes[..length])
}
