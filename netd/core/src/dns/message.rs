//! Header and question of a message (RFC 1035, section 4.1).

use super::name::Name;
use crate::bytes::Reader;

/// It is an answer.
pub(super) const QR: u16 = 0x8000;
/// The kind of question; 0 is the usual one.
pub(super) const OPCODE: u16 = 0x7800;
/// It is cut.
pub(super) const TC: u16 = 0x0200;
/// The asker wants the server to ask others.
pub(super) const RD: u16 = 0x0100;
/// The server does that.
pub(super) const RA: u16 = 0x0080;

/// An IPv4 address.
pub(super) const A: u16 = 1;
/// Another name of the same.
pub(super) const CNAME: u16 = 5;
/// An IPv6 address.
pub(super) const AAAA: u16 = 28;
/// The Internet.
pub(super) const IN: u16 = 1;

/// The outcome of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rcode {
    /// The answer is there; it may be empty.
    NoError = 0,
    /// The question is not understood.
    FormErr = 1,
    /// No server gave an answer.
    ServFail = 2,
    /// The name does not exist.
    NxDomain = 3,
    /// Another kind of question.
    NotImp = 4,
    /// Not for you.
    Refused = 5,
}

/// The fixed beginning of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: u16,
    pub(super) flags: u16,
    pub(super) questions: u16,
    pub(super) answers: u16,
}

impl Header {
    /// Bytes of it.
    pub(super) const LEN: usize = 12;

    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(message.get(..Self::LEN)?);
        Some(Self {
            id: reader.u16()?,
            flags: reader.u16()?,
            questions: reader.u16()?,
            answers: reader.u16()?,
        })
    }

    /// With no other records.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        for field in [self.id, self.flags, self.questions, self.answers, 0, 0] {
            out.extend(field.to_be_bytes());
        }
    }

    /// The last four bits of the flags.
    pub(super) fn rcode(self) -> u16 {
        self.flags & 0xf
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) kind: u16,
    pub(super) class: u16,
}

impl Question {
    /// Reads the question behind the header; also gives the offset behind it.
    pub(super) fn read(message: &[u8]) -> Option<(Self, usize)> {
        let (name, behind) = Name::read(message, Header::LEN)?;
        let mut reader = Reader::new(message.get(behind..)?);
        let (kind, class) = (reader.u16()?, reader.u16()?);
        Some((Self { name, kind, class }, behind + 4))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.name.wire());
        out.extend(self.kind.to_be_bytes());
        out.extend(self.class.to_be_bytes());
    }
}
