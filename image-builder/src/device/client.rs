//! Requests to a device and their answers.

use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nacre_wire::channel::{Answer, Command, Request, Response, VERSION};
use nacre_wire::frame::{self, FrameReader};
use nacre_wire::message::{self, MessageError};

use super::line::Line;

/// How long the device may take for an answer.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskDeviceError {
    /// Nothing came in time.
    #[error("the device does not answer within {} s", .0.as_secs_f32())]
    NoAnswer(Duration),
    /// The connection was closed: the VM ended or restarts.
    #[error("the device closed the connection")]
    Closed,
    /// The connection failed.
    #[error("talking to the device")]
    Io(#[source] io::Error),
    /// The request cannot be sent: a name is too long.
    #[error("encoding the request")]
    Encode(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A whole frame came that holds no message of this protocol.
    #[error("the device said something that this program does not understand")]
    Decode(#[from] MessageError),
    /// The device speaks another version.
    #[error("the device speaks version {0} of the protocol, this program version {VERSION}")]
    WrongVersion(u8),
    /// The device does not know what was named.
    #[error("{0}")]
    NotFound(String),
    /// The device refuses.
    #[error("{0}")]
    Refused(String),
    /// What the device was given is not good.
    #[error("{0}")]
    Unverified(String),
    /// The device can't do it now.
    #[error("{0}")]
    Later(String),
    /// An answer to another question.
    #[error("the device answered something else than it was asked")]
    Unexpected,
}

/// A connection to a device.
#[derive(Debug)]
pub struct Client {
    line: Line,
    frames: FrameReader,
    session: u32,
    last_id: u32,
    waiting: VecDeque<Response>,
    patience: Duration,
}

impl Client {
    /// Begins a session on a stream.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new(stream: UnixStream) -> Result<Self, AskDeviceError> {
        Self::on(Line::Socket(stream))
    }

    /// Begins a session on a serial line, on which nobody else is: what others left there ends.
    ///
    /// # Errors
    /// When no device answers on it.
    pub fn alone(line: Line) -> Result<Self, AskDeviceError> {
        let mut client = Self::on(line)?;
        client.ask(Command::Alone)?;
        Ok(client)
    }

    fn on(line: Line) -> Result<Self, AskDeviceError> {
        let session = getrandom::u32().map_err(|error| AskDeviceError::Io(io::Error::other(error)))?;
        let frames = FrameReader::new();
        Ok(Self { line, frames, session, last_id: 0, waiting: VecDeque::new(), patience: PATIENCE })
    }

    /// Another time for an answer than [`PATIENCE`].
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Asks something that has one answer.
    ///
    /// # Errors
    /// When there is none, or the device refuses.
    pub fn ask(&mut self, command: Command) -> Result<Answer, AskDeviceError> {
        let id = self.send(command)?;
        Ok(self.receive(id, Some(self.patience))?.answer)
    }

    /// Asks something that may have several answers. `each` sees every one, and says whether to go on.
    /// With [`Waiting::ForEver`] the first answer may take as long as any other.
    ///
    /// # Errors
    /// When an answer does not come, or the device refuses.
    pub fn ask_many(
        &mut self,
        command: Command,
        waiting: Waiting,
        mut each: impl FnMut(Answer) -> Next,
    ) -> Result<(), AskDeviceError> {
        let id = self.send(command)?;
        let patience = match waiting {
            Waiting::Bounded => Some(self.patience),
            Waiting::ForEver => None,
        };
        loop {
            let response = self.receive(id, patience)?;
            let more = response.more;
            if each(response.answer) == Next::Stop {
                if more {
                    self.send(Command::Cancel(id))?;
                }
                return Ok(());
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Sends something without waiting for the answer; its number, for [`Client::answer_to`].
    pub(crate) fn send(&mut self, command: Command) -> Result<u32, AskDeviceError> {
        self.last_id = self.last_id.wrapping_add(1);
        let request = Request { version: VERSION, session: self.session, id: self.last_id, command };
        let payload = message::encode(&request).map_err(|error| AskDeviceError::Encode(Box::new(error)))?;
        let bytes = frame::encode(&payload).map_err(|error| AskDeviceError::Encode(Box::new(error)))?;
        match self.line.write_all(&bytes, self.patience) {
            Ok(()) => Ok(self.last_id),
            Err(error) if timed_out(&error) => Err(AskDeviceError::NoAnswer(self.patience)),
            Err(error) if hung_up(&error) => Err(AskDeviceError::Closed),
            Err(error) => Err(AskDeviceError::Io(error)),
        }
    }

    /// The one answer to what was sent under this number. Answers to what was sent before it are dropped.
    pub(crate) fn answer_to(&mut self, id: u32) -> Result<Answer, AskDeviceError> {
        Ok(self.receive(id, Some(self.patience))?.answer)
    }

    /// The next answer to anything that was sent, with its number; `None` if none comes within this time.
    pub(crate) fn next(&mut self, most: Duration) -> Result<Option<Response>, AskDeviceError> {
        match self.receive_any(Some((most, Instant::now() + most))) {
            Ok(response) => refused(response).map(Some),
            Err(AskDeviceError::NoAnswer(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has [`Client::next`] say this once more.
    pub(crate) fn push_back(&mut self, response: Response) {
        self.waiting.push_front(response);
    }

    fn receive(&mut self, id: u32, patience: Option<Duration>) -> Result<Response, AskDeviceError> {
        let deadline = patience.map(|patience| (patience, Instant::now() + patience));
        loop {
            let response = self.receive_any(deadline)?;
            if response.id == id {
                return refused(response);
            }
        }
    }

    fn receive_any(&mut self, deadline: Option<(Duration, Instant)>) -> Result<Response, AskDeviceError> {
        loop {
            if let Some(response) = self.waiting.pop_front() {
                return Ok(response);
            }
            let timeout = match deadline {
                None => None,
                Some((patience, deadline)) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(AskDeviceError::NoAnswer(patience));
                    }
                    Some(left)
                }
            };
            let mut piece = [0; 4096];
            let read = match self.line.read(&mut piece, timeout) {
                Ok(0) => return Err(AskDeviceError::Closed),
                Ok(n) => piece.get(..n).unwrap_or_default(),
                Err(error) if timed_out(&error) || error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if hung_up(&error) => return Err(AskDeviceError::Closed),
                Err(error) => return Err(AskDeviceError::Io(error)),
            };
            // A damaged frame is what was on the line when this client came, or noise: the next is whole.
            for payload in self.frames.push(read).flatten() {
                let response: Response = message::decode(&payload)?;
                if response.session == self.session {
                    self.waiting.push_back(response);
                }
            }
        }
    }
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The client's patience.
    Bounded,
    /// For as long as the connection stands.
    ForEver,
}

/// Whether to read another answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Read the next one.
    GoOn,
    /// It is enough.
    Stop,
}

fn refused(response: Response) -> Result<Response, AskDeviceError> {
    match response.answer {
        Answer::NotFound(text) => Err(AskDeviceError::NotFound(text)),
        Answer::Refused(text) => Err(AskDeviceError::Refused(text)),
        Answer::Unverified(text) => Err(AskDeviceError::Unverified(text)),
        Answer::Later(text) => Err(AskDeviceError::Later(text)),
        Answer::WrongVersion(version) => Err(AskDeviceError::WrongVersion(version)),
        _ => Ok(response),
    }
}

fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn hung_up(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use nacre_wire::channel::LogLine;

    /// A device that answers each request with what `answer` makes of it.
    fn device(
        answer: impl Fn(&Request) -> Vec<(u32, bool, Answer)> + Send + 'static,
    ) -> (Client, std::thread::JoinHandle<Vec<Command>>) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let thread = std::thread::spawn(move || {
            let mut asked = Vec::new();
            let mut frames = FrameReader::new();
            let mut piece = [0; 64];
            // Half a frame from before this client came.
            theirs.write_all(&[3, 7, 9]).unwrap();
            while let Ok(n @ 1..) = theirs.read(&mut piece) {
                for payload in frames.push(&piece[..n]) {
                    let request: Request = message::decode(&payload.unwrap()).unwrap();
                    for (session, more, answer) in answer(&request) {
                        let response = Response { session, id: request.id, more, answer };
                        let frame = frame::encode(&message::encode(&response).unwrap()).unwrap();
                        // A client that has heard enough may be gone; what it sent last is still to be read.
                        let _ = theirs.write_all(&frame);
                    }
                    asked.push(request.command);
                }
            }
            asked
        });
        (Client::new(ours).unwrap().with_patience(Duration::from_millis(300)), thread)
    }

    fn line(number: u64) -> Answer {
        Answer::Log(LogLine {
            number,
            uptime_ms: 5,
            source: "init".into(),
            text: "hello".into(),
            detail: None,
        })
    }

    #[test]
    fn client_answer_for_another_session_is_passed_over() {
        let (mut client, _) = device(|request| {
            vec![
                (request.session.wrapping_add(1), false, Answer::NotFound("not for us".into())),
                (request.session, false, Answer::Done),
            ]
        });
        assert_eq!(client.ask(Command::Reboot).unwrap(), Answer::Done);
    }

    #[test]
    fn client_refusals_are_errors() {
        type Check = fn(&AskDeviceError) -> bool;
        let table: [(Answer, Check); 5] = [
            (
                Answer::Unverified("x".into()),
                |e| matches!(e, AskDeviceError::Unverified(text) if text == "x"),
            ),
            (Answer::Later("y".into()), |e| matches!(e, AskDeviceError::Later(text) if text == "y")),
            (Answer::NotFound("x".into()), |e| matches!(e, AskDeviceError::NotFound(text) if text == "x")),
            (Answer::Refused("y".into()), |e| matches!(e, AskDeviceError::Refused(text) if text == "y")),
            (Answer::WrongVersion(9), |e| matches!(e, AskDeviceError::WrongVersion(9))),
        ];
        for (answer, check) in table {
            let given = answer.clone();
            let (mut client, _) = device(move |request| vec![(request.session, false, given.clone())]);
            let error = client.ask(Command::Info).unwrap_err();
            assert!(check(&error), "{answer:?} gave {error:?}");
        }
    }

    #[test]
    fn client_many_answers_end_with_the_last() {
        let (mut client, _) = device(|request| (1..=3).map(|n| (request.session, n < 3, line(n))).collect());
        let mut numbers = Vec::new();
        let command = Command::Logs { after: 0, follow: false, app: None };
        client
            .ask_many(command, Waiting::Bounded, |answer| {
                if let Answer::Log(line) = answer {
                    numbers.push(line.number);
                }
                Next::GoOn
            })
            .unwrap();
        assert_eq!(numbers, [1, 2, 3]);
    }

    #[test]
    fn client_that_stops_early_cancels_its_request() {
        let (mut client, thread) = device(|request| match request.command {
            Command::Cancel(_) => vec![],
            _ => vec![(request.session, true, line(1)), (request.session, true, line(2))],
        });
        let command = Command::Logs { after: 0, follow: true, app: None };
        client.ask_many(command.clone(), Waiting::ForEver, |_| Next::Stop).unwrap();
        drop(client);
        assert_eq!(thread.join().unwrap(), [command, Command::Cancel(1)]);
    }

    #[test]
    fn client_without_answer_gives_up_after_its_patience() {
        let (mut client, _) = device(|_| vec![]);
        let before = Instant::now();
        assert!(matches!(client.ask(Command::Info), Err(AskDeviceError::NoAnswer(_))));
        assert!(before.elapsed() >= Duration::from_millis(290));
    }

    #[test]
    fn client_of_a_closed_device_says_so() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let mut client = Client::new(ours).unwrap();
        assert!(matches!(client.ask(Command::Info), Err(AskDeviceError::Closed)));
    }
}
