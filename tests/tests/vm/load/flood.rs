//! Everything at once that a port on the network can get: far more connections than there are places, clients
//! that never finish, clients that never read, and what is no HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::get;

/// Threads that hold connections open, saying nothing or next to nothing, and how many each.
const HOLDERS: usize = 16;
const HELD: usize = 20;

/// Threads that connect as fast as they can, of each kind.
const FAST: usize = 4;

/// How long one of those may wait: it is not here to wait.
const SHORT: Duration = Duration::from_millis(500);

/// How long connecting may take: QEMU takes one at a time, and who comes too early is told to come back in a second.
const CONNECT: Duration = Duration::from_secs(5);

/// How much of it was.
#[derive(Debug, Default)]
pub(super) struct Tried {
    held: AtomicU32,
    garbage: AtomicU32,
    requests: AtomicU32,
    answered: AtomicU32,
}

/// Floods a port for so long.
pub(super) fn run(address: SocketAddr, time: Duration) -> Tried {
    let tried = Tried::default();
    let until = Instant::now() + time;
    thread::scope(|scope| {
        for _ in 0..HOLDERS {
            scope.spawn(|| hold(address, until, &tried));
        }
        for seed in 0..FAST {
            let tried = &tried;
            scope.spawn(move || garbage(address, until, seed, tried));
            scope.spawn(move || requests(address, until, tried));
        }
    });
    // More than the packet filter lets through at a time, so that all limits are met.
    let held = tried.held.load(Ordering::Relaxed);
    assert!(held > 100, "that was no flood: {tried:?}");
    tried
}

/// Opens many connections, and gives each a byte of a request now and then; what is closed is opened anew.
fn hold(address: SocketAddr, until: Instant, tried: &Tried) {
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: device\r\nX-Slow: ";
    // With how much of it was sent; one in two says nothing at all.
    let mut held: Vec<(TcpStream, Option<usize>)> = Vec::new();
    while Instant::now() < until {
        while held.len() < HELD && Instant::now() < until {
            let Ok(stream) = TcpStream::connect_timeout(&address, CONNECT) else { break };
            let number = tried.held.fetch_add(1, Ordering::Relaxed);
            held.push((stream, number.is_multiple_of(2).then_some(0)));
        }
        held.retain_mut(|(stream, sent)| {
            let Some(sent) = sent else { return true };
            *sent += 1;
            stream.write_all(&[*REQUEST.get(*sent - 1).unwrap_or(&b'x')]).is_ok()
        });
        thread::sleep(Duration::from_millis(200));
    }
}

/// What is no HTTP, and what is too much of it.
fn garbage(address: SocketAddr, until: Instant, seed: usize, tried: &Tried) {
    let mut number = u32::try_from(seed).unwrap_or(1).wrapping_mul(2_654_435_761) | 1;
    while Instant::now() < until {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (0..16_384_u32).map(|at| number.wrapping_mul(at | 1).to_be_bytes()[0]);
        let bytes: Vec<u8> = match number >> 30 {
            0 => noise.collect(),
            1 => [b"GET / HTTP/1.1\r\nX: ".as_slice(), &vec![b'a'; 65_536]].concat(),
            2 => "GET /?range=24h HTTP/1.1\r\nHost: device\r\n\r\n".repeat(500).into_bytes(),
            _ => b"POST / HTTP/1.1\r\nHost: device\r\nContent-Length: 4294967295\r\n\r\n".to_vec(),
        };
        if let Ok(mut stream) = TcpStream::connect_timeout(&address, CONNECT) {
            tried.garbage.fetch_add(1, Ordering::Relaxed);
            let _ = stream.set_write_timeout(Some(SHORT));
            let _ = stream.set_read_timeout(Some(SHORT));
            let _ = stream.write_all(&bytes);
            // Reads a little of the answer at most.
            let _ = stream.read(&mut [0; 16]);
        }
    }
}

/// Proper requests, as many as go.
fn requests(address: SocketAddr, until: Instant, tried: &Tried) {
    while Instant::now() < until {
        tried.requests.fetch_add(1, Ordering::Relaxed);
        if get(address, "/", SHORT).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 ")) {
            tried.answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}
