//! Between an app and appmgr, over `/run/nacre`.

use minicbor::{Decode, Encode};

use crate::log::Detail;
use crate::status::{AppStatus, Device, Stats};

/// Longest packet, in bytes. A longer one ends the connection.
pub const MAX_PACKET: usize = 4096;

/// Longest payload of a call or an answer, in bytes: what fits a packet with room for its frame.
pub const MAX_PAYLOAD: usize = 3072;

/// From an app. `id` is the app's own number for the request and comes back in the reply.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Request {
    /// The app's own number for it.
    #[n(0)]
    pub id: u32,
    /// What is asked.
    #[n(1)]
    pub ask: Ask,
}

/// What an app may ask.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Ask {
    /// Figures of the device (`system: [stats]`).
    #[n(0)]
    Stats,
    /// State of every app (`system: [apps-status]`).
    #[n(1)]
    AppsStatus,
    /// Send bytes to a peer and wait for its answer (both list each other under `apps:`).
    #[n(2)]
    Call {
        /// Component id of the peer.
        #[n(0)]
        to: String,
        /// At most [`MAX_PAYLOAD`] bytes.
        #[cbor(n(1), with = "minicbor::bytes")]
        payload: Vec<u8>,
    },
    /// Answer a call that was delivered as [`Message::Called`]; the reply is [`Outcome::Done`], or
    /// [`Outcome::Invalid`] if nobody waits for it any more.
    #[n(3)]
    Answer {
        /// Number of the call.
        #[n(0)]
        call: u32,
        /// At most [`MAX_PAYLOAD`] bytes.
        #[cbor(n(1), with = "minicbor::bytes")]
        payload: Vec<u8>,
    },
    /// Which device this is (`system: [stats]`).
    #[n(4)]
    Device,
    /// It is well (`health: { heartbeat: … }`). One that doesn't come in time counts as a crash.
    #[n(5)]
    Heartbeat,
    /// A GPIO line (`devices: { gpio: […] }`); the reply is [`Outcome::Descriptor`]. The line is the app's until the
    /// descriptor is closed.
    #[n(6)]
    Line {
        /// The board's name for it.
        #[n(0)]
        name: String,
        /// What it is to be.
        #[n(1)]
        mode: LineMode,
    },
    /// A serial port (`devices: { uart: […] }`), raw and with 8 bits; the reply is [`Outcome::Descriptor`].
    #[n(7)]
    Uart {
        /// The board's name for it.
        #[n(0)]
        name: String,
        /// Bits per second.
        #[n(1)]
        baud: u32,
        /// The ninth bit.
        #[n(2)]
        parity: Parity,
    },
    /// To be told on this connection what `events` lists, as [`Message::Event`].
    #[n(8)]
    Events,
    /// Write a line to its own log, as [`crate::log::check`] allows it; what it has written to its standard output
    /// before comes before. The reply is [`Outcome::Unavailable`] while the app has logged more than it may.
    #[n(9)]
    Log {
        /// What it says.
        #[n(0)]
        text: String,
        /// How grave it is, and what it is about.
        #[n(1)]
        detail: Detail,
    },
}

/// What a GPIO line is to be. Another mode is another request, after the descriptor was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum LineMode {
    /// Its value is read.
    #[n(0)]
    Input,
    /// Its value is read, and each change of it as well, in the form of `struct gpio_v2_line_event` (linux/gpio.h).
    #[n(1)]
    Edges,
    /// It is driven, low at first.
    #[n(2)]
    OutputLow,
    /// It is driven, high at first.
    #[n(3)]
    OutputHigh,
}

/// The parity bit of a serial port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Parity {
    /// There is none.
    #[n(0)]
    None,
    /// The number of ones is even.
    #[n(1)]
    Even,
    /// The number of ones is odd.
    #[n(2)]
    Odd,
}

/// What an app is told without having asked at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Event {
    /// It is about to be stopped, mostly because the device goes down: SIGTERM follows within a second, and SIGKILL
    /// within two.
    #[n(0)]
    Shutdown,
    /// An update waits for a good moment. No OS sends it yet, and no manifest is accepted that lists it.
    #[n(1)]
    Update,
}

/// To an app.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Message {
    /// The reply to a request.
    #[n(0)]
    Reply {
        /// The app's own number for the request.
        #[n(0)]
        id: u32,
        /// What came of it.
        #[n(1)]
        outcome: Outcome,
    },
    /// A peer calls; answer with [`Ask::Answer`]. Calls come on the app's oldest open connection.
    #[n(1)]
    Called {
        /// Number of the call, to be given back in the answer.
        #[n(0)]
        call: u32,
        /// Component id of the caller.
        #[n(1)]
        from: String,
        /// Its bytes.
        #[cbor(n(2), with = "minicbor::bytes")]
        payload: Vec<u8>,
    },
    /// What happened, after [`Ask::Events`].
    #[n(2)]
    Event(#[n(0)] Event),
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    /// Done, nothing to tell.
    #[n(0)]
    Done,
    /// Figures of the device.
    #[n(1)]
    Stats(#[n(0)] Stats),
    /// State of every app.
    #[n(2)]
    Apps(#[n(0)] Vec<AppStatus>),
    /// The peer's answer to a call.
    #[n(3)]
    Answer(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Not allowed; the text is what was asked, and the manifest line that would allow it: `stats — add …`.
    #[n(4)]
    Denied(#[n(0)] String),
    /// The peer is not running, or did not answer in time; may succeed later.
    #[n(5)]
    Unavailable(#[n(0)] String),
    /// The request makes no sense.
    #[n(6)]
    Invalid(#[n(0)] String),
    /// Which device this is.
    #[n(7)]
    Device(#[n(0)] Device),
    /// The descriptor that comes with this packet (`SCM_RIGHTS`, `unix(7)`).
    #[n(8)]
    Descriptor,
}
