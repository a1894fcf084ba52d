//! The device channel of a running VM, shared by every client on this machine.
//!
//! QEMU serves one client at a time, and one that follows the log would lock out all others. So this program
//! is that client, and passes whole frames on: from any client to the device, from the device to all of
//! them. Each knows its own answers by their session number.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nacre_wire::channel::{Command, Request, VERSION};
use nacre_wire::frame::{self, FrameReader};
use nacre_wire::message;

/// How long a reader may block the others before it is dropped.
const PATIENCE: Duration = Duration::from_secs(1);

/// Most clients at once.
const MAX_CLIENTS: usize = 16;

/// The shared channel; it ends, and with it every client's connection, when this is dropped.
#[derive(Debug)]
pub(crate) struct SharedChannel {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    device: UnixStream,
    clients: Vec<UnixStream>,
    open: bool,
}

impl SharedChannel {
    /// Listens at `socket` for clients of the device behind `device`.
    pub(crate) fn open(device: UnixStream, socket: &Path) -> io::Result<Self> {
        // A VM before this one may have left it.
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(socket)?;
        device.set_write_timeout(Some(PATIENCE))?;
        let from_device = device.try_clone()?;
        let shared = Arc::new(Mutex::new(Shared { device, clients: Vec::new(), open: true }));
        let of_reader = Arc::clone(&shared);
        thread::spawn(move || pass_to_clients(from_device, &of_reader));
        let of_listener = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &of_listener));
        Ok(Self { shared })
    }
}

impl Drop for SharedChannel {
    fn drop(&mut self) {
        close(&mut lock(&self.shared));
    }
}

/// Nothing under this lock is left half done by a panic.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &UnixListener, shared: &Arc<Mutex<Shared>>) {
    // The thread ends with the process or with the first client that comes after the VM has gone.
    for client in listener.incoming().flatten() {
        let mut state = lock(shared);
        if !state.open {
            return;
        }
        let (Ok(reader), Ok(())) = (client.try_clone(), client.set_write_timeout(Some(PATIENCE))) else {
            continue;
        };
        if state.clients.len() >= MAX_CLIENTS {
            continue;
        }
        state.clients.push(client);
        drop(state);
        let shared = Arc::clone(shared);
        thread::spawn(move || pass_to_device(reader, &shared));
    }
}

fn pass_to_clients(mut device: UnixStream, shared: &Mutex<Shared>) {
    let mut piece = [0; 4096];
    while let Ok(n @ 1..) = device.read(&mut piece) {
        let bytes = piece.get(..n).unwrap_or_default();
        // A client that does not read, or has gone, is dropped.
        lock(shared).clients.retain_mut(|client| {
            let reached = client.write_all(bytes).is_ok();
            if !reached {
                let _ = client.shutdown(Shutdown::Both);
            }
            reached
        });
    }
    // The device is gone: nobody new is let in either.
    close(&mut lock(shared));
}

fn close(shared: &mut Shared) {
    shared.open = false;
    // Each fails only for a connection that is gone already.
    let _ = shared.device.shutdown(Shutdown::Both);
    for client in shared.clients.drain(..) {
        let _ = client.shutdown(Shutdown::Both);
    }
}

fn pass_to_device(mut client: UnixStream, shared: &Mutex<Shared>) {
    let mut frames = FrameReader::new();
    let mut piece = [0; 4096];
    let mut session = None;
    while let Ok(n @ 1..) = client.read(&mut piece) {
        let bytes = piece.get(..n).unwrap_or_default();
        // Only whole frames, or two clients' bytes would mix.
        for payload in frames.push(bytes).flatten() {
            session = message::decode(&payload).map_or(session, |request: Request| Some(request.session));
            let Ok(frame) = frame::encode(&payload) else { continue };
            let mut shared = lock(shared);
            if !shared.open || shared.device.write_all(&frame).is_err() {
                let _ = client.shutdown(Shutdown::Both);
                return;
            }
        }
    }
    // It has gone, perhaps without a word: the device need not go on with what it asked for.
    let over = session.map(|session| Request { version: VERSION, session, id: 0, command: Command::Close });
    let frame = over.and_then(|over| frame::encode(&message::encode(&over).ok()?).ok());
    let mut shared = lock(shared);
    if let (Some(frame), true) = (frame, shared.open) {
        // A device that is gone has nothing to end.
        let _ = shared.device.write_all(&frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_frame(stream: &mut UnixStream) -> Vec<u8> {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut frames = FrameReader::new();
        let mut piece = [0; 1];
        loop {
            stream.read_exact(&mut piece).unwrap();
            if let Some(frame) = frames.push(&piece).next() {
                return frame.unwrap();
            }
        }
    }

    #[test]
    fn channel_passes_frames_of_every_client_and_answers_to_all() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("device.sock");
        let (ours, mut device) = UnixStream::pair().unwrap();
        let channel = SharedChannel::open(ours, &socket).unwrap();
        let mut first = UnixStream::connect(&socket).unwrap();
        let mut second = UnixStream::connect(&socket).unwrap();

        // The first client stops in the middle of a frame; the second's goes through whole.
        let late = frame::encode(b"late").unwrap();
        first.write_all(&late[..4]).unwrap();
        second.write_all(&frame::encode(b"early").unwrap()).unwrap();
        assert_eq!(read_frame(&mut device), b"early");
        first.write_all(&late[4..]).unwrap();
        assert_eq!(read_frame(&mut device), b"late");

        device.write_all(&frame::encode(b"answer").unwrap()).unwrap();
        assert_eq!(read_frame(&mut first), b"answer");
        assert_eq!(read_frame(&mut second), b"answer");

        drop(channel);
        assert_eq!(first.read(&mut [0; 16]).unwrap(), 0);
        assert_eq!(second.read(&mut [0; 16]).unwrap(), 0);
    }

    #[test]
    fn channel_client_that_goes_away_has_its_session_ended() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("device.sock");
        let (ours, mut device) = UnixStream::pair().unwrap();
        let _channel = SharedChannel::open(ours, &socket).unwrap();
        let mut client = UnixStream::connect(&socket).unwrap();
        let ask = Request { version: VERSION, session: 7, id: 1, command: Command::Info };
        client.write_all(&frame::encode(&message::encode(&ask).unwrap()).unwrap()).unwrap();
        assert_eq!(message::decode::<Request>(&read_frame(&mut device)).unwrap(), ask);
        drop(client);
        let over = message::decode::<Request>(&read_frame(&mut device)).unwrap();
        assert_eq!((over.session, over.command), (7, Command::Close));
    }

    #[test]
    fn channel_of_a_device_that_is_gone_closes_its_clients() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("device.sock");
        let (ours, device) = UnixStream::pair().unwrap();
        let _channel = SharedChannel::open(ours, &socket).unwrap();
        let mut client = UnixStream::connect(&socket).unwrap();
        client.write_all(&frame::encode(b"x").unwrap()).unwrap();
        let mut device = device;
        assert_eq!(read_frame(&mut device), b"x");
        drop(device);
        assert_eq!(client.read(&mut [0; 16]).unwrap(), 0);
    }
}
