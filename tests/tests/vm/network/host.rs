//! The machine that QEMU runs on, which guests see as 10.0.2.2: what it listens on, and what it has heard.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a client may be silent.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two free ports, TCP and UDP, that send everything back. They are served until the test process ends.
#[derive(Debug)]
pub(crate) struct Host {
    /// The port that the app's manifest names.
    pub(crate) open: u16,
    /// The one that it doesn't.
    pub(crate) other: u16,
    heard: Arc<Mutex<BTreeSet<String>>>,
}

impl Host {
    pub(crate) fn start() -> Self {
        let heard = Arc::default();
        let open = listen("open", &heard);
        let other = listen("other", &heard);
        Self { open, other, heard }
    }

    /// Everything that arrived so far: protocol, port, and what was sent.
    pub(crate) fn heard(&self) -> BTreeSet<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn listen(name: &'static str, heard: &Arc<Mutex<BTreeSet<String>>>) -> u16 {
    let (tcp, udp) = (0..100).find_map(|_| pair().ok()).expect("a port is free, TCP and UDP");
    let port = tcp.local_addr().expect("it is bound").port();
    let note = {
        let heard = Arc::clone(heard);
        move |protocol: &str, bytes: &[u8]| {
            let line = format!("{protocol} {name} {}", String::from_utf8_lossy(bytes));
            heard.lock().unwrap_or_else(PoisonError::into_inner).insert(line);
        }
    };
    let note_packet = note.clone();
    thread::spawn(move || {
        let mut packet = [0; 2048];
        while let Ok((length, from)) = udp.recv_from(&mut packet) {
            note_packet("udp", &packet[..length]);
            let _ = udp.send_to(&packet[..length], from);
        }
    });
    thread::spawn(move || {
        for stream in tcp.incoming().flatten() {
            let note = note.clone();
            thread::spawn(move || note("tcp", &answer(stream)));
        }
    });
    port
}

/// A free port for both.
fn pair() -> std::io::Result<(TcpListener, UdpSocket)> {
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let udp = UdpSocket::bind(tcp.local_addr()?)?;
    Ok((tcp, udp))
}

/// Sends back what comes first; that it was connected to at all counts without a word as well.
fn answer(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let length = stream.read(&mut bytes).unwrap_or(0);
    bytes.truncate(length);
    let _ = stream.write_all(&bytes);
    bytes
}
