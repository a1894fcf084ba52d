//! Messages to bytes and back, with every text and list bounded.

use minicbor::{Decode, Encode};

use crate::status::AppStatus;
use crate::{app, channel, log};

/// Longest encoded message, in bytes: what a packet and a frame hold.
pub const MAX_MESSAGE: usize = 4096;

/// Longest name of an app, in bytes.
pub const MAX_NAME: usize = 64;

/// Longest other text, in bytes: reasons, versions, log lines.
pub const MAX_TEXT: usize = 1536;

/// Longest version text and longest text on how a run ended, in one app's status, in bytes.
pub const MAX_STATUS_TEXT: usize = 96;

/// Most apps in one message. With [`MAX_NAME`] and [`MAX_STATUS_TEXT`] the list fits [`MAX_MESSAGE`] for the
/// apps that a device of this class has; the sender cuts texts where needed.
pub const MAX_APPS: usize = 12;

/// Why a value is no message or bytes are none.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Not CBOR of this shape.
    #[error("message is not of the expected shape")]
    Shape(#[from] minicbor::decode::Error),
    /// Bytes follow the message.
    #[error("bytes follow the message")]
    TrailingBytes,
    /// A part is longer than this protocol allows.
    #[error("message has {0} over its bound")]
    TooLong(&'static str),
}

/// A message whose parts can be held against their bounds.
pub trait Bounded {
    /// Longest encoding, in bytes.
    const MAX: usize = MAX_MESSAGE;

    /// Checks every text, byte string and list.
    ///
    /// # Errors
    /// [`MessageError::TooLong`] with the name of the part.
    fn check(&self) -> Result<(), MessageError>;
}

/// Encodes a message.
///
/// # Errors
/// [`MessageError::TooLong`] if a part or the whole is over its bound.
pub fn encode<T: Encode<()> + Bounded>(message: &T) -> Result<Vec<u8>, MessageError> {
    message.check()?;
    let mut out = Vec::new();
    if minicbor::encode(message, &mut out).is_err() || out.len() > T::MAX {
        return Err(MessageError::TooLong("its encoding"));
    }
    Ok(out)
}

/// Decodes a message that fills the bytes exactly.
///
/// # Errors
/// Any [`MessageError`].
pub fn decode<'b, T: Decode<'b, ()> + Bounded>(bytes: &'b [u8]) -> Result<T, MessageError> {
    if bytes.len() > T::MAX {
        return Err(MessageError::TooLong("its encoding"));
    }
    let mut decoder = minicbor::Decoder::new(bytes);
    let message: T = decoder.decode()?;
    if decoder.position() != bytes.len() {
        return Err(MessageError::TrailingBytes);
    }
    message.check()?;
    Ok(message)
}

pub(crate) fn bound(what: &'static str, length: usize, most: usize) -> Result<(), MessageError> {
    if length <= most { Ok(()) } else { Err(MessageError::TooLong(what)) }
}

fn name(text: &str) -> Result<(), MessageError> {
    bound("a name", text.len(), MAX_NAME)
}

fn text(text: &str) -> Result<(), MessageError> {
    bound("a text", text.len(), MAX_TEXT)
}

/// Holds it against the bounds of a line that is stored. What an app asks is held against [`log::check`], in words.
fn detail(detail: &log::Detail) -> Result<(), MessageError> {
    bound("a list of fields", detail.fields.len(), log::MAX_FIELDS)?;
    detail
        .fields
        .iter()
        .try_for_each(|field| bound("a key", field.key.len(), log::MAX_KEY).and_then(|()| text(&field.value)))
}

fn payload(bytes: &[u8]) -> Result<(), MessageError> {
    bound("a payload", bytes.len(), app::MAX_PAYLOAD)
}

impl Bounded for AppStatus {
    fn check(&self) -> Result<(), MessageError> {
        name(&self.app)?;
        bound("a version", self.version.len(), MAX_STATUS_TEXT)?;
        bound("a last end", self.last_end.as_ref().map_or(0, String::len), MAX_STATUS_TEXT)
    }
}

impl Bounded for app::Request {
    fn check(&self) -> Result<(), MessageError> {
        match &self.ask {
            app::Ask::Stats
            | app::Ask::AppsStatus
            | app::Ask::Device
            | app::Ask::Heartbeat
            | app::Ask::Events => Ok(()),
            app::Ask::Log { text: line, detail: of } => text(line).and_then(|()| detail(of)),
            app::Ask::Line { name: device, .. } | app::Ask::Uart { name: device, .. } => name(device),
            app::Ask::Call { to, payload: bytes } => name(to).and_then(|()| payload(bytes)),
            app::Ask::Answer { payload: bytes, .. } => payload(bytes),
        }
    }
}

impl Bounded for app::Message {
    fn check(&self) -> Result<(), MessageError> {
        match self {
            Self::Called { from, payload: bytes, .. } => name(from).and_then(|()| payload(bytes)),
            Self::Event(app::Event::Shutdown | app::Event::Update) => Ok(()),
            Self::Reply { outcome, .. } => match outcome {
                app::Outcome::Done | app::Outcome::Stats(_) | app::Outcome::Descriptor => Ok(()),
                app::Outcome::Apps(apps) => {
                    bound("a list of apps", apps.len(), MAX_APPS)?;
                    apps.iter().try_for_each(Bounded::check)
                }
                app::Outcome::Answer(bytes) => payload(bytes),
                app::Outcome::Denied(reason)
                | app::Outcome::Unavailable(reason)
                | app::Outcome::Invalid(reason) => text(reason),
                app::Outcome::Device(device) => [&device.image, &device.version, &device.board]
                    .into_iter()
                    .try_for_each(|part| bound("a text", part.len(), 256)),
            },
        }
    }
}

impl Bounded for channel::Request {
    fn check(&self) -> Result<(), MessageError> {
        use channel::Command;
        match &self.command {
            Command::Info
            | Command::Apps
            | Command::Reboot
            | Command::PowerOff
            | Command::Cancel(_)
            | Command::Packages
            | Command::Install { .. }
            | Command::Commit
            | Command::Close
            | Command::Alone => Ok(()),
            Command::Piece { bytes, .. } => bound("a piece", bytes.len(), channel::MAX_PIECE),
            Command::Present(bytes) => bound("a capability", bytes.len(), channel::MAX_CAPABILITY),
            Command::Remove { app, .. } => name(app),
            Command::Logs { app, .. } | Command::Events { app, .. } => app.as_deref().map_or(Ok(()), name),
            Command::Start(app) | Command::Stop(app) | Command::Restart(app) | Command::Kill(app) => {
                name(app)
            }
        }
    }
}

impl Bounded for channel::Response {
    fn check(&self) -> Result<(), MessageError> {
        use channel::Answer;
        match &self.answer {
            Answer::Done | Answer::WrongVersion(_) => Ok(()),
            Answer::App(status) => status.check(),
            Answer::Event(denial) => denial.check(),
            Answer::Log(line) => {
                name(&line.source)?;
                text(&line.text)?;
                line.detail.as_ref().map_or(Ok(()), detail)
            }
            Answer::NotFound(reason)
            | Answer::Refused(reason)
            | Answer::Unverified(reason)
            | Answer::Later(reason) => text(reason),
            Answer::Package(package) => {
                name(&package.app).and_then(|()| bound("a version", package.version.len(), MAX_STATUS_TEXT))
            }
            Answer::Info(info) => [&info.image, &info.version, &info.board, &info.kernel, &info.slot]
                .into_iter()
                .try_for_each(|part| bound("a text", part.len(), 256)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::status::{AppState, Device, Stats};

    fn call(to: &str, payload: usize) -> app::Request {
        app::Request { id: 7, ask: app::Ask::Call { to: to.into(), payload: vec![1; payload] } }
    }

    fn longest_status() -> AppStatus {
        AppStatus {
            app: "a".repeat(MAX_NAME),
            version: "v".repeat(MAX_STATUS_TEXT),
            state: AppState::Running,
            restarts: u32::MAX,
            memory_kib: u32::MAX,
            since_ms: u64::MAX,
            last_end: Some("e".repeat(MAX_STATUS_TEXT)),
        }
    }

    fn device(address: Option<[u8; 4]>) -> Device {
        Device {
            image: "demo".into(),
            version: "0.1.0".into(),
            board: "b".repeat(256),
            development: true,
            address,
        }
    }

    #[test]
    fn messages_of_every_kind_come_back() {
        let stats = Stats {
            uptime_ms: 1,
            cpu_busy_ms: 2,
            cpu_total_ms: 3,
            memory_total_kib: 4,
            memory_available_kib: 5,
        };
        for ask in [
            app::Ask::Stats,
            app::Ask::AppsStatus,
            app::Ask::Device,
            app::Ask::Call { to: "org.nacre.recorder".into(), payload: vec![0; app::MAX_PAYLOAD] },
            app::Ask::Answer { call: 3, payload: vec![] },
            app::Ask::Heartbeat,
            app::Ask::Line { name: "l".repeat(MAX_NAME), mode: app::LineMode::Edges },
            app::Ask::Uart { name: "console2".into(), baud: 115_200, parity: app::Parity::Even },
            app::Ask::Events,
        ] {
            let request = app::Request { id: 1, ask };
            assert_eq!(decode::<app::Request>(&encode(&request).unwrap()).unwrap(), request);
        }
        for outcome in [
            app::Outcome::Done,
            app::Outcome::Stats(stats),
            app::Outcome::Apps(vec![longest_status(); MAX_APPS]),
            app::Outcome::Answer(vec![9; app::MAX_PAYLOAD]),
            app::Outcome::Denied("t".repeat(MAX_TEXT)),
            app::Outcome::Unavailable(String::new()),
            app::Outcome::Invalid("no".into()),
            app::Outcome::Device(device(None)),
            app::Outcome::Descriptor,
            app::Outcome::Device(device(Some([10, 0, 2, 15]))),
        ] {
            let message = app::Message::Reply { id: 1, outcome };
            assert_eq!(decode::<app::Message>(&encode(&message).unwrap()).unwrap(), message);
        }
        let event = app::Message::Event(app::Event::Shutdown);
        assert_eq!(decode::<app::Message>(&encode(&event).unwrap()).unwrap(), event);
        use channel::Command;
        for command in [
            Command::Info,
            Command::Logs { after: 9, follow: true, app: Some("recorder".into()) },
            Command::Events { after: 9, follow: true, app: None },
            Command::Start("reporter".into()),
            Command::Cancel(4),
            Command::PowerOff,
            Command::Install { manifest_bytes: 9, image_bytes: u32::MAX },
            Command::Piece { offset: u32::MAX, bytes: vec![0; channel::MAX_PIECE] },
            Command::Remove { app: "n".repeat(MAX_NAME), data: true },
            Command::Present(vec![1; channel::MAX_CAPABILITY]),
            Command::Commit,
        ] {
            let request = channel::Request { version: channel::VERSION, session: 1, id: 2, command };
            assert_eq!(decode::<channel::Request>(&encode(&request).unwrap()).unwrap(), request);
        }
        let line = channel::LogLine {
            number: 1,
            uptime_ms: 2,
            source: "init".into(),
            text: "x".repeat(1100),
            detail: None,
        };
        for answer in
            [channel::Answer::Done, channel::Answer::App(longest_status()), channel::Answer::Log(line)]
        {
            let response = channel::Response { session: 1, id: 2, more: true, answer };
            assert_eq!(decode::<channel::Response>(&encode(&response).unwrap()).unwrap(), response);
        }
    }

    #[test]
    fn encode_parts_over_their_bounds_are_refused() {
        for request in [call(&"n".repeat(MAX_NAME + 1), 0), call("a.b", app::MAX_PAYLOAD + 1)] {
            assert!(matches!(encode(&request), Err(MessageError::TooLong(_))), "{request:?}");
        }
        let apps =
            app::Message::Reply { id: 0, outcome: app::Outcome::Apps(vec![longest_status(); MAX_APPS + 1]) };
        assert!(matches!(encode(&apps), Err(MessageError::TooLong("a list of apps"))));
    }

    #[test]
    fn decode_parts_over_their_bounds_are_refused() {
        let mut bytes = Vec::new();
        minicbor::encode(call("a.b", app::MAX_PAYLOAD + 1), &mut bytes).unwrap();
        assert!(matches!(decode::<app::Request>(&bytes), Err(MessageError::TooLong("a payload"))));
        assert!(matches!(decode::<app::Request>(&[0; MAX_MESSAGE + 1]), Err(MessageError::TooLong(_))));
    }

    #[test]
    fn channel_parts_over_their_bounds_are_refused_on_both_ends() {
        use channel::Command;
        for command in [
            Command::Piece { offset: 0, bytes: vec![0; channel::MAX_PIECE + 1] },
            Command::Present(vec![0; channel::MAX_CAPABILITY + 1]),
            Command::Remove { app: "n".repeat(MAX_NAME + 1), data: false },
        ] {
            let request = channel::Request { version: channel::VERSION, session: 1, id: 2, command };
            assert!(matches!(encode(&request), Err(MessageError::TooLong(_))), "{request:?}");
            let mut bytes = Vec::new();
            minicbor::encode(&request, &mut bytes).unwrap();
            assert!(matches!(decode::<channel::Request>(&bytes), Err(MessageError::TooLong(_))));
        }
    }

    #[test]
    fn decode_trailing_byte_is_refused() {
        let mut bytes = encode(&call("a.b", 1)).unwrap();
        bytes.push(0);
        assert!(matches!(decode::<app::Request>(&bytes), Err(MessageError::TrailingBytes)));
    }

    proptest! {
        #[test]
        fn decode_any_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode::<app::Request>(&bytes);
            let _ = decode::<app::Message>(&bytes);
            let _ = decode::<channel::Request>(&bytes);
            let _ = decode::<channel::Response>(&bytes);
        }

        /// Each kind of request, with any one byte of it made another: it is refused, or within its bounds.
        #[test]
        fn decode_altered_request_is_refused_or_bounded(
            kind in 0usize..5,
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            length in 0usize..200,
        ) {
            use channel::Command;
            let command = match kind {
                0 => Command::Install { manifest_bytes: 70, image_bytes: 300_000 },
                1 => Command::Piece { offset: 70, bytes: vec![7; length] },
                2 => Command::Remove { app: "org.nacre.a".into(), data: false },
                3 => Command::Present(vec![7; length]),
                _ => Command::Commit,
            };
            let request = channel::Request { version: channel::VERSION, session: 1, id: 2, command };
            let mut bytes = encode(&request).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(found) = decode::<channel::Request>(&bytes) {
                prop_assert!(found.check().is_ok());
            }
        }

        #[test]
        fn decode_cut_message_is_refused(length in 0usize..40, cut in 1usize..8) {
            let bytes = encode(&call("org.nacre.recorder", length)).unwrap();
            let short = bytes.len().saturating_sub(cut);
            prop_assert!(decode::<app::Request>(&bytes[..short]).is_err());
        }
    }
}
