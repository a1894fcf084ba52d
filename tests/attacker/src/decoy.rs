//! A process of the OS with a secret in every place where processes have any: the witness starts it as root,
//! outside of every layer.

use std::io::Write;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::ExitCode;
use std::thread::{sleep, spawn};
use std::time::Duration;

use crate::attack::name_process;
use crate::call::{call, text};

/// Its port on the loopback interface.
pub(crate) const PORT: u16 = 7777;
/// Its abstract socket.
pub(crate) const ABSTRACT: &str = "nacre-decoy";
/// Number of its descriptor that leads to the secret.
pub(crate) const DESCRIPTOR: i32 = 40;

/// `decoy SECRET`: has it in memory, arguments, environment and a descriptor; serves it on an abstract socket and
/// on the loopback; bears the address of the memory as its name.
pub(crate) fn serve() -> ExitCode {
    let secret = std::env::args().nth(2).unwrap_or_default();
    let memory: &'static mut [u8] = secret.clone().into_bytes().leak();
    if let Ok(file) = call(libc::SYS_memfd_create, &[text("decoy").as_ptr() as usize, 0]) {
        // SAFETY: it was opened just now and has no other owner.
        let file = unsafe { OwnedFd::from_raw_fd(file as i32) };
        let mut file = std::fs::File::from(file);
        let _ = file.write_all(secret.as_bytes());
        let _ = call(libc::SYS_dup3, &[file.as_raw_fd() as usize, DESCRIPTOR as usize, 0]);
    }
    let served = secret.clone();
    if let Ok(listener) =
        SocketAddr::from_abstract_name(ABSTRACT).and_then(|name| UnixListener::bind_addr(&name))
    {
        spawn(move || {
            listener.incoming().flatten().for_each(|mut peer| drop(peer.write_all(served.as_bytes())))
        });
    }
    // Its name shows in /proc/net/unix.
    let shown =
        SocketAddr::from_abstract_name(secret.as_bytes()).and_then(|name| UnixListener::bind_addr(&name));
    if let Ok(listener) = TcpListener::bind(("127.0.0.1", PORT)) {
        let served = secret.clone();
        spawn(move || {
            listener.incoming().flatten().for_each(|mut peer| drop(peer.write_all(served.as_bytes())))
        });
    }
    name_process(&format!("@{:x}", memory.as_ptr() as usize));
    loop {
        sleep(Duration::from_secs(1));
        // Keeps both alive.
        std::hint::black_box((&memory, &shown));
    }
}
