//! The connection to the OS.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nacre_wire::app::{Ask, MAX_PACKET, Message, Outcome, Request};
use nacre_wire::status::{AppStatus, Device, Stats};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send, socket};

/// Where the OS listens, in every app.
const SOCKET: &str = "/run/nacre";

/// How long the OS may take for an answer. It gives up on a peer after 5 s by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Calls of peers kept while this app waits for something else; the OS keeps no more open per app.
const MOST_CALLS: usize = 16;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[error("connect to the OS at {SOCKET}")]
pub struct ConnectError(#[source] Errno);

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The manifest does not grant it; the text names the line that would.
    #[error("denied: {0}")]
    Denied(String),
    /// Not possible now; may be later.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The OS makes no sense of the request.
    #[error("invalid: {0}")]
    Invalid(String),
    /// More than [`crate::MAX_PAYLOAD`] bytes, or more than a packet holds.
    #[error("the message is too long")]
    TooLong,
    /// No answer in time.
    #[error("the OS does not answer")]
    Silence,
    /// The answer is not one to this request.
    #[error("the OS answered something else")]
    Unexpected,
    /// The connection is gone.
    #[error("talk to the OS")]
    Connection(#[source] Errno),
}

/// A call of a peer, to be answered with [`System::answer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    number: u32,
    /// Component id of the caller, as the OS knows it.
    pub from: String,
    /// What it says.
    pub payload: Vec<u8>,
}

/// A connection to the OS. An app may have several; calls of peers arrive on the first.
#[derive(Debug)]
pub struct System {
    socket: OwnedFd,
    patience: Duration,
    next_id: u32,
    calls: VecDeque<Call>,
}

impl System {
    /// Connects to the OS.
    pub fn connect() -> Result<Self, ConnectError> {
        let address = UnixAddr::new(SOCKET).map_err(ConnectError)?;
        let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)
            .map_err(ConnectError)?;
        connect(socket.as_raw_fd(), &address).map_err(ConnectError)?;
        Ok(Self::over(socket))
    }

    /// Uses a connected `SOCK_SEQPACKET` socket; for tests of an app without the OS.
    pub fn over(socket: OwnedFd) -> Self {
        Self { socket, patience: PATIENCE, next_id: 1, calls: VecDeque::new() }
    }

    /// Waits no longer than this for an answer, instead of 10 s. One that comes later is dropped.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Figures of the device. Manifest: `system: [stats]`.
    pub fn stats(&mut self) -> Result<Stats, AskError> {
        match self.ask(Ask::Stats)? {
            Outcome::Stats(stats) => Ok(stats),
            other => Err(refusal(other)),
        }
    }

    /// Which device this is. Manifest: `system: [stats]`.
    pub fn device(&mut self) -> Result<Device, AskError> {
        match self.ask(Ask::Device)? {
            Outcome::Device(device) => Ok(device),
            other => Err(refusal(other)),
        }
    }

    /// State of every app. Manifest: `system: [apps-status]`.
    pub fn apps(&mut self) -> Result<Vec<AppStatus>, AskError> {
        match self.ask(Ask::AppsStatus)? {
            Outcome::Apps(apps) => Ok(apps),
            other => Err(refusal(other)),
        }
    }

    /// Sends bytes to a peer and waits for its answer. Both manifests list the other under `apps:`.
    pub fn call(&mut self, to: &str, payload: &[u8]) -> Result<Vec<u8>, AskError> {
        match self.ask(Ask::Call { to: to.to_owned(), payload: payload.to_vec() })? {
            Outcome::Answer(answer) => Ok(answer),
            other => Err(refusal(other)),
        }
    }

    /// The next call of a peer; `None` if none comes within `wait`.
    pub fn next_call(&mut self, wait: Duration) -> Result<Option<Call>, AskError> {
        let until = Instant::now() + wait;
        loop {
            if let Some(call) = self.calls.pop_front() {
                return Ok(Some(call));
            }
            match self.receive(until)? {
                None => return Ok(None),
                // A reply that came after its request was given up.
                Some(Message::Reply { .. }) => {}
                Some(Message::Called { call, from, payload }) => {
                    self.keep(Call { number: call, from, payload })
                }
            }
        }
    }

    /// Answers a call.
    pub fn answer(&mut self, call: &Call, payload: &[u8]) -> Result<(), AskError> {
        match self.ask(Ask::Answer { call: call.number, payload: payload.to_vec() })? {
            Outcome::Done => Ok(()),
            other => Err(refusal(other)),
        }
    }

    fn ask(&mut self, ask: Ask) -> Result<Outcome, AskError> {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let packet = minicbor::to_vec(Request { id, ask }).map_err(|_| AskError::TooLong)?;
        if packet.len() > MAX_PACKET {
            return Err(AskError::TooLong);
        }
        send(self.socket.as_raw_fd(), &packet, MsgFlags::MSG_NOSIGNAL).map_err(AskError::Connection)?;
        let until = Instant::now() + self.patience;
        loop {
            match self.receive(until)?.ok_or(AskError::Silence)? {
                Message::Reply { id: answered, outcome } if answered == id => return Ok(outcome),
                Message::Reply { .. } => {}
                Message::Called { call, from, payload } => self.keep(Call { number: call, from, payload }),
            }
        }
    }

    /// Keeps a call for [`System::next_call`]; the oldest makes room, its caller has waited longest and
    /// is about to give up.
    fn keep(&mut self, call: Call) {
        if self.calls.len() >= MOST_CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    fn receive(&mut self, until: Instant) -> Result<Option<Message>, AskError> {
        let wait = until.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
        let mut descriptors = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut descriptors, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(AskError::Connection(error)),
        }
        let mut packet = [0; MAX_PACKET];
        let length =
            recv(self.socket.as_raw_fd(), &mut packet, MsgFlags::empty()).map_err(AskError::Connection)?;
        if length == 0 {
            return Err(AskError::Connection(Errno::ECONNRESET));
        }
        let bytes = packet.get(..length).ok_or(AskError::Unexpected)?;
        minicbor::decode(bytes).map(Some).map_err(|_| AskError::Unexpected)
    }
}

fn refusal(outcome: Outcome) -> AskError {
    match outcome {
        Outcome::Denied(text) => AskError::Denied(text),
        Outcome::Unavailable(text) => AskError::Unavailable(text),
        Outcome::Invalid(text) => AskError::Invalid(text),
        _ => AskError::Unexpected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::socketpair;
    use std::thread;

    /// A system whose other end answers each request with what `serve` makes of it.
    fn system(serve: impl Fn(Request) -> Vec<Message> + Send + 'static) -> System {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::empty()).unwrap();
        thread::spawn(move || {
            let mut packet = [0; MAX_PACKET];
            while let Ok(length @ 1..) = recv(theirs.as_raw_fd(), &mut packet, MsgFlags::empty()) {
                for message in serve(minicbor::decode(&packet[..length]).unwrap()) {
                    let bytes = minicbor::to_vec(message).unwrap();
                    send(theirs.as_raw_fd(), &bytes, MsgFlags::MSG_NOSIGNAL).unwrap();
                }
            }
        });
        System::over(ours)
    }

    fn reply(id: u32, outcome: Outcome) -> Message {
        Message::Reply { id, outcome }
    }

    #[test]
    fn call_peer_answers_gives_its_bytes() {
        let mut system = system(|request| match request.ask {
            Ask::Call { to, payload } => {
                vec![reply(request.id, Outcome::Answer([to.as_bytes(), &payload].concat()))]
            }
            _ => vec![],
        });
        assert_eq!(system.call("org.example.b", b"!").unwrap(), b"org.example.b!");
    }

    #[test]
    fn stats_not_granted_carries_the_hint() {
        let mut system =
            system(|request| vec![reply(request.id, Outcome::Denied("add `stats` under system".to_owned()))]);
        let error = system.stats().unwrap_err();
        assert_eq!(error.to_string(), "denied: add `stats` under system");
    }

    #[test]
    fn call_of_a_peer_arriving_before_a_reply_is_kept() {
        let mut system = system(|request| {
            let called =
                Message::Called { call: 9, from: "org.example.a".to_owned(), payload: b"hello".to_vec() };
            match request.ask {
                Ask::Answer { call: 9, .. } => vec![reply(request.id, Outcome::Done)],
                _ => vec![called, reply(request.id, Outcome::Apps(vec![]))],
            }
        });
        assert_eq!(system.apps().unwrap(), []);
        let call = system.next_call(Duration::ZERO).unwrap().unwrap();
        assert_eq!((call.from.as_str(), call.payload.as_slice()), ("org.example.a", b"hello".as_slice()));
        system.answer(&call, b"hi").unwrap();
    }

    #[test]
    fn answer_later_than_the_patience_is_dropped_and_the_next_one_counts() {
        let mut system = system(|request| match request.id {
            1 => vec![],
            id => vec![reply(1, Outcome::Done), reply(id, Outcome::Apps(vec![]))],
        })
        .with_patience(Duration::from_millis(20));
        assert!(matches!(system.apps(), Err(AskError::Silence)));
        assert_eq!(system.with_patience(PATIENCE).apps().unwrap(), []);
    }

    #[test]
    fn next_call_none_comes_gives_none() {
        let mut system = system(|_| vec![]);
        assert_eq!(system.next_call(Duration::from_millis(1)).unwrap(), None);
    }

    #[test]
    fn call_longer_than_a_packet_is_refused_before_it_is_sent() {
        let mut system = system(|_| unreachable!("nothing may be sent"));
        assert!(matches!(system.call("org.example.b", &[0; 5000]), Err(AskError::TooLong)));
    }
}
