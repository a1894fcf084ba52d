//! The socket that apps talk to, and their connections (`unix(7)`, `SOCK_SEQPACKET`).

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use nacre_appmgr_core::AppIndex;
use nacre_appmgr_core::peers::ConnectionId;
use nacre_sys::fd_passing;
use nacre_wire::app::{MAX_PACKET, Message, Request};
use nacre_wire::message;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, bind, getsockopt, listen, recv,
    setsockopt, socket, sockopt,
};

/// Connections that one app may have open.
pub const MOST_CONNECTIONS: usize = 4;

/// Packets kept for an app that does not read: the calls that may wait for it, and one reply.
const MOST_QUEUED: usize = 9;

/// Connections that wait to be accepted.
pub const BACKLOG: usize = 8;

/// Bytes that the kernel keeps for an app that does not read: its default is 30 times as much, all of it the
/// OS's memory. Half of the doubled number (`socket(7)`) holds the longest packet, or it would be cut in two.
const SEND_BYTES: usize = 8 * 1024;
const _: () = assert!(SEND_BYTES > MAX_PACKET + 64);

/// The listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
}

impl Listener {
    /// Listens at a path, for everybody: who somebody is, the kernel says.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Unix,
            SockType::SeqPacket,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            None,
        )?;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
        Self::of(socket)
    }

    /// Listens on a socket that has its place. It does not block.
    ///
    /// # Errors
    /// Those of `listen(2)`.
    pub fn of(socket: OwnedFd) -> io::Result<Self> {
        listen(&socket, Backlog::new(i32::try_from(BACKLOG).unwrap_or_default())?)?;
        Ok(Self { socket: socket.into() })
    }

    /// The next connection and the uid at its other end (`SO_PEERCRED`); `None` if none waits.
    pub fn accept(&self) -> io::Result<Option<(OwnedFd, u32)>> {
        let socket: OwnedFd = match self.socket.accept() {
            Ok((socket, _)) => socket.into(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        setsockopt(&socket, sockopt::SndBuf, &SEND_BYTES)?;
        let peer = getsockopt(&socket, sockopt::PeerCredentials)?;
        Ok(Some((socket, peer.uid())))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    app: AppIndex,
    queue: VecDeque<Packet>,
    /// It is told of events.
    listens: bool,
}

/// What is to be sent.
#[derive(Debug)]
struct Packet {
    bytes: Vec<u8>,
    descriptor: Option<OwnedFd>,
}

/// All connections of all apps.
#[derive(Debug, Default)]
pub struct Connections {
    open: BTreeMap<ConnectionId, Connection>,
    last: u64,
}

/// What came in.
#[derive(Debug)]
pub enum Received {
    /// A request.
    Request(Request),
    /// Nothing is there now.
    Nothing,
    /// The other end closed it.
    Closed,
    /// No request of this protocol, in words for the log.
    Bad(String),
}

/// What became of a packet to an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Nothing is left to send.
    All,
    /// Some is kept until the app reads.
    Waiting,
    /// The other end is gone, or has not read for too long.
    Broken,
}

impl Connections {
    /// Takes a connection, unless the app has its share already.
    pub fn add(&mut self, socket: OwnedFd, app: AppIndex) -> Option<ConnectionId> {
        if self.open.values().filter(|connection| connection.app == app).count() >= MOST_CONNECTIONS {
            return None;
        }
        self.last += 1;
        let id = ConnectionId(self.last);
        self.open.insert(id, Connection { socket, app, queue: VecDeque::new(), listens: false });
        Some(id)
    }

    /// The app at the other end and the descriptor.
    pub fn get(&self, id: ConnectionId) -> Option<(AppIndex, BorrowedFd<'_>)> {
        self.open.get(&id).map(|connection| (connection.app, connection.socket.as_fd()))
    }

    /// The connection that takes an app's calls: its oldest.
    pub fn oldest_of(&self, app: AppIndex) -> Option<ConnectionId> {
        self.open.iter().find(|(_, connection)| connection.app == app).map(|(id, _)| *id)
    }

    /// Every connection of an app.
    pub fn all_of(&self, app: AppIndex) -> Vec<ConnectionId> {
        self.open.iter().filter(|(_, connection)| connection.app == app).map(|(id, _)| *id).collect()
    }

    /// Has this connection be told of events.
    pub fn set_listening(&mut self, id: ConnectionId) {
        if let Some(connection) = self.open.get_mut(&id) {
            connection.listens = true;
        }
    }

    /// The connections of an app that are told of events.
    pub fn listening_of(&self, app: AppIndex) -> Vec<ConnectionId> {
        let all = self.open.iter().filter(|(_, connection)| connection.app == app && connection.listens);
        all.map(|(id, _)| *id).collect()
    }

    /// Ends a connection.
    pub fn close(&mut self, id: ConnectionId) {
        self.open.remove(&id);
    }

    /// Takes the next packet.
    pub fn receive(&self, id: ConnectionId) -> Received {
        let Some(connection) = self.open.get(&id) else { return Received::Nothing };
        let mut packet = [0; MAX_PACKET];
        // With MSG_TRUNC the kernel gives the packet's own length, also of one that is cut.
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        match recv(connection.socket.as_raw_fd(), &mut packet, flags) {
            Ok(0) => Received::Closed,
            Ok(length) => match packet.get(..length) {
                None => Received::Bad(format!("a packet of {length} bytes")),
                Some(bytes) => match message::decode(bytes) {
                    Ok(request) => Received::Request(request),
                    Err(error) => Received::Bad(error.to_string()),
                },
            },
            Err(Errno::EAGAIN | Errno::EINTR) => Received::Nothing,
            Err(_) => Received::Closed,
        }
    }

    /// Sends a message, with a descriptor if there is one, or keeps it until there is room.
    pub fn send(&mut self, id: ConnectionId, message: &Message, descriptor: Option<OwnedFd>) -> Sent {
        let Some(connection) = self.open.get_mut(&id) else { return Sent::Broken };
        // Every message made here is within the bounds: texts are cut, payloads came in such a packet.
        let Ok(bytes) = message::encode(message) else { return Sent::Broken };
        if connection.queue.len() >= MOST_QUEUED {
            return Sent::Broken;
        }
        connection.queue.push_back(Packet { bytes, descriptor });
        self.flush(id)
    }

    /// Sends what is kept.
    pub fn flush(&mut self, id: ConnectionId) -> Sent {
        let Some(connection) = self.open.get_mut(&id) else { return Sent::Broken };
        while let Some(packet) = connection.queue.front() {
            let descriptor: Vec<BorrowedFd<'_>> = packet.descriptor.iter().map(AsFd::as_fd).collect();
            match fd_passing::send(&connection.socket, &packet.bytes, &descriptor) {
                Ok(()) => drop(connection.queue.pop_front()),
                Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS) => return Sent::Waiting,
                Err(_) => return Sent::Broken,
            }
        }
        // An idle connection keeps no memory.
        connection.queue.shrink_to_fit();
        Sent::All
    }

    /// Whether something is kept for the app. Then nothing more is read from it.
    pub fn is_waiting(&self, id: ConnectionId) -> bool {
        self.open.get(&id).is_some_and(|connection| !connection.queue.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use nacre_wire::app::{Ask, Outcome};
    use nix::sys::socket::{connect, send, socketpair};

    use super::*;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap()
    }

    fn one() -> (Connections, ConnectionId, OwnedFd) {
        let (ours, theirs) = pair();
        let mut connections = Connections::default();
        let id = connections.add(ours, AppIndex(0)).unwrap();
        (connections, id, theirs)
    }

    fn write(fd: &OwnedFd, bytes: &[u8]) {
        send(fd.as_raw_fd(), bytes, MsgFlags::empty()).unwrap();
    }

    #[test]
    fn listener_tells_the_uid_of_who_connects() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nacre.sock");
        let listener = Listener::bind(&path).unwrap();
        let listener = {
            drop(listener);
            Listener::bind(&path).unwrap()
        };
        assert!(listener.accept().unwrap().is_none());
        let client = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::empty(), None).unwrap();
        connect(client.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        let (_, uid) = listener.accept().unwrap().unwrap();
        assert_eq!(uid, nix::unistd::geteuid().as_raw());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
    }

    #[test]
    fn packets_to_an_app_that_does_not_read_are_whole_and_cost_little() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nacre.sock");
        let listener = Listener::bind(&path).unwrap();
        let client = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::empty(), None).unwrap();
        connect(client.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap().unwrap();
        let most = 2 * SEND_BYTES / MAX_PACKET + 1;
        let sent = (0..100)
            .take_while(|_| send(socket.as_raw_fd(), &[7; MAX_PACKET], MsgFlags::MSG_DONTWAIT).is_ok())
            .count();
        assert!((1..=most).contains(&sent), "{sent} packets");
        let mut packet = [0; 2 * MAX_PACKET];
        assert_eq!(recv(client.as_raw_fd(), &mut packet, MsgFlags::empty()).unwrap(), MAX_PACKET);
    }

    #[test]
    fn connections_over_an_apps_share_are_refused() {
        let mut connections = Connections::default();
        let mut others = Vec::new();
        for _ in 0..MOST_CONNECTIONS {
            let (ours, theirs) = pair();
            others.push(theirs);
            connections.add(ours, AppIndex(1)).unwrap();
        }
        assert_eq!(connections.add(pair().0, AppIndex(1)), None);
        let other = connections.add(pair().0, AppIndex(2)).unwrap();
        assert_eq!(connections.oldest_of(AppIndex(1)), Some(ConnectionId(1)));
        assert_eq!(connections.oldest_of(AppIndex(2)), Some(other));
        connections.close(ConnectionId(1));
        assert_eq!(connections.oldest_of(AppIndex(1)), Some(ConnectionId(2)));
        assert!(connections.add(pair().0, AppIndex(1)).is_some());
    }

    #[test]
    fn receive_tells_requests_from_anything_else() {
        let (connections, id, theirs) = one();
        assert!(matches!(connections.receive(id), Received::Nothing));
        let request = Request { id: 4, ask: Ask::Stats };
        write(&theirs, &message::encode(&request).unwrap());
        assert!(matches!(connections.receive(id), Received::Request(got) if got == request));
        for bad in [&b"x"[..], &[0xff; 100], &[0xa0; MAX_PACKET + 1], &vec![0; 30_000]] {
            write(&theirs, bad);
            assert!(matches!(connections.receive(id), Received::Bad(_)));
        }
        drop(theirs);
        assert!(matches!(connections.receive(id), Received::Closed));
    }

    #[test]
    fn descriptor_goes_with_its_packet_and_is_closed_here() {
        let (mut connections, id, theirs) = one();
        let message = Message::Reply { id: 1, outcome: Outcome::Descriptor };
        let (reader, writer) = std::io::pipe().unwrap();
        assert_eq!(connections.send(id, &message, Some(reader.into())), Sent::All);
        let mut packet = [0; MAX_PACKET];
        let received = fd_passing::receive(&theirs, &mut packet).unwrap();
        assert_eq!(message::decode::<Message>(&packet[..received.length]).unwrap(), message);
        assert_eq!(received.fds.len(), 1);
        drop(received);
        let error = std::io::Write::write(&mut &writer, b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "no other copy is left");
    }

    #[test]
    fn connection_that_listens_is_found_by_its_app() {
        let (mut connections, id, _theirs) = one();
        assert_eq!(connections.listening_of(AppIndex(0)), []);
        connections.set_listening(id);
        assert_eq!(connections.listening_of(AppIndex(0)), [id]);
        assert_eq!(connections.listening_of(AppIndex(1)), []);
        connections.close(id);
        assert_eq!(connections.listening_of(AppIndex(0)), []);
    }

    #[test]
    fn send_to_an_app_that_does_not_read_ends_at_the_bound() {
        let (mut connections, id, theirs) = one();
        let message = Message::Reply { id: 1, outcome: Outcome::Answer(vec![0; 3_000]) };
        let mut seen = Vec::new();
        while seen.last() != Some(&Sent::Broken) {
            seen.push(connections.send(id, &message, None));
            assert!(seen.len() < 10_000);
        }
        assert_eq!(seen.iter().filter(|sent| **sent == Sent::Waiting).count(), MOST_QUEUED);
        assert!(connections.is_waiting(id));
        // It reads again: all that was kept arrives.
        let mut packet = [0; MAX_PACKET];
        let mut got = 0;
        while recv(theirs.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT).is_ok() {
            got += 1;
            connections.flush(id);
        }
        assert_eq!(got, seen.len() - 1);
        assert_eq!(connections.flush(id), Sent::All);
        drop(theirs);
        assert_eq!(connections.send(id, &message, None), Sent::Broken);
    }
}
