//! The connection to the OS.

use std::collections::VecDeque;
use std::fmt::Display;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nacre_sys::fd_passing::{self, ReceiveError};
use nacre_wire::app::{Ask, Event, LineMode, MAX_PACKET, Message, Outcome, Parity, Request};
use nacre_wire::log::{Detail, Field, Level};
use nacre_wire::status::{AppStatus, Device, Stats};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, send, socket};

use crate::line::Line;
use crate::wait::Beats;

/// Where the OS listens, in every app.
const SOCKET: &str = "/run/nacre";

/// How long the OS may take for an answer. It gives up on a peer after 5 s by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Calls of peers kept while this app waits for something else; the OS keeps no more open per app.
const MOST_CALLS: usize = 16;

/// Events kept while this app waits for something else: there are two kinds, and each comes once.
const MOST_EVENTS: usize = 4;

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
    pub(crate) socket: OwnedFd,
    patience: Duration,
    next_id: u32,
    pub(crate) calls: VecDeque<Call>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) stopping: bool,
    pub(crate) beats: Option<Beats>,
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
        Self {
            socket,
            patience: PATIENCE,
            next_id: 1,
            calls: VecDeque::new(),
            events: VecDeque::new(),
            stopping: false,
            beats: None,
        }
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

    /// Asks to be told what happens, as an [`Event`]; [`System::wait`] then gives it. Manifest: `events: [shutdown]`.
    pub fn events(&mut self) -> Result<(), AskError> {
        self.done(Ask::Events)
    }

    /// Says that the app is well, now. Manifest: `health: { heartbeat: 30s }`; the first must come within that time
    /// after the start, and each next one within it after the one before. An app that is silent is killed, which counts
    /// as a crash. An app that lives in [`System::wait`] says [`System::beat_every`] once instead.
    pub fn heartbeat(&mut self) -> Result<(), AskError> {
        self.done(Ask::Heartbeat)
    }

    /// Writes a line to the app's log: how grave it is, what it says, and up to eight fields beside it, each a key of
    /// `a-z`, `0-9`, `_` and `-` and a value, with 1,024 bytes in all. Every app may; `nacre device logs --json` has the parts.
    /// What is printed to standard output is in the same log, as text.
    ///
    /// ```no_run
    /// use nacre_app::{Level, System};
    ///
    /// let mut system = System::connect()?;
    /// system.log(Level::Warning, "no answer", &[("peer", &"recorder"), ("tries", &3)])?;
    /// // [   12.480] reporter: warning: no answer peer=recorder tries=3
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AskError::Invalid`] over a bound; [`AskError::Unavailable`] while the app has logged more than 4 KiB a second for
    /// long: the line is lost.
    pub fn log(&mut self, level: Level, text: &str, fields: &[(&str, &dyn Display)]) -> Result<(), AskError> {
        let field =
            |(key, value): &(&str, &dyn Display)| Field { key: (*key).to_owned(), value: value.to_string() };
        let detail = Detail { level, fields: fields.iter().map(field).collect() };
        self.done(Ask::Log { text: text.to_owned(), detail })
    }

    /// A GPIO line, by the board's name for it. Manifest: `devices: { gpio: [LED1] }`. [`AskError::Unavailable`] if
    /// this app has it already: it is given back when the [`Line`] is dropped.
    pub fn line(&mut self, name: &str, mode: LineMode) -> Result<Line, AskError> {
        self.descriptor(Ask::Line { name: name.to_owned(), mode }).map(Line::new)
    }

    /// A serial port, by the board's name for it: raw, 8 bits, no flow control. Manifest: `devices: { uart: [console2] }`.
    /// What is not sent yet when the file is closed is lost: tcdrain(3) waits until all is.
    ///
    /// ```no_run
    /// use std::io::{Read, Write};
    /// use nacre_app::{Parity, System};
    ///
    /// // nacre.yaml: devices: { uart: [console2] }
    /// let mut port = System::connect()?.uart("console2", 115_200, Parity::None)?;
    /// port.write_all(b"hello\r\n")?;
    /// let mut answer = [0; 64];
    /// let length = port.read(&mut answer)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn uart(&mut self, name: &str, baud: u32, parity: Parity) -> Result<File, AskError> {
        self.descriptor(Ask::Uart { name: name.to_owned(), baud, parity }).map(File::from)
    }

    /// Answers a call.
    pub fn answer(&mut self, call: &Call, payload: &[u8]) -> Result<(), AskError> {
        self.done(Ask::Answer { call: call.number, payload: payload.to_vec() })
    }

    fn done(&mut self, ask: Ask) -> Result<(), AskError> {
        match self.ask(ask)? {
            Outcome::Done => Ok(()),
            other => Err(refusal(other)),
        }
    }

    fn descriptor(&mut self, ask: Ask) -> Result<OwnedFd, AskError> {
        match self.request(ask)? {
            (Outcome::Descriptor, Some(descriptor)) => Ok(descriptor),
            (other, _) => Err(refusal(other)),
        }
    }

    fn ask(&mut self, ask: Ask) -> Result<Outcome, AskError> {
        self.request(ask).map(|(outcome, _)| outcome)
    }

    /// The reply to a request, and the descriptor that came with it.
    fn request(&mut self, ask: Ask) -> Result<(Outcome, Option<OwnedFd>), AskError> {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let packet = minicbor::to_vec(Request { id, ask }).map_err(|_| AskError::TooLong)?;
        if packet.len() > MAX_PACKET {
            return Err(AskError::TooLong);
        }
        send(self.socket.as_raw_fd(), &packet, MsgFlags::MSG_NOSIGNAL).map_err(AskError::Connection)?;
        let until = after(self.patience);
        loop {
            match self.receive(until)?.ok_or(AskError::Silence)? {
                (Message::Reply { id: answered, outcome }, descriptor) if answered == id => {
                    return Ok((outcome, descriptor));
                }
                (other, _) => self.keep(other),
            }
        }
    }

    /// Keeps calls and events; the oldest call makes room, its caller has waited longest and is about to give up. A
    /// reply that came after its request was given up is dropped.
    pub(crate) fn keep(&mut self, message: Message) {
        match message {
            Message::Reply { .. } => {}
            Message::Called { call, from, payload } => {
                if self.calls.len() >= MOST_CALLS {
                    self.calls.pop_front();
                }
                self.calls.push_back(Call { number: call, from, payload });
            }
            Message::Event(event) => {
                self.stopping |= event == Event::Shutdown;
                if self.events.len() < MOST_EVENTS {
                    self.events.push_back(event);
                }
            }
        }
    }

    fn receive(&mut self, until: Instant) -> Result<Option<(Message, Option<OwnedFd>)>, AskError> {
        let mut descriptors = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        if poll_until(&mut descriptors, until)? { self.receive_now().map(Some) } else { Ok(None) }
    }

    /// What has come; something has.
    pub(crate) fn receive_now(&mut self) -> Result<(Message, Option<OwnedFd>), AskError> {
        let mut packet = [0; MAX_PACKET];
        let mut received = fd_passing::receive(&self.socket, &mut packet).map_err(|error| match error {
            ReceiveError::Kernel(errno) => AskError::Connection(errno),
            ReceiveError::TooLong => AskError::Unexpected,
        })?;
        if received.length == 0 {
            return Err(AskError::Connection(Errno::ECONNRESET));
        }
        let bytes = packet.get(..received.length).ok_or(AskError::Unexpected)?;
        let message = minicbor::decode(bytes).map_err(|_| AskError::Unexpected)?;
        Ok((message, received.fds.pop()))
    }
}

/// Waits until one of them is ready; false if none is in time. A signal that is handled ends no wait.
pub(crate) fn poll_until(descriptors: &mut [PollFd<'_>], until: Instant) -> Result<bool, AskError> {
    loop {
        // Rounded up: a millisecond too early would be a turn for nothing.
        let left = until.saturating_duration_since(Instant::now());
        let left = if left.is_zero() { left } else { left.saturating_add(Duration::from_millis(1)) };
        match poll(descriptors, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(0) if Instant::now() < until => {}
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(AskError::Connection(error)),
        }
    }
}

/// A moment so far away; a time that no clock holds is a year.
pub(crate) fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or_else(|| now + Duration::from_secs(365 * 86_400))
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
    use crate::Wake;
    use nix::sys::socket::{recv, socketpair};
    use std::io::{Read, Write, pipe};
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
        let Wake::Call(call) = system.wait(&[], Duration::ZERO).unwrap() else { panic!("no call is kept") };
        assert_eq!((call.from.as_str(), call.payload.as_slice()), ("org.example.a", b"hello".as_slice()));
        system.answer(&call, b"hi").unwrap();
    }

    #[test]
    fn event_that_comes_ends_the_wait_and_is_told_once() {
        let mut system = system(|request| match request.ask {
            Ask::Events => vec![reply(request.id, Outcome::Done), Message::Event(Event::Shutdown)],
            _ => vec![],
        });
        system.events().unwrap();
        assert_eq!(system.wait(&[], PATIENCE).unwrap(), Wake::Event(Event::Shutdown));
        assert_eq!(system.wait(&[], Duration::from_millis(1)).unwrap(), Wake::Timeout);
        assert!(system.stop_requested().unwrap(), "it stays so");
    }

    #[test]
    fn uart_granted_is_the_descriptor_that_came_with_the_reply() {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::empty()).unwrap();
        let (mut reader, writer) = pipe().unwrap();
        thread::spawn(move || {
            for with in [&[][..], &[writer.as_fd()]] {
                let mut packet = [0; MAX_PACKET];
                let length = recv(theirs.as_raw_fd(), &mut packet, MsgFlags::empty()).unwrap();
                let request: Request = minicbor::decode(&packet[..length]).unwrap();
                let bytes = minicbor::to_vec(reply(request.id, Outcome::Descriptor)).unwrap();
                fd_passing::send(&theirs, &bytes, with).unwrap();
            }
        });
        let mut system = System::over(ours);
        assert!(
            matches!(system.uart("console2", 9600, Parity::None), Err(AskError::Unexpected)),
            "none came"
        );
        let mut port = system.uart("console2", 9600, Parity::None).unwrap();
        port.write_all(b"hi").unwrap();
        drop(port);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hi");
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
    fn call_longer_than_a_packet_is_refused_before_it_is_sent() {
        let mut system = system(|_| unreachable!("nothing may be sent"));
        assert!(matches!(system.call("org.example.b", &[0; 5000]), Err(AskError::TooLong)));
    }
}
