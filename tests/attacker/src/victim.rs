//! The victim: keeps a secret, serves a port, and writes down how well it can do its work.

use std::fs::{self, File};
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::process::ExitCode;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use nacre_app::System;

use crate::attack::name_process;

/// Its port, TCP and UDP.
pub(crate) const PORT: u16 = 7000;

/// Time between two beats.
const BEAT: Duration = Duration::from_millis(200);

/// Serves the secret in `/data/secret` as it is now; writes `/tmp/beat`: number of beats, the longest pause between
/// two in milliseconds, and what failed.
pub(crate) fn serve() -> ExitCode {
    name_process("victim");
    let secret = || fs::read("/data/secret").unwrap_or_default();
    if let Ok(listener) = TcpListener::bind(("0.0.0.0", PORT)) {
        spawn(move || listener.incoming().flatten().for_each(|mut peer| drop(peer.write_all(&secret()))));
    }
    if let Ok(socket) = UdpSocket::bind(("0.0.0.0", PORT)) {
        spawn(move || {
            let mut packet = [0; 64];
            while let Ok((_, from)) = socket.recv_from(&mut packet) {
                let _ = socket.send_to(&secret(), from);
            }
        });
    }
    let _ = fs::remove_file("/data/socket");
    if let Ok(listener) = UnixListener::bind("/data/socket") {
        spawn(move || listener.incoming().flatten().for_each(|mut peer| drop(peer.write_all(&secret()))));
    }
    let mut system = System::connect().ok().map(|system| system.with_patience(Duration::from_secs(2)));
    let (mut beats, mut longest, mut last) = (0u64, 0, Instant::now());
    let mut failed = String::new();
    loop {
        sleep(BEAT);
        beats += 1;
        let mut fail = |what: &str| {
            if !failed.contains(what) {
                failed.push(' ');
                failed.push_str(what);
            }
        };
        if store().is_err() {
            fail("disk");
        }
        if File::open("/dev/null").is_err() {
            fail("open");
        }
        if spawn_thread().is_err() {
            fail("thread");
        }
        if beats.is_multiple_of(4) && system.as_mut().is_some_and(|system| system.stats().is_err()) {
            fail("os");
            // Its answer may still come; a new connection tells better.
            system = System::connect().ok().map(|system| system.with_patience(Duration::from_secs(2)));
        }
        longest = longest.max(last.elapsed().as_millis());
        last = Instant::now();
        // The witness reads it in one piece, or sees that the work does not go on.
        let _ = fs::write("/tmp/beat.new", format!("{beats} {longest}{failed}"));
        let _ = fs::rename("/tmp/beat.new", "/tmp/beat");
        if fs::remove_file("/tmp/forget").is_ok() {
            (longest, failed) = (0, String::new());
        }
    }
}

/// A file that needs a block and an inode, each time anew.
fn store() -> std::io::Result<()> {
    fs::write("/data/work", [7; 2048])?;
    File::open("/data/work")?.sync_all()?;
    fs::remove_file("/data/work")
}

fn spawn_thread() -> std::io::Result<()> {
    std::thread::Builder::new()
        .stack_size(16 * 1024)
        .spawn(|| ())?
        .join()
        .map_err(|_| std::io::ErrorKind::Other.into())
}
