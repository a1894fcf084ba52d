//! The device channel's port: frames in, frames out, for several clients, told apart by their sessions.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nacre_appmgr_core::denials::Denials;
use nacre_appmgr_core::log_ring::LogRing;
use nacre_sys::file::{names_in, open_folder, read_text_in};
use nacre_wire::channel::{Answer, LogLine, Request, Response};
use nacre_wire::frame::{self, FrameReader};
use nacre_wire::log::Field;
use nacre_wire::message;
use nix::fcntl::OFlag;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

use crate::image::kernel_argument;

/// Name of the virtio serial port that belongs to the channel.
const PORT: &str = "nacre.device";
/// Longest name of a port that is read, in bytes.
const NAME_BYTES: u64 = 64;

/// Bytes kept for a client that reads slowly, before requests and log lines wait: a few long frames.
const MOST_OUT: usize = 12 * 1024;

/// Requests taken from one reading at most; frames behind them are dropped.
const MOST_REQUESTS: usize = 32;

/// Readings for one request: who sends noise without end gets no more than its turn.
const READS_AT_ONCE: usize = 16;

/// Requests for log lines and events that may be open.
const MOST_STREAMS: usize = 8;

/// A stream that reads and writes without blocking.
pub(crate) trait Port: Read + Write + AsFd {}
impl<T: Read + Write + AsFd> Port for T {}

/// What a stream consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Lines of the log.
    Lines,
    /// Denials.
    Events,
}

/// A request for log lines or events that is not at its end.
#[derive(Debug)]
struct Stream {
    session: u32,
    id: u32,
    content: Content,
    /// Number of the last line sent.
    after: u64,
    /// Number of the last line to send; `None` follows for ever.
    until: Option<u64>,
    source: Option<String>,
}

/// The port, what its clients have open and what waits to be sent.
pub(crate) struct Channel {
    port: Box<dyn Port>,
    frames: FrameReader,
    requests: VecDeque<Request>,
    out: VecDeque<u8>,
    streams: Vec<Stream>,
    /// The last reading gave something, so there may be more.
    more_to_read: bool,
}

/// Opens the channel's port: the one that the kernel's command line names as `nacre.channel=/dev/…`, else
/// the virtio port of that name; `None` if the machine has neither.
pub(crate) fn open() -> Option<io::Result<File>> {
    let path = match kernel_argument("nacre.channel") {
        Some(path) => PathBuf::from(path),
        None => virtio_port(Path::new("/sys/class/virtio-ports"))?,
    };
    Some(open_port(&path))
}

fn open_port(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let port = OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path)?;
    // A serial line changes bytes and echoes them unless told not to; other ports have no such modes.
    if let Ok(mut modes) = tcgetattr(&port) {
        cfmakeraw(&mut modes);
        tcsetattr(&port, SetArg::TCSANOW, &modes)?;
    }
    Ok(port)
}

fn virtio_port(class: &Path) -> Option<PathBuf> {
    let ports = open_folder(class).ok()?;
    for port in names_in(&ports).ok()? {
        let name = read_text_in(&ports, &Path::new(&port).join("name"), NAME_BYTES).unwrap_or_default();
        if name.trim_end() == PORT {
            return Some(Path::new("/dev").join(port));
        }
    }
    None
}

impl Channel {
    /// Speaks over a port.
    pub(crate) fn new(port: Box<dyn Port>) -> Self {
        Self {
            port,
            frames: FrameReader::new(),
            requests: VecDeque::new(),
            out: VecDeque::new(),
            streams: Vec::new(),
            more_to_read: false,
        }
    }

    /// Whether [`Channel::next_request`] is worth another call before anything happens.
    pub(crate) fn is_behind(&self) -> bool {
        self.out.len() < MOST_OUT && (self.more_to_read || !self.requests.is_empty())
    }

    /// The next request, while there is room for its answers.
    pub(crate) fn next_request(&mut self) -> Option<Request> {
        for _ in 0..READS_AT_ONCE {
            self.flush();
            if self.out.len() >= MOST_OUT {
                return None;
            }
            if let Some(request) = self.requests.pop_front() {
                return Some(request);
            }
            self.requests.shrink_to_fit();
            self.more_to_read = self.read();
            if !self.more_to_read {
                return None;
            }
        }
        None
    }

    /// Reads once; whether anything came.
    fn read(&mut self) -> bool {
        let mut piece = [0; 1024];
        let bytes = match self.port.read(&mut piece) {
            // A virtio port that nobody has open reads as ended (drivers/char/virtio_console.c).
            Ok(0) => {
                self.forget_clients();
                return false;
            }
            Ok(count) => piece.get(..count).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => return true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(_) => {
                self.forget_clients();
                return false;
            }
        };
        for payload in self.frames.push(bytes).flatten() {
            // A frame that holds no request has nobody to answer to.
            if let Ok(request) = message::decode(&payload)
                && self.requests.len() < MOST_REQUESTS
            {
                self.requests.push_back(request);
            }
        }
        true
    }

    fn forget_clients(&mut self) {
        self.frames.reset();
        self.requests = VecDeque::new();
        self.out = VecDeque::new();
        self.streams = Vec::new();
    }

    /// Queues an answer.
    pub(crate) fn answer(&mut self, session: u32, id: u32, more: bool, answer: Answer) {
        let response = Response { session, id, more, answer };
        let frame = message::encode(&response).ok().and_then(|payload| frame::encode(&payload).ok());
        // Every answer made here is within the bounds of the protocol; one that is not is left out rather
        // than cut.
        self.out.extend(frame.unwrap_or_default());
    }

    /// Begins to send log lines or events, up to the newest of now or for ever; `false` if too many are open.
    pub(crate) fn stream(
        &mut self,
        (session, id): (u32, u32),
        content: Content,
        after: u64,
        until: Option<u64>,
        source: Option<String>,
    ) -> bool {
        let room = self.streams.len() < MOST_STREAMS;
        if room {
            self.streams.push(Stream { session, id, content, after, until, source });
        }
        room
    }

    /// Ends a stream.
    pub(crate) fn cancel(&mut self, session: u32, id: u32) {
        let open = self.streams.len();
        self.streams.retain(|stream| (stream.session, stream.id) != (session, id));
        if self.streams.len() < open {
            self.answer(session, id, false, Answer::Done);
        }
    }

    /// Ends every stream of a session, without a word to it.
    pub(crate) fn close(&mut self, session: u32) {
        self.streams.retain(|stream| stream.session != session);
    }

    /// Ends every stream of all other sessions.
    pub(crate) fn leave_alone(&mut self, session: u32) {
        self.streams.retain(|stream| stream.session == session);
    }

    /// Sends log lines and events for as long as there is room.
    pub(crate) fn pump(&mut self, ring: &LogRing, denials: &Denials) {
        self.flush();
        let mut ended = Vec::new();
        let mut answers = Vec::new();
        let mut room = MOST_OUT.saturating_sub(self.out.len());
        for stream in &mut self.streams {
            loop {
                let next = stream
                    .next(ring, denials)
                    .filter(|(number, _)| stream.until.is_none_or(|until| *number <= until));
                let Some((number, answer)) = next else {
                    if stream.until.is_some() {
                        ended.push((stream.session, stream.id));
                    }
                    break;
                };
                if room == 0 {
                    break;
                }
                room = room.saturating_sub(weight(&answer));
                stream.after = number;
                answers.push((stream.session, stream.id, answer));
            }
        }
        for (session, id, answer) in answers {
            self.answer(session, id, true, answer);
        }
        for (session, id) in ended {
            self.cancel(session, id);
        }
        self.flush();
    }

    /// Writes what is queued, as far as the port takes it.
    pub(crate) fn flush(&mut self) {
        while !self.out.is_empty() {
            let (front, _) = self.out.as_slices();
            match self.port.write(front) {
                Ok(0) => break,
                Ok(count) => drop(self.out.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.forget_clients(),
            }
        }
        self.out.shrink_to_fit();
    }
}

impl Stream {
    /// What comes next, with its number.
    fn next(&self, ring: &LogRing, denials: &Denials) -> Option<(u64, Answer)> {
        let source = self.source.as_deref();
        match self.content {
            Content::Lines => ring.next_after(self.after, source).map(|line| {
                let line = LogLine {
                    number: line.number,
                    uptime_ms: line.uptime.as_millis(),
                    source: line.source.to_string(),
                    text: line.text.to_string(),
                    detail: line.detail.as_deref().cloned(),
                };
                (line.number, Answer::Log(line))
            }),
            Content::Events => denials
                .next_after(self.after, source)
                .map(|denial| (denial.number, Answer::Event(denial.clone()))),
        }
    }
}

/// Bytes that an answer takes, about.
fn weight(answer: &Answer) -> usize {
    match answer {
        Answer::Log(line) => {
            let of_field = |field: &Field| field.key.len() + field.value.len() + 48;
            let fields = line.detail.iter().flat_map(|detail| &detail.fields).map(of_field).sum::<usize>();
            line.text.len() + fields + 128
        }
        _ => 512,
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.port.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixStream;
    use std::rc::Rc;

    use nacre_appmgr_core::denials::Refusal;
    use nacre_appmgr_core::{AppIndex, Uptime};
    use nacre_manifest::component::ComponentId;
    use nacre_wire::channel::{Command, VERSION};
    use nacre_wire::denial::{Layer, Remedy};

    use super::*;

    struct Client {
        stream: UnixStream,
        frames: FrameReader,
    }

    impl Client {
        fn send(&mut self, session: u32, id: u32, command: Command) {
            let request = Request { version: VERSION, session, id, command };
            let frame = frame::encode(&message::encode(&request).unwrap()).unwrap();
            self.stream.write_all(&frame).unwrap();
        }

        fn receive(&mut self) -> Vec<Response> {
            let mut out = Vec::new();
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = self.stream.read(&mut piece) {
                for payload in self.frames.push(&piece[..count]) {
                    out.push(message::decode(&payload.unwrap()).unwrap());
                }
            }
            out
        }
    }

    fn pair() -> (Channel, Client) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        (Channel::new(Box::new(ours)), Client { stream: theirs, frames: FrameReader::new() })
    }

    fn ring(lines: usize) -> LogRing {
        let mut ring = LogRing::new(4 << 20);
        for n in 0..lines {
            let source = Rc::from(["org.nacre.a", "org.nacre.b"][n % 2]);
            ring.push(Uptime::from_millis(5), &source, &format!("line {n} {}", "x".repeat(200)));
        }
        ring
    }

    fn numbers(responses: &[Response]) -> Vec<u64> {
        let number = |response: &Response| match &response.answer {
            Answer::Log(line) => Some(line.number),
            _ => None,
        };
        responses.iter().filter_map(number).collect()
    }

    #[test]
    fn request_after_garbage_is_read_and_answered() {
        let (mut channel, mut client) = pair();
        client.stream.write_all(b"garbage\x07\x00\x00more").unwrap();
        assert_eq!(channel.next_request(), None);
        client.send(9, 1, Command::Info);
        let request = channel.next_request().unwrap();
        assert_eq!((request.session, request.id, request.command), (9, 1, Command::Info));
        channel.answer(9, 1, false, Answer::Done);
        channel.flush();
        assert_eq!(client.receive(), [Response { session: 9, id: 1, more: false, answer: Answer::Done }]);
    }

    #[test]
    fn log_stream_without_follow_sends_all_lines_and_ends() {
        let (mut channel, mut client) = pair();
        let ring = ring(500);
        client.send(1, 5, Command::Info);
        channel.next_request().unwrap();
        assert!(channel.stream((1, 5), Content::Lines, 490, Some(ring.last_number()), None));
        let mut seen = Vec::new();
        for _ in 0..10 {
            channel.pump(&ring, &Denials::default());
            seen.extend(client.receive());
        }
        assert_eq!(numbers(&seen), (491..=500).collect::<Vec<_>>());
        assert_eq!(seen.last().map(|r| (r.more, &r.answer)), Some((false, &Answer::Done)));
        assert!(channel.streams.is_empty());
    }

    #[test]
    fn log_stream_of_one_app_follows_until_it_is_cancelled() {
        let (mut channel, mut client) = pair();
        let mut ring = ring(4);
        client.send(1, 5, Command::Info);
        channel.next_request().unwrap();
        assert!(channel.stream((1, 5), Content::Lines, 0, None, Some("org.nacre.b".into())));
        channel.pump(&ring, &Denials::default());
        assert_eq!(numbers(&client.receive()), [2, 4]);
        ring.push(Uptime::default(), &Rc::from("org.nacre.b"), "new");
        channel.pump(&ring, &Denials::default());
        assert_eq!(numbers(&client.receive()), [5]);
        channel.cancel(1, 5);
        channel.flush();
        assert_eq!(client.receive().len(), 1);
        ring.push(Uptime::default(), &Rc::from("org.nacre.b"), "newer");
        channel.pump(&ring, &Denials::default());
        assert_eq!(client.receive(), []);
    }

    #[test]
    fn events_of_one_app_are_sent_and_followed() {
        let (mut channel, mut client) = pair();
        let ids = ["org.nacre.a", "org.nacre.b"].map(|id| id.parse::<ComponentId>().unwrap());
        let mut denials = Denials::default();
        let deny = |denials: &mut Denials, n: usize| {
            let refusal = Refusal { tried: format!("try {n}"), remedy: Remedy::never("x") };
            denials.note(AppIndex(n % 2), &ids[n % 2], Layer::Seccomp, refusal, Uptime::default()).is_some()
        };
        assert!((0..4).all(|n| deny(&mut denials, n)));
        client.send(1, 5, Command::Info);
        channel.next_request().unwrap();
        assert!(channel.stream((1, 5), Content::Events, 0, None, Some("org.nacre.b".into())));
        let mut seen = || {
            channel.pump(&ring(9), &denials);
            let events = client.receive().into_iter().map(|response| match response.answer {
                Answer::Event(denial) => (denial.number, denial.tried),
                other => panic!("{other:?}"),
            });
            events.collect::<Vec<_>>()
        };
        assert_eq!(seen(), [(2, "try 1".to_owned()), (4, "try 3".to_owned())]);
        assert_eq!(seen(), []);
        assert!(deny(&mut denials, 5));
        channel.pump(&ring(9), &denials);
        assert_eq!(client.receive().len(), 1);
    }

    #[test]
    fn client_that_does_not_read_costs_no_more_than_the_bound() {
        let (mut channel, mut client) = pair();
        let ring = ring(5_000);
        client.send(1, 5, Command::Info);
        channel.next_request().unwrap();
        assert!(channel.stream((1, 5), Content::Lines, 0, Some(5_000), None));
        for _ in 0..5_000 {
            channel.pump(&ring, &Denials::default());
            assert!(channel.out.len() <= MOST_OUT + 2_048);
        }
        client.send(1, 6, Command::Info);
        assert_eq!(channel.next_request(), None, "requests wait too");
        let mut seen = Vec::new();
        while !channel.streams.is_empty() || !channel.out.is_empty() {
            seen.extend(client.receive());
            channel.pump(&ring, &Denials::default());
        }
        seen.extend(client.receive());
        assert!(numbers(&seen).into_iter().eq(1..=5_000));
        assert_eq!(channel.next_request().map(|request| request.id), Some(6));
    }

    #[test]
    fn sessions_have_streams_of_their_own_and_end_only_these() {
        let (mut channel, mut client) = pair();
        // Two clients number their requests alike.
        for session in [1, 2] {
            assert!(channel.stream((session, 5), Content::Lines, 0, None, None));
        }
        let mut told = |channel: &mut Channel, lines: usize| {
            channel.pump(&ring(lines), &Denials::default());
            client.receive().iter().map(|response| response.session).collect::<Vec<_>>()
        };
        assert_eq!(told(&mut channel, 1), [1, 2]);
        channel.cancel(1, 6);
        channel.close(3);
        assert_eq!(told(&mut channel, 2), [1, 2]);
        channel.close(1);
        assert_eq!(told(&mut channel, 3), [2]);
        assert!(channel.stream((3, 5), Content::Lines, 3, None, None));
        channel.leave_alone(3);
        assert_eq!(told(&mut channel, 4), [3]);
    }

    #[test]
    fn client_that_goes_away_leaves_nothing() {
        let (mut channel, mut client) = pair();
        client.send(1, 5, Command::Info);
        channel.next_request().unwrap();
        assert!(channel.stream((1, 5), Content::Lines, 0, None, None));
        drop(client);
        assert_eq!(channel.next_request(), None);
        assert!(channel.streams.is_empty() && channel.out.is_empty());
    }

    #[test]
    fn virtio_port_is_found_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        for (port, name) in [("vport0p0", ""), ("vport0p1", "other\n"), ("vport0p2", "nacre.device\n")] {
            fs::create_dir(dir.path().join(port)).unwrap();
            fs::write(dir.path().join(port).join("name"), name).unwrap();
        }
        assert_eq!(virtio_port(dir.path()), Some("/dev/vport0p2".into()));
        assert_eq!(virtio_port(Path::new("/no/such/class")), None);
    }
}
