//! A stream from the inside of a pair to its outside.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::namespaces::{Pair, within};

/// The one that the app's manifest lists, and one that it doesn't.
const PORT: u16 = 5001;
const UNLISTED_PORT: u16 = 5002;
/// What goes with one call.
const CHUNK: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(5);

/// What becomes of a connection to a port that the manifest doesn't list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unlisted {
    /// The packet filter says no: EHOSTUNREACH.
    Forbidden,
    /// It is refused by the other end, where nobody listens: ECONNREFUSED.
    Reached,
}

/// Connects to the port that isn't listed; an error if that doesn't end as expected.
pub(crate) fn expect_unlisted(pair: &Pair, expected: Unlisted) -> io::Result<()> {
    let error =
        within(&pair.inside, || Ok(TcpStream::connect_timeout(&address(UNLISTED_PORT), PATIENCE).err()))?;
    let found = match error.as_ref().map(io::Error::kind) {
        Some(ErrorKind::HostUnreachable) => Some(Unlisted::Forbidden),
        Some(ErrorKind::ConnectionRefused) => Some(Unlisted::Reached),
        _ => None,
    };
    if found == Some(expected) {
        return Ok(());
    }
    Err(io::Error::other(format!("an unlisted port is not {expected:?}: {error:?}")))
}

/// Sends so many bytes; the time from the first until the other end has the last.
pub(crate) fn send(pair: &Pair, bytes: usize) -> io::Result<Duration> {
    // A socket stays in the namespace that it was opened in.
    let listener = within(&pair.outside, || TcpListener::bind(address(PORT)))?;
    let mut sender = within(&pair.inside, || TcpStream::connect_timeout(&address(PORT), PATIENCE))?;
    let (mut receiver, _) = listener.accept()?;
    let begin = Instant::now();
    let receive = thread::spawn(move || -> io::Result<(usize, Instant)> {
        let (mut chunk, mut count) = (vec![0; CHUNK], 0);
        loop {
            match receiver.read(&mut chunk)? {
                0 => return Ok((count, Instant::now())),
                more => count += more,
            }
        }
    });
    let chunk = vec![0x5a; CHUNK];
    for _ in 0..bytes / CHUNK {
        sender.write_all(&chunk)?;
    }
    sender.shutdown(Shutdown::Write)?;
    let (count, end) = receive.join().map_err(|_| io::Error::other("the receiver panicked"))??;
    if count == bytes { Ok(end - begin) } else { Err(io::Error::other(format!("{count} bytes arrived"))) }
}

fn address(port: u16) -> SocketAddr {
    (Pair::outside_address(), port).into()
}
