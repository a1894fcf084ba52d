//! Between a person's machine and the device, over a byte stream.
//!
//! Each message travels in one [`crate::frame`]. `session` is a random number that a client draws when it
//! connects: by it each of several clients on one line knows its own answers.
//!
//! A package comes as its two members, one after the other, in pieces: [`Command::Install`] says how large they are,
//! [`Command::Piece`] brings the next bytes, [`Command::Commit`] puts the new package in the old one's place. There is
//! no archive to be read on the device.

use minicbor::{Decode, Encode};

use crate::denial::Denial;
use crate::log::Detail;
use crate::status::{AppState, AppStatus, Stats};

/// Version of this protocol; the device refuses others and says which it speaks.
pub const VERSION: u8 = 2;

/// Most bytes in a [`Command::Piece`].
pub const MAX_PIECE: usize = 3072;

/// Longest capability in [`Command::Present`], in bytes.
pub const MAX_CAPABILITY: usize = 512;

/// From the client.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Request {
    /// Protocol version, [`VERSION`].
    #[n(0)]
    pub version: u8,
    /// The client's random number.
    #[n(1)]
    pub session: u32,
    /// Number of the request within the session.
    #[n(2)]
    pub id: u32,
    /// What is asked.
    #[n(3)]
    pub command: Command,
}

/// What a client may ask. An app is named by its component id or by the last label of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Command {
    /// Image, version, board, figures.
    #[n(0)]
    Info,
    /// State of every app; [`Answer::Done`] if there is none.
    #[n(1)]
    Apps,
    /// Log lines after the given number, then (with `follow`) each new one until [`Command::Cancel`]. The
    /// last answer is [`Answer::Done`].
    #[n(2)]
    Logs {
        /// Only lines with a greater number; 0 for all that is kept.
        #[n(0)]
        after: u64,
        /// Go on with new lines.
        #[n(1)]
        follow: bool,
        /// Only lines of this app.
        #[n(2)]
        app: Option<String>,
    },
    /// Start a stopped, done or failed app.
    #[n(3)]
    Start(#[n(0)] String),
    /// Stop an app and keep it down.
    #[n(4)]
    Stop(#[n(0)] String),
    /// Stop and start an app.
    #[n(5)]
    Restart(#[n(0)] String),
    /// Orderly reboot.
    #[n(6)]
    Reboot,
    /// End what the request with this number still does: it gets [`Answer::Done`] as its last answer.
    #[n(7)]
    Cancel(#[n(0)] u32),
    /// Orderly power-off.
    #[n(8)]
    PowerOff,
    /// Kill an app with SIGKILL, as a crash would; its restart policy applies. Development images only.
    #[n(9)]
    Kill(#[n(0)] String),
    /// Denials after the given number, then (with `follow`) each new one until [`Command::Cancel`]. The last
    /// answer is [`Answer::Done`].
    #[n(10)]
    Events {
        /// Only events with a greater number; 0 for all that are kept.
        #[n(0)]
        after: u64,
        /// Go on with new events.
        #[n(1)]
        follow: bool,
        /// Only events of this app.
        #[n(2)]
        app: Option<String>,
    },
    /// Every installed package; [`Answer::Done`] if there is none.
    #[n(11)]
    Packages,
    /// Begin to receive a package. An earlier one of this session that did not come to its end is forgotten.
    #[n(12)]
    Install {
        /// Length of its signed part, in bytes.
        #[n(0)]
        manifest_bytes: u32,
        /// Length of its image, in bytes.
        #[n(1)]
        image_bytes: u32,
    },
    /// The next bytes of the package: of its signed part, then of its image. A piece has bytes of one of the two.
    #[n(13)]
    Piece {
        /// How many came before, of both.
        #[n(0)]
        offset: u32,
        /// At most [`MAX_PIECE`].
        #[cbor(n(1), with = "minicbor::bytes")]
        bytes: Vec<u8>,
    },
    /// The package is whole: check it, put it in the place of the one that is installed, and start the app.
    #[n(14)]
    Commit,
    /// Stop an app and remove its package.
    #[n(15)]
    Remove {
        /// Component id, or its last label.
        #[n(0)]
        app: String,
        /// Remove what it has stored as well.
        #[n(1)]
        data: bool,
    },
    /// Present a signed device capability.
    #[n(16)]
    Present(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// This session is over: what it asked for and has not come to its end ends. There is no answer.
    #[n(17)]
    Close,
    /// No other client is on this line: what other sessions asked for ends.
    #[n(18)]
    Alone,
}

/// From the device.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Response {
    /// Session of the request.
    #[n(0)]
    pub session: u32,
    /// Number of the request.
    #[n(1)]
    pub id: u32,
    /// Whether more responses to this request follow.
    #[n(2)]
    pub more: bool,
    /// What came of it.
    #[n(3)]
    pub answer: Answer,
}

/// What the device answers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Answer {
    /// Done, nothing to tell.
    #[n(0)]
    Done,
    /// Image, version, board, figures.
    #[n(1)]
    Info(#[n(0)] Info),
    /// One app; one response each, `more` says whether another follows.
    #[n(2)]
    App(#[n(0)] AppStatus),
    /// One log line.
    #[n(3)]
    Log(#[n(0)] LogLine),
    /// Not known: no such app.
    #[n(4)]
    NotFound(#[n(0)] String),
    /// Refused, with the reason.
    #[n(5)]
    Refused(#[n(0)] String),
    /// The device speaks another version of the protocol: this one.
    #[n(6)]
    WrongVersion(#[n(0)] u8),
    /// One denial.
    #[n(7)]
    Event(#[n(0)] Denial),
    /// One installed package; one response each, `more` says whether another follows.
    #[n(8)]
    Package(#[n(0)] Package),
    /// What came is not good: verification failed, or it is malformed, with the reason.
    #[n(9)]
    Unverified(#[n(0)] String),
    /// Not possible now, with the reason: no room, or another one is at it.
    #[n(10)]
    Later(#[n(0)] String),
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Package {
    /// Component id.
    #[n(0)]
    pub app: String,
    /// Version for people; empty if the package was refused.
    #[n(1)]
    pub version: String,
    /// Version for machines.
    #[n(2)]
    pub rollback_index: u64,
    /// Length of its image, in bytes.
    #[n(3)]
    pub image_bytes: u64,
    /// Bytes that it may store.
    #[n(4)]
    pub data_bytes: u64,
    /// What it is doing.
    #[n(5)]
    pub state: AppState,
}

/// The running image in short.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Info {
    /// Name of the image.
    #[n(0)]
    pub image: String,
    /// Its version.
    #[n(1)]
    pub version: String,
    /// Its board.
    #[n(2)]
    pub board: String,
    /// Kernel release.
    #[n(3)]
    pub kernel: String,
    /// `a` or `b`.
    #[n(4)]
    pub slot: String,
    /// True for the development profile.
    #[n(5)]
    pub development: bool,
    /// True if signed with development keys.
    #[n(6)]
    pub development_keys: bool,
    /// Figures.
    #[n(7)]
    pub stats: Stats,
    /// The device's id: the SHA-256 of its public key. `None` if it could not make one.
    #[cbor(n(8), with = "minicbor::bytes")]
    pub device: Option<[u8; 32]>,
    /// What the next capability must answer.
    #[cbor(n(9), with = "minicbor::bytes")]
    pub nonce: Option<[u8; 16]>,
    /// The capability that holds now, if one does.
    #[n(10)]
    pub capability: Option<Lasting>,
}

/// What is left of a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Lasting {
    /// Boots, this one included.
    #[n(0)]
    pub boots: u32,
    /// Uptime, in seconds.
    #[n(1)]
    pub uptime_s: u32,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LogLine {
    /// Number of the line since boot, from 1.
    #[n(0)]
    pub number: u64,
    /// Milliseconds since the kernel started.
    #[n(1)]
    pub uptime_ms: u64,
    /// Component id of the app, or `appmgr`, `init`.
    #[n(2)]
    pub source: String,
    /// The text, without line feed and with control characters escaped. Who prints it escapes again: a
    /// device is not trusted with the terminal.
    #[n(3)]
    pub text: String,
    /// Of a structured line: its level and its fields. [`crate::log::shown`] puts all in one line.
    #[n(4)]
    pub detail: Option<Detail>,
}
